"""Which pieces of labkit answer a lab, and what stands in their place while that lab is open.

lab01 and lab05 have no row: the library's own splits, statistics and training loop (`labkit.data`,
`labkit.train.step`, `labkit.train`) are what every notebook runs on, so they stay, and these labs are withheld in
the assignments and the autograder alone. For the same reason lab02 leaves `BasicBlock` (resnet_tiny, the
encoder of notebooks 03 and 04, is built from it) and lab03 leaves the batched views of `labkit.transforms`.
"""

import ast

from autograder.release.stubs import DEFINITIONS, emptied, rewritten
from labkit.run_folder import LabError

# lab -> file -> names. A public name raises when it is used; a private one, which only those need, is gone.
TABLE = {
    "lab02": {"labkit/models/alexnet.py": ["AlexNet"], "labkit/models/resnet.py": ["resnet18"]},
    "lab03": {
        "labkit/losses.py": ["nt_xent", "NTXentLoss", "_unit_rows", "_ChunkedNTXent"],
        "labkit/models/heads.py": ["SimCLRModel"],
        "labkit/transforms/per_sample.py": ["get_simclr_transform"],
    },
    "lab04": {
        "labkit/distributed.py": ["gather_with_grad"],
        "labkit/scaling/communication.py": ["predict_step_time"],
        "labkit/scaling/tables.py": ["scaling_table"],
    },
}


def withheld(open_labs: list[str]) -> dict[str, dict[str, str]]:
    """Return file -> name -> the open lab that it answers."""
    found: dict[str, dict[str, str]] = {}
    for lab in open_labs:
        for path, names in TABLE.get(lab, {}).items():
            found.setdefault(path, {}).update(dict.fromkeys(names, lab))
    return found


def without(source: str, path: str, names: dict[str, str]) -> str:
    """Return a module of labkit without the pieces that answer an open lab.

    Raises LabError where the table names something that the module does not define.
    """
    defined = {_name(node) for node in ast.parse(source).body}
    if missing := sorted(set(names) - defined):
        what = ", ".join(missing)
        raise LabError(f"{path} has no {what}; correct TABLE in autograder/release/withheld.py.")
    module = path.removesuffix(".py").replace("/", ".")

    def change(node):
        name = _name(node)
        if name not in names:
            return None
        if name.startswith("_"):
            return ""
        if isinstance(node, ast.Assign):
            node = ast.parse(f"def {name}(*args, **options): pass").body[0]
        return emptied(node, _raising(f"{module}.{name}", names[name]), methods=False)

    return rewritten(source, change)


def _name(node: ast.stmt) -> str:
    """Return what a definition or an assignment to one name defines, "" for any other statement."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return node.name if isinstance(node, DEFINITIONS) else ""


def _raising(name: str, lab: str) -> str:
    sentence = (
        f"{name} answers {lab} and is withheld while that lab is open: solve {lab} in assignments/ (labkit "
        f"check {lab}); a notebook that needs it runs whole once your teacher's next copy reveals it."
    )
    return f"from labkit.run_folder import LabError\nraise LabError({sentence!r})"
