"""A notebook for students: cells tagged `solution` become stubs that raise NotImplementedError.

A cell belongs to the lab of its notebook's number (03_simclr.ipynb: lab03), or to the lab it is tagged with.
"""

import ast
import json
import re
from pathlib import PurePosixPath

from autograder.release.stubs import DEFINITIONS, emptied, rewritten

LAB = re.compile(r"lab\d\d")


def for_students(text: str, path: str, revealed: list[str]) -> str:
    """Return the notebook's text; solutions of the labs in `revealed` stay."""
    notebook, changed = json.loads(text), False
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        lab = next(filter(LAB.fullmatch, tags), "lab" + PurePosixPath(path).name[:2])
        if cell["cell_type"] != "code" or "solution" not in tags or lab in revealed:
            continue
        stub, changed = stubbed("".join(cell["source"]), lab), True
        kept = isinstance(cell["source"], str)
        cell |= {"source": stub if kept else stub.splitlines(keepends=True), "outputs": []}
        cell["execution_count"] = None
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n" if changed else text


def stubbed(source: str, lab: str) -> str:
    """Return a solution cell as an exercise: functions and classes lose their bodies, other code stays.

    A cell that defines nothing is replaced as a whole.
    """
    try:
        defined = [node for node in ast.parse(source).body if isinstance(node, DEFINITIONS)]
    except SyntaxError:  # a magic: no plain Python
        defined = []
    if not defined:
        return _raising(lab, "write this cell yourself")

    def change(node):
        if isinstance(node, DEFINITIONS):
            return emptied(node, _raising(lab, f"write {node.name} yourself"))
        return None

    return rewritten(source, change).rstrip("\n")


def _raising(lab: str, task: str) -> str:
    return f'raise NotImplementedError("{lab}: {task}")'
