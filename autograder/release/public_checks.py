"""A check file without its hidden checks: the visible ones, LAB, and what these need."""

import ast

from autograder.release.stubs import FUNCTIONS, lines_of


def is_hidden(node: ast.stmt) -> bool:
    """Say whether a statement is a check that students must not see; a visible one says visible=True."""
    if not _is_check(node):
        return False
    marks = [one for one in node.decorator_list if isinstance(one, ast.Call)]
    options = {option.arg: option.value for one in marks for option in one.keywords}
    visible = options.get("visible")
    return not (isinstance(visible, ast.Constant) and visible.value is True)


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, FUNCTIONS) and node.name.startswith("test_")


def public(source: str) -> str:
    """Return the check file that students get. Comments between functions are left out too."""
    body = ast.parse(source).body
    kept, lines = _needed(body), source.splitlines()
    title = (ast.get_docstring(ast.parse(source)) or "Checks.").splitlines()[0].replace('"', "'")
    imports, texts = [], [f'"""{title}\n\nThe visible checks alone; hidden ones count as well.\n"""']
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports += _pruned(node, kept)
        elif node in kept:
            first, last = lines_of(node)
            texts.append("\n".join(lines[first - 1 : last]))
    return "\n\n\n".join([f"{texts[0]}\n\n" + "\n".join(imports), *texts[1:]]) + "\n"


def hidden(source: str) -> list[ast.stmt]:
    """Return the functions and classes that students lack: hidden checks and what these alone need."""
    body = ast.parse(source).body
    kept = _needed(body)
    return [node for node in body if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node not in kept]


def _needed(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return LAB, the visible checks and, again and again, what they name."""
    wanted = [node for node in body if _binds(node) & {"LAB"}]
    wanted += [node for node in body if _is_check(node) and not is_hidden(node)]
    for node in wanted:  # grows while it is read
        names = used(node)
        wanted += [one for one in body if one not in wanted and not is_hidden(one) and _binds(one) & names]
    return wanted


def _binds(node: ast.stmt) -> set[str]:
    """Return the names that a top-level definition or assignment makes."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return set()


def used(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _pruned(node: ast.stmt, kept: list[ast.stmt]) -> list[str]:
    """Return an import without the names that nothing kept uses."""
    names = set().union(*map(used, kept))
    node.names = [one for one in node.names if (one.asname or one.name.partition(".")[0]) in names]
    return [ast.unparse(node)] if node.names else []
