"""Which labs there are: every file autograder/checks/labNN_*.py is one, found by its name alone."""

import importlib
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from labkit.run_folder import LabError, unknown_name

CHECKS = Path(__file__).resolve().parent / "checks"
MUTANTS = Path(__file__).resolve().parent / "mutants"
IMPORTING = threading.RLock()


def names() -> list[str]:
    """Return the labs' short names, in order: lab01, lab02, ..."""
    return sorted({path.stem.partition("_")[0] for path in CHECKS.glob("lab*_*.py")})


def stem(name: str) -> str:
    """Return a lab's full name: lab03 -> lab03_simclr. Raises LabError."""
    wanted = name.partition("_")[0]
    found = sorted(one.stem for one in CHECKS.glob("*_*.py") if wanted and one.stem.startswith(f"{wanted}_"))
    if not found:
        raise unknown_name("lab", name, names())
    if len(found) > 1:
        raise LabError(f"{wanted} has {len(found)} check files ({', '.join(found)}); keep one.")
    return found[0]


def stub(name: str) -> str:
    """Return the text of a lab's stub, empty where there is none."""
    path = CHECKS.parents[1] / "assignments" / stem(name) / module(name).LAB.files[0]
    return path.read_text() if path.is_file() else ""


def module(name: str) -> ModuleType:
    """Return a lab's check file, imported. It has LAB and test functions."""
    with IMPORTING:  # caches that two threads forget at once raise KeyError
        importlib.invalidate_caches()
        return importlib.import_module(f"autograder.checks.{stem(name)}")


def checks(checked: ModuleType, *, visible_only: bool = False) -> list[Callable]:
    """Return the check functions of a file in the order in which they are written."""
    found = [
        one
        for name, one in inspect.getmembers(checked, inspect.isfunction)
        if name.startswith("test_") and one.__module__ == checked.__name__
    ]
    unmarked = [one.__name__ for one in found if not hasattr(one, "check")]
    if unmarked:
        raise LabError(f"{checked.__name__}: {', '.join(unmarked)} has no points; write @check(points, title).")
    found.sort(key=lambda one: one.__code__.co_firstlineno)
    return [one for one in found if one.check.visible or not visible_only]
