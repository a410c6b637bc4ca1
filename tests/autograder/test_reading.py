"""Right work as people write and pack it: notebooks as Jupyter executes them, several files as Python imports them."""

import io
import json
import tarfile
import zipfile

import pytest

from autograder.checking import Lab
from autograder.engine import files
from autograder.student import Student

F = "def f(x):\n    return x + 1\n"
G = "def g(x):\n    return 10 * x\n"
STUB = 'def f(x):\n    """Add one."""\n    raise NotImplementedError("lab, f")\n'


@pytest.fixture
def loaded(server):
    """Return a function that loads {name: text or bytes} and returns the student's proxy, begun."""
    opened = []

    def load(contents, names=("f",)):
        raw = {name: one.encode() if isinstance(one, str) else one for name, one in contents.items()}
        student = Student(Lab("Reading", ["work.py", "main.py"], list(names)), files.Files(raw), server)
        opened.append(student)
        student.begin(0)
        return student

    yield load
    for student in opened:
        student.close()


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": one} for one in cells], "nbformat": 4})


def zipped(contents):
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name, one in contents.items():
            archive.writestr(name, one)
    return file.getvalue()


@pytest.mark.parametrize(
    "cells",
    [
        ("try:\n    import nothing_such\nexcept ImportError:\n    !pip install nothing_such\n    pass\n" + F,),
        ("files = !ls\n" + F,),
        (F + "t = %timeit -o f(1)",),
        ("import torch.nn as nn\nnn.Linear?", F),
        ("def f(x):\n    y = (x\n        % 7)\n    return 1 + (12 * x + y - y) - 11 * x",),
        ("from __future__ import annotations", "def f(x: Unknown) -> Unknown:\n    return x + 1"),
        ("import warnings\nwith warnings.catch_warnings():\n    def f(x):\n        return x + 1",),
        ("TABLE = {}\nfor k in range(3):\n    TABLE[k] = k", "def f(x):\n    return x + TABLE[1]"),
        ("CONFIG = {}\nCONFIG.update(step=1)\ndef f(x):\n    return x + CONFIG['step']",),
        ("class A: pass\nsetattr(A, 'step', lambda self: 1)\ndef f(x):\n    return x + A().step()",),
        ("%%time\n" + F,),
        ("%time one = 1\n", "def f(x):\n    return x + one"),
        ("%%capture out\n\n%%time\n" + F,),
        ("%%writefile parts.py\n" + F, "from parts import f"),
        ("%%bash\nls | wc -l", "%matplotlib inline\n" + F),
        ("import asyncio\nawait asyncio.sleep(0)\none = 1", "def f(x):\n    return x + one"),
        ("if __name__ == '__main__':\n    def f(x):\n        return x + 1",),
        (">>> a = 1\n", F),
    ],
)
def test_a_notebook_is_read_as_jupyter_reads_it(loaded, cells):
    assert loaded({"lab.ipynb": notebook(*cells)}).f(1) == 2


def test_notebooks_of_other_programs_and_years_are_read(loaded):
    assert loaded({"lab.ipynb": b"\xef\xbb\xbf" + notebook(F).encode()}).f(1) == 2
    assert loaded({"lab.ipynb": notebook(F).encode("utf-16")}).f(1) == 2
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": F.splitlines(keepends=True)}]}]}
    assert loaded({"lab.ipynb": json.dumps(old)}).f(1) == 2


def test_a_cell_that_fails_loses_only_itself_and_is_named(loaded):
    student = loaded({"lab.ipynb": notebook("a = 1", "b = open('not/here')", "c = (", F, "while True:\n    pass")})
    assert student.f(1) == 2
    told = "\n".join(student.notes)
    for part in ("Graded: f (lab.ipynb, cell 4)", "cell 2, line 1 raised FileNotFoundError", "cell 3 is not Python"):
        assert part in told
    assert "cell 5, line 1 raised TookTooLong" in told


@pytest.mark.parametrize(
    "contents",
    [
        {"part1/solution.py": F, "part2/solution.py": G},
        {"part1/solution.py": "from tools import one\ndef f(x):\n    return x + one", "part1/tools.py": "one = 1",
         "part2/solution.py": "from tools import ten\ndef g(x):\n    return x * ten", "part2/tools.py": "ten = 10"},
        {"data/__init__.py": "from .parts import f", "data/parts.py": F, "main.py": "from data import f\n" + G},
        {"pkg/__init__.py": "", "pkg/one.py": F, "pkg/sub/main.py": "from ..one import f\n" + G},
        {"main.py": "from src.deep.one import f\nfrom src.two import *", "src/deep/one.py": F, "src/two.py": G},
        {"__init__.py": "", "main.py": "from .one import f\n" + G, "one.py": F},
        {"main.py": "from code import f\n" + G, "code.py": F},
        {"main.py": "from one import f\nfrom two import g", "one.py": F + "raise SystemExit('no data')",
         "two.py": "import one\n" + G},
        {"simclr.v2 (1).py": F, "lab.ipynb": notebook("x = 1\n" + G)},
        {"a/b/c/d/e/f/g/h/i/main.py": F + G},
        {"ada.zip": zipped({"/home/ada/main.py": F, "C:\\ada\\more.py": G})},
        {"ada.zip": zipped({"inner.zip": zipped({"deep.zip": zipped({"main.py": F + G})})})},
        {"a.zip": zipped({"data/__init__.py": "from .p import f", "data/p.py": F, "m.py": "from data import f\n" + G})},
        {"one.zip": zipped({"main.py": F}), "two.zip": zipped({"main.py": G})},
        {"main.py": F + G, "old.zip": b"PK nonsense"},
    ],
    ids=range(15),
)  # fmt: skip
def test_several_files_behave_as_pythons_import_system(loaded, contents):
    student = loaded(contents, ["f", "g"])
    assert (student.f(1), student.g(2)) == (2, 20), student.notes


def test_a_tar_is_read(loaded):
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w:gz") as archive:
        about = tarfile.TarInfo("ada/main.py")
        about.size = len(F)
        archive.addfile(about, io.BytesIO(F.encode()))
    assert loaded({"ada.tar.gz": file.getvalue()}).f(1) == 2


@pytest.mark.parametrize("name", ["lab03.ipynb", "work (1).py", "old/work.py"])
def test_an_untouched_stub_never_beats_the_answer(loaded, name):
    student = loaded({"work.py": STUB, name: notebook(F) if name.endswith("ipynb") else F})
    assert student.f(1) == 2 and f"Graded: f ({name}" in student.notes[0]


def test_a_class_that_is_written_beats_one_that_is_half_written(loaded):
    half = "class f:\n    def __init__(self, x):\n        pass\n    def y(self):\n        raise NotImplementedError\n"
    student = loaded({"work.py": half, "lab.ipynb": notebook(half.replace("raise NotImplementedError", "return 7"))})
    assert student.f(1).y() == 7
