"""Every notebook keeps the house rules of a lesson, and every rule is seen to catch its defect."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, requires
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OURS = {"labkit", "labrun", "assignments", "autograder"}
MAX_LINES, MAX_PARAMETERS = 25, {True: 8, False: 10}  # of a lesson; of a unit for sweeps
CELLS, WORDS = range(40, 71), range(2000, 4001)  # of a numbered lesson


# ---- what the rules look at


def sources(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def prose(source):
    """Markdown without its fenced blocks and its mathematics: what a person reads as sentences."""
    return re.sub(r"```.*?```|\$\$.*?\$\$", "", source, flags=re.DOTALL)


def headings(notebook):
    text = "\n\n".join(prose(source) for source in sources(notebook, "markdown"))
    return [len(marks) for marks in re.findall(r"^(#{1,6}) \S", text, flags=re.MULTILINE)]


def trees(notebook):
    """One syntax tree per code cell that is plain Python (the others break `plain_python`)."""
    for source in sources(notebook, "code"):
        try:
            yield ast.parse(source)
        except SyntaxError:
            continue


def nodes(notebook, kind):
    return [node for tree in trees(notebook) for node in ast.walk(tree) if isinstance(node, kind)]


def plain_name(requirement):
    return re.split(r"[<>=!~; \[(]", requirement)[0].lower().replace("_", "-")


@cache
def third_party():
    """Import names of what pyproject.toml lists and of what those bring themselves (IPython, Pillow)."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    wanted = {plain_name(entry) for entry in listed}
    brought = [entry for name in wanted for entry in requires(name) or [] if "extra ==" not in entry]
    wanted |= {plain_name(entry) for entry in brought}
    return {
        name for name, owners in packages_distributions().items() if wanted & {plain_name(owner) for owner in owners}
    }


def outside(count, wanted, what):
    return [] if count in wanted else [f"{count} {what}, {wanted.start} to {wanted.stop - 1} wanted"]


# ---- the rules: each returns its complaints, one sentence each


def one_title(notebook, numbered):
    count = headings(notebook).count(1)
    return [] if count == 1 else [f"{count} H1 headings, one wanted"]


def headings_descend_by_one(notebook, numbered):
    levels = [0, *headings(notebook)]
    return [f"H{a} is followed by H{b}" for a, b in pairwise(levels) if b > a + 1]


def length_of_a_lesson(notebook, numbered):
    return outside(len(notebook.cells), CELLS, "cells") if numbered else []


def words_of_a_lesson(notebook, numbered):
    count = sum(len(prose(source).split()) for source in sources(notebook, "markdown"))
    return outside(count, WORDS, "words") if numbered else []


def short_cells(notebook, numbered):
    return [
        f"cell {i} has {len(cell.source.splitlines())} lines"
        for i, cell in enumerate(notebook.cells)
        if len(cell.source.splitlines()) > MAX_LINES
    ]


def prose_between_code(notebook, numbered):
    kinds = [cell.cell_type for cell in notebook.cells]
    return [f"cells {i} and {i + 1} are both code" for i in range(len(kinds) - 1) if kinds[i] == kinds[i + 1] == "code"]


def plain_python(notebook, numbered):
    broken = []  # a failing `!command` would go unnoticed
    for source in sources(notebook, "code"):
        try:
            ast.parse(source)
        except SyntaxError as error:
            broken.append(f"not plain Python: {error.text or source[:40]!r}")
    return broken


def one_parameters_cell(notebook, numbered):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or tagged[0].cell_type != "code":
        return [f"{len(tagged)} cells are tagged `parameters`, one code cell wanted"]
    values, complaints = {}, []
    for statement in ast.parse(tagged[0].source).body:
        try:
            values[statement.targets[0].id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError):
            complaints.append(f"not a literal assignment: {ast.unparse(statement)}")
    most = MAX_PARAMETERS[bool(numbered)]
    if not 1 <= len(values) <= most:
        complaints.append(f"{len(values)} parameters, 1 to {most} wanted")
    if values.get("preset") != "tiny":
        complaints.append("preset is not 'tiny'")
    return complaints


def nothing_executed(notebook, numbered):
    return [
        f"cell {i} has outputs or an execution count"
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None)
    ]


def no_sys_path(notebook, numbered):
    return [
        "sys.path is touched"
        for node in nodes(notebook, ast.Attribute)
        if node.attr == "path" and isinstance(node.value, ast.Name) and node.value.id == "sys"
    ]


def figures_have_alt_text(notebook, numbered):
    complaints = []
    for call in nodes(notebook, ast.Call):
        if ast.unparse(call.func) not in {"plots.show", "labkit.plots.show"}:
            continue
        alt = {keyword.arg: keyword.value for keyword in call.keywords}.get("alt")
        if alt is None or (isinstance(alt, ast.Constant) and not str(alt.value or "").strip()):
            complaints.append(f"no alt text: {ast.unparse(call)[:60]}")
    return complaints


def images_have_alt_text(notebook, numbered):
    text = "\n\n".join(sources(notebook, "markdown"))
    tags = [tag for tag in re.findall(r"<img\b[^>]*>", text) if not re.search(r"alt=[\"'][^\"']*\w", tag)]
    return [f"no alt text: {found}" for found in [*re.findall(r"!\[\s*\]\([^)]*\)", text), *tags]]


