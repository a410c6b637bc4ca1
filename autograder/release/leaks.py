"""Does a folder hold secrets? Reference answers and hidden checks are found by structure, not by name.

A secret is the body of a function. It is looked for as a run of statements anywhere in a file: names,
docstrings, annotations, comments and layout make no difference. Very short bodies are not looked for.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from autograder import labs
from autograder.release.public_checks import hidden
from autograder.release.stubs import FUNCTIONS

LEAST = 25  # nodes of a body; shorter ones are written twice by chance
FENCED = re.compile(r"^ *```(?:python|py)?[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
Runs = dict[tuple, dict[str, str]]  # (type and size of each statement) -> normalized text -> whose body it is


class _Bare(ast.NodeTransformer):
    """Takes out what does not change what code does: docstrings, annotations."""

    def visit_arg(self, node):
        node.annotation = node.type_comment = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        return ast.Assign([node.target], node.value) if node.value else ast.Pass()

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.returns, node.decorator_list = None, []
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Expr(self, node):
        self.generic_visit(node)
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node


def secrets(revealed: list[str]) -> Runs:
    """Return the bodies that no student may see: right answers to labs that are not revealed, all hidden checks."""
    found: Runs = {}
    for path in sorted((labs.CHECKS.parent / "reference").glob("lab*.py")):
        if path.stem.partition("_")[0] not in revealed:
            _hold(ast.parse(path.read_text()).body, f"autograder/reference/{path.name}", found)
    for path in sorted(one for one in labs.MUTANTS.glob("lab*/correct/**/*") if one.suffix in (".py", ".ipynb")):
        whose = path.relative_to(labs.MUTANTS)
        for tree in _trees(path) if whose.parts[0] not in revealed else ():
            _hold(tree.body, f"autograder/mutants/{whose}", found)
    for path in sorted(labs.CHECKS.glob("lab*_*.py")):
        _hold(hidden(path.read_text()), f"autograder/checks/{path.name}, hidden", found)
    return found


def _hold(nodes: list[ast.stmt], where: str, found: Runs) -> None:
    for top in _Bare().visit(ast.Module(nodes, [])).body:
        for node in ast.walk(top):
            if isinstance(node, FUNCTIONS) and sum(map(_size, node.body)) >= LEAST:
                runs = found.setdefault(_outline(node.body), {})
                runs.setdefault(_normal(node.body), f"{node.name} of {where}")


def leaks(folder: Path, secret: Runs) -> list[str]:
    """Return a sentence for each file of the folder that holds a secret, or imports the references."""
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        for tree in _trees(path):
            whose = _first(tree, secret)
            if whose:
                found.append(f"{path.relative_to(folder)} holds {whose}")
                break
    return found


def _trees(path: Path) -> Iterator[ast.Module]:
    """Yield the Python in a file: the file itself, a notebook's code cells, the blocks of a page."""
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return
    parts = [text]
    if path.suffix == ".ipynb":
        parts = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    parts += [block for part in parts for block in FENCED.findall(part)]
    for part in parts:
        try:
            yield _Bare().visit(ast.parse(part))
        except (SyntaxError, ValueError, RecursionError):
            continue


def _first(tree: ast.Module, secret: Runs) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}." for one in node.names]
            if any(name.startswith("autograder.reference.") for name in names):
                return "an import of autograder.reference"
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            whose = _run_in(block, secret) if isinstance(block, list) else ""
            if whose:
                return whose
    return ""


def _run_in(block: list[ast.stmt], secret: Runs) -> str:
    outline = _outline(block)
    for length in {len(one) for one in secret}:
        for start in range(len(block) - length + 1):
            known = secret.get(outline[start : start + length])
            if known:
                whose = known.get(_normal(block[start : start + length]))
                if whose:
                    return whose
    return ""


def _outline(block: list[ast.stmt]) -> tuple:
    return tuple((type(node).__name__, _size(node)) for node in block)


def _size(node: ast.AST) -> int:
    return sum(1 for _ in ast.walk(node))


def _normal(block: list[ast.stmt]) -> str:
    """Return statements as text in which names are numbered in the order in which they come."""
    numbers: dict[str, str] = {}
    text = "\n".join(ast.dump(node) for node in block)
    named = re.compile(r"(?<!keyword\()\b(id|arg|name)='(\w+)'")
    return named.sub(lambda m: f"{m[1]}={numbers.setdefault(m[2], str(len(numbers)))}", text)
