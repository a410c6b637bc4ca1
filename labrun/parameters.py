"""A notebook's own `parameters` cell is the schema: what may be set, of which type, with which default."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from labkit.run_folder import LabError, unknown_name

_TYPES = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "None": type(None),
}


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell. `types` is empty where the cell says nothing about the type."""

    name: str
    default: Any
    types: tuple[type, ...]

    @property
    def wanted(self) -> str:
        """The type in words, as `float` or `int or None`."""
        return " or ".join("None" if t is type(None) else t.__name__ for t in self.types)


def declared(notebook: dict) -> dict[str, Parameter]:
    """Return what the cell tagged `parameters` declares, by name ({} where there is no such cell).

    Raises LabError where a default is no literal: its value would only be known once the notebook runs.
    """
    cells = [c for c in notebook.get("cells", []) if "parameters" in c.get("metadata", {}).get("tags", [])]
    found = {}
    for statement in ast.parse(_source(cells[0])).body if cells else []:
        parameter = _from_statement(statement)
        if parameter:
            found[parameter.name] = parameter
    return found


def check(values: dict[str, Any], parameters: dict[str, Parameter]) -> dict[str, Any]:
    """Return `values` as the notebook wants them (texts from a command line converted, see `Text`).

    Raises one LabError that tells every mistake: unknown names with the nearest valid ones, wrong types.
    """
    checked, mistakes = {}, []
    for name, value in values.items():
        try:
            checked[name] = _checked(name, value, parameters)
        except LabError as mistake:
            mistakes.append(str(mistake))
    if mistakes:
        raise LabError(" ".join(mistakes))
    return checked


class Text(str):
    """A value as it was typed on a command line: what it means depends on the parameter's type."""


def assignment(text: str) -> tuple[str, Text]:
    """Split `name=value`, as typed after -p."""
    return _split(text, "parameter: write it as name=value, for example -p lr=0.1")


def assignments(texts: Iterable[str]) -> dict[str, Text]:
    """Return all that was typed after -p, by name. Raises LabError for a name given twice."""
    return _once(map(assignment, texts))


def grid_of(texts: Iterable[str]) -> dict[str, list[Text]]:
    """Return all that was typed after -g, by name. Raises LabError for a name given twice."""
    return _once(map(alternatives, texts))


def alternatives(text: str) -> tuple[str, list[Text]]:
    """Split `name=a,b,c`, as typed after -g; commas inside brackets or quotes belong to the value."""
    name, values = _split(text, "grid: write it as name=a,b,c, for example -g lr=0.1,0.2")
    parts, depth, quote = [""], 0, ""
    for letter in values:
        quote = ("" if quote == letter else quote or letter) if letter in "'\"" else quote
        depth += 0 if quote else (letter in "[({") - (letter in "])}")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    if not all(part.strip() for part in parts):
        raise LabError(f"{text!r} has an empty value: write a grid as name=a,b,c, for example -g lr=0.1,0.2.")
    return name, [Text(part.strip()) for part in parts]


def literal(text: str) -> Any:
    """Return what a typed text means: a Python literal, else YAML (true, null, [a, b]), else the text."""
    if text.strip().lower() == "none":
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    import yaml  # only now: `labkit status` must not pay for it

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return str(text)


def _split(text: str, wanted: str) -> tuple[str, Text]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise LabError(f"{text!r} is no {wanted}.")
    return name.strip(), Text(value)


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found = {}
    for name, value in pairs:
        if name in found:
            raise LabError(f"{name} is given twice: keep one.")
        found[name] = value
    return found


def _checked(name: str, value: Any, parameters: dict[str, Parameter]) -> Any:
    if name not in parameters:
        raise _no_such(name, parameters)
    parameter = parameters[name]
    if isinstance(value, Text):
        value = _meaning(value, parameter)
    if parameter.types and not any(_is_a(value, kind) for kind in parameter.types):
        raise LabError(f"{name} must be {parameter.wanted}, got {value!r}.")
    return float(value) if float in parameter.types and type(value) is int and int not in parameter.types else value


def _no_such(name: str, parameters: dict[str, Parameter]) -> LabError:
    if parameters:
        return unknown_name("parameter", name, parameters)
    return LabError(f"{name} cannot be set: this notebook has no cell tagged `parameters`.")


def _meaning(text: Text, parameter: Parameter) -> Any:
    """Return the value of a typed text; where only a string fits, `123` and `true` stay text."""
    value = literal(text)
    only_text = (
        parameter.types
        and str in parameter.types
        and not isinstance(value, str)
        and not any(_is_a(value, kind) for kind in parameter.types)
    )
    return str(text) if only_text else value


def _is_a(value: Any, kind: type) -> bool:
    """Say whether `value` may stand for `kind`: an int is a fine float, but True is no number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float)) if kind is float else isinstance(value, kind)


def _from_statement(statement: ast.stmt) -> Parameter | None:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        default = _default(statement.target.id, statement.value)
        return Parameter(statement.target.id, default, _annotated(statement.annotation) or _inferred(default))
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        default = _default(statement.targets[0].id, statement.value)
        return Parameter(statement.targets[0].id, default, _inferred(default))
    return None


def _default(name: str, value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        raise LabError(
            f"The parameters cell sets {name} to {ast.unparse(value)!r}, which is no literal: "
            "write a number, a text, True, None or a list of these."
        ) from None


def _inferred(default: Any) -> tuple[type, ...]:
    return () if default is None else (type(default),)


def _annotated(node: ast.expr) -> tuple[type, ...]:
    """Return the types of an annotation such as `int | None` or `Optional[float]`; () where unknown."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _annotated(node.left), _annotated(node.right)
        return left + right if left and right else ()
    if isinstance(node, ast.Subscript):
        outer = ast.unparse(node.value).rpartition(".")[2]
        inner = _annotated(node.slice)
        return (*inner, type(None)) if outer == "Optional" and inner else _annotated(node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _annotated(ast.parse(node.value, mode="eval").body)
    kind = _TYPES.get(ast.unparse(node))
    return (kind,) if kind else ()


def _source(cell: dict) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)
