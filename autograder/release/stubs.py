"""Bodies taken out of Python source: what stays is the signature, the docstring and one `raise`."""

import ast
import copy
from collections.abc import Callable

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)


def lines_of(node: ast.stmt) -> tuple[int, int]:
    """Return the first and last line of a statement, decorators included, counted from 1."""
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    return first, node.end_lineno


def emptied(node: ast.stmt, raising: str, *, methods: bool = True) -> str:
    """Return the source of a function or class whose bodies are its docstring and `raising`.

    methods False: a class keeps nothing but its __init__, which raises.
    """
    node = copy.deepcopy(node)
    if isinstance(node, FUNCTIONS):
        _empty(node, raising)
        return ast.unparse(node)
    inside = [one for one in node.body if isinstance(one, FUNCTIONS) and (methods or one.name == "__init__")]
    inside = inside or ast.parse("def __init__(self, *args, **kwargs): pass").body
    for method in inside:
        _empty(method, raising)
    node.body = [*_docstring(node), *inside]
    return ast.unparse(node)


def _empty(function: ast.stmt, raising: str) -> None:
    function.body = [*_docstring(function), *ast.parse(raising).body]


def _docstring(node: ast.stmt) -> list[ast.stmt]:
    return [] if ast.get_docstring(node) is None else node.body[:1]


def rewritten(source: str, change: Callable[[ast.stmt], str | None]) -> str:
    """Return the source in which change(statement) stands for each top-level statement; None keeps it."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        text = change(node)
        if text is not None:
            first, last = lines_of(node)
            lines[first - 1 : last] = text.splitlines()
    return "\n".join(lines).rstrip() + "\n"
