"""The parameters cell is the schema: names, types, literals; every mistake is told before a run starts."""

import pytest

from labkit.run_folder import LabError
from labrun.spec import Text, alternatives, assignments, check, declared, grid_of, literal

SOURCE = """# a comment
preset = "tiny"
lr: float = 0.1
width: int | None = None
depth: Optional[int] = 3
flip = True
shift = -1
sizes: list[int] = [1, 2]
anything = None
data_dir: "str" = ""
"""


def notebook(source, tags=("parameters",)):
    return {
        "cells": [
            {"cell_type": "markdown", "source": "x", "metadata": {}},
            {"cell_type": "code", "source": source.splitlines(keepends=True), "metadata": {"tags": list(tags)}},
        ]
    }


@pytest.fixture(scope="module")
def cell():
    return declared(notebook(SOURCE))


def test_the_cell_is_read_with_annotations_and_without_running_it(cell):
    assert list(cell) == ["preset", "lr", "width", "depth", "flip", "shift", "sizes", "anything", "data_dir"]
    assert cell["width"].types == (int, type(None)) and cell["width"].default is None
    assert cell["depth"].types == (int, type(None))
    assert (cell["shift"].default, cell["sizes"].types, cell["anything"].types) == (-1, (list,), ())


def test_a_notebook_without_the_tag_declares_nothing_and_says_so():
    assert declared(notebook(SOURCE, tags=())) == {}
    with pytest.raises(LabError, match="no cell tagged"):
        check({"lr": 1}, {})


def test_a_default_that_is_no_literal_is_refused():
    with pytest.raises(LabError, match=r"lr to '2 \* 3'"):
        declared(notebook("lr = 2 * 3"))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"lr": 1}, {"lr": 1.0}),
        ({"width": None}, {"width": None}),
        ({"width": 8}, {"width": 8}),
        ({"flip": False}, {"flip": False}),
        ({"anything": [1]}, {"anything": [1]}),
        ({"lr": Text("1e-3")}, {"lr": 0.001}),
        ({"flip": Text("false")}, {"flip": False}),
        ({"flip": Text("False")}, {"flip": False}),
        ({"width": Text("none")}, {"width": None}),
        ({"width": Text("null")}, {"width": None}),
        ({"sizes": Text("[3, 4]")}, {"sizes": [3, 4]}),
        ({"preset": Text("none")}, {"preset": "none"}),
        ({"preset": Text("123")}, {"preset": "123"}),
        ({"preset": Text("true")}, {"preset": "true"}),
        ({"data_dir": Text("/a b/c")}, {"data_dir": "/a b/c"}),
        ({"preset": Text("'x'")}, {"preset": "'x'"}),
        ({"data_dir": Text("")}, {"data_dir": ""}),
    ],
)
def test_values_become_what_the_cell_wants(cell, given, meant):
    assert check(given, cell) == meant
    assert [type(value) for value in check(given, cell).values()] == [type(value) for value in meant.values()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lr": Text("abc")}, "lr must be float, got 'abc'."),
        ({"lr": True}, "lr must be float, got True."),
        ({"width": 3.5}, "width must be int or None, got 3.5."),
        ({"flip": 1}, "flip must be bool, got 1."),
        ({"flip": Text("yes please")}, "flip must be bool, got 'yes please'."),
        ({"preset": 3}, "preset must be str, got 3."),
        ({"width": False}, "width must be int or None"),
        ({"lrr": 1}, "Unknown parameter 'lrr'. Did you mean lr"),
    ],
)
def test_wrong_values_are_refused_with_name_type_and_value(cell, given, said):
    with pytest.raises(LabError) as refused:
        check(given, cell)
    assert said in str(refused.value)


def test_all_mistakes_are_told_at_once(cell):
    with pytest.raises(LabError, match=r"lrr.*flip must be bool"):
        check({"lrr": 1, "flip": 2, "lr": 0.5}, cell)


def test_assignments_and_grids_are_split_as_typed():
    assert assignments(["data_dir=/a=b", "lr=1"]) == {"data_dir": "/a=b", "lr": "1"}
    assert grid_of(["lr=0.1,0.2", "seed=1"]) == {"lr": ["0.1", "0.2"], "seed": ["1"]}
    assert alternatives("[1,2],[3,(4,5)]") == ["[1,2]", "[3,(4,5)]"]
    assert alternatives("'a,b',c") == ["'a,b'", "c"]


@pytest.mark.parametrize("text", ["lr", "=3", "two words=3", "lr=1,,2", "lr="])
def test_what_is_no_grid_is_refused_with_an_example(text):
    with pytest.raises(LabError, match="example"):
        grid_of([text])


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1e-3", 0.001),
        ("1", 1),
        ("(1, 2)", (1, 2)),
        ("true", True),
        ("null", None),
        ("{a: 1}", {"a": 1}),
        ("[unclosed", "[unclosed"),
        ("word", "word"),
    ],
)
def test_literals_are_python_then_yaml_then_text(text, meaning):
    assert literal(text) == meaning