def imports_from_known_places(notebook, numbered):
    names = [alias.name for node in nodes(notebook, ast.Import) for alias in node.names]
    for node in nodes(notebook, ast.ImportFrom):
        inside = [f"autograder.{alias.name}" for alias in node.names] if node.module == "autograder" else None
        names += inside or ["." * node.level + (node.module or "")]
    allowed = OURS | third_party() | sys.stdlib_module_names
    wrong = [name for name in names if name.split(".")[0] not in allowed]
    private = [name for name in names if name.startswith("autograder.") and name != "autograder.check"]
    return [f"import of {name!r}" for name in wrong + private]


RULES = [
    one_title,
    headings_descend_by_one,
    length_of_a_lesson,
    words_of_a_lesson,
    short_cells,
    prose_between_code,
    plain_python,
    one_parameters_cell,
    nothing_executed,
    no_sys_path,
    figures_have_alt_text,
    images_have_alt_text,
    imports_from_known_places,
]


# ---- the notebooks of this repository


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_notebook_keeps_the_rule(path, rule):
    notebook = nbformat.read(path, as_version=4)
    assert rule(notebook, path.name[:2].isdigit()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_a_valid_file(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_there_are_notebooks_to_lint():
    assert NOTEBOOKS, "notebooks/ holds no .ipynb file: the lint would pass by looking at nothing"


# ---- the rules themselves: a good lesson passes them all, and each catches its own defect


def lesson():
    """The smallest notebook that keeps every rule of a numbered lesson."""
    parameters = new_code_cell('preset = "tiny"\nseed = 0', metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Title\n\n" + "word " * 100), parameters]
    for part in range(22):
        cells += [
            new_markdown_cell(f"## Part {part}\n\n" + "word " * 100),
            new_code_cell("import torch\nfrom labkit import plots"),
        ]
    return new_notebook(cells=cells)


def add(kind, source, **kwargs):
    return lambda notebook: notebook.cells.append(kind(source, **kwargs))


def rewrite(index, source):
    return lambda notebook: notebook.cells[index].update(source=source)


def drop(cells):
    return lambda notebook: notebook.cells.__delitem__(cells)


def add_output(notebook):
    notebook.cells[1].outputs = [new_output("stream", text="seen")]


def number_a_cell(notebook):
    notebook.cells[1].execution_count = 1


PARAMETERS = {"tags": ["parameters"]}
DEFECTS = [
    (one_title, add(new_markdown_cell, "# Another title")),
    (one_title, rewrite(0, "```\n# a comment in a fence\n```")),
    (headings_descend_by_one, add(new_markdown_cell, "#### Too deep")),
    (headings_descend_by_one, rewrite(0, "## Starts at two")),
    (length_of_a_lesson, drop(slice(10, None))),
    (length_of_a_lesson, lambda notebook: notebook.cells.extend(lesson().cells)),
    (words_of_a_lesson, drop(slice(10, None))),
    (words_of_a_lesson, add(new_markdown_cell, "word " * 4000)),
    (short_cells, rewrite(3, "x = 1\n" * (MAX_LINES + 1))),
    (prose_between_code, add(new_code_cell, "x = 1")),
    (plain_python, rewrite(3, "!ls")),
    (plain_python, rewrite(3, "%matplotlib inline")),
    (one_parameters_cell, drop(1)),
    (one_parameters_cell, add(new_code_cell, 'preset = "tiny"', metadata=PARAMETERS)),
    (one_parameters_cell, rewrite(1, 'preset = "full"')),
    (one_parameters_cell, rewrite(1, 'preset = "tiny"\nfolder = open("x")')),
    (one_parameters_cell, rewrite(1, 'preset = "tiny"\n' + "\n".join(f"p{i} = {i}" for i in range(8)))),
    (nothing_executed, add_output),
    (nothing_executed, number_a_cell),
    (no_sys_path, rewrite(3, "import sys\nsys.path.append('..')")),
    (figures_have_alt_text, rewrite(3, "plots.show(figure, 'name')")),
    (figures_have_alt_text, rewrite(3, "plots.show(figure, 'name', alt=' ')")),
    (images_have_alt_text, add(new_markdown_cell, "![](picture.png)")),
    (images_have_alt_text, add(new_markdown_cell, '<img src="picture.png" alt="">')),
    (imports_from_known_places, rewrite(3, "import my_functions")),
    (imports_from_known_places, rewrite(3, "from .local import thing")),
    (imports_from_known_places, rewrite(3, "from autograder.engine.worker import Worker")),
    (imports_from_known_places, rewrite(3, "from autograder import engine")),
]


def test_every_rule_has_a_defect():
    assert {rule for rule, _ in DEFECTS} == set(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_good_lesson_passes(rule):
    assert rule(lesson(), True) == []


@pytest.mark.parametrize(("rule", "spoil"), DEFECTS, ids=lambda part: getattr(part, "__name__", "defect"))
def test_rule_catches_its_defect(rule, spoil):
    broken = lesson()
    spoil(broken)
    assert rule(broken, True) != []


def test_only_numbered_notebooks_are_measured_as_lessons():
    short = new_notebook(cells=lesson().cells[:4])
    assert length_of_a_lesson(short, False) == words_of_a_lesson(short, False) == []
