"""The floors of labkit: a file imports only from floors below its own, and the tower never imports torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LABKIT = Path(__file__).parents[1] / "labkit"

FLOORS = [
    {"errors", "paths"},
    {"distributed", "intervals", "attempts"},
    {"records", "config", "seeding", "metrics", "schedules", "optimizers", "losses", "models", "pixels", "transforms"},
    {"augment", "data", "tracking", "checkpoint", "probes", "grouped", "upload", "stopping", "batch_checks"},
    {"steps", "evaluate", "profiling"},
    {"train", "modes", "scaling", "plots"},
    {"cli", "doctor"},
]
TOWER = {"cluster"}
TOWER_MAY_IMPORT = {"errors", "paths", "attempts", "records", "config", "intervals"}


def modules() -> list[Path]:
    return sorted(p for p in LABKIT.rglob("*.py") if p.parent != LABKIT or p.name != "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(LABKIT).with_suffix("").parts[0]


def imported_rooms(source: str) -> set[str]:
    """Return the rooms of labkit that a source imports, anywhere in it (functions included)."""
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {n.split(".")[1] for n in names if n.startswith("labkit.") and n.count(".") >= 1}
    return {r for r in rooms if (LABKIT / r).is_dir() or (LABKIT / f"{r}.py").is_file()}


def floor_of(name: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if name in floor)


def faults(name: str, rooms: set[str]) -> set[str]:
    """Return the rooms that `name` imports and must not."""
    rooms = rooms - {name}
    if name in TOWER:
        return rooms - TOWER_MAY_IMPORT
    mine = floor_of(name)
    if mine == len(FLOORS) - 1:
        return set()
    return {r for r in rooms if r in TOWER or floor_of(r) >= mine}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(LABKIT)))
def test_a_file_imports_only_from_the_floors_below(path):
    assert not faults(room(path), imported_rooms(path.read_text())), "imports must point down the floors"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(LABKIT)))
def test_no_file_imports_assignments_autograder_or_by_relative_dots(path):
    """Only the command line may name the autograder, inside a command: `labkit grade` is one door to both."""
    outside = {"assignments", "autograder", "tests"} - ({"autograder"} if room(path) == "cli" else set())
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write absolute imports"
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        assert not {n.split(".")[0] for n in names} & outside


def test_the_check_itself_sees_a_climbing_import():
    assert imported_rooms("def f():\n    from labkit.train import fit") == {"train"}
    assert faults("losses", {"train"}) == {"train"}
    assert faults("cluster", {"models", "records"}) == {"models"}
    assert faults("steps", {"losses", "data"}) == set()


@pytest.mark.parametrize("module", ["labkit", "labkit.records", "labkit.paths", "labkit.cluster", "labkit.cli"])
def test_light_rooms_import_without_torch_or_pandas(module):
    heavy = {"torch", "pandas", "papermill", "matplotlib"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


TRAINING_CORE = """
models losses augment data data.batches train evaluate profiling distributed
steps checkpoint config seeding metrics schedules optimizers tracking
""".split()


def test_the_training_core_needs_only_torch_torchvision_numpy_and_pydantic():
    """It must run in a bare GPU image, so everything else is imported where it is used."""
    banned = [
        "tqdm",
        "yaml",
        "h5py",
        "tensorboard",
        "wandb",
        "sklearn",
        "pandas",
        "matplotlib",
        "kornia",
        "transformers",
        "torchmetrics",
        "papermill",
        "IPython",
        "rich",
        "click",
    ]
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in BANNED and 'labkit' in caller():\n"
        "            raise ImportError('the core imports ' + name)\n"
        "def caller():\n"
        "    frame = sys._getframe(2)\n"
        "    while frame and 'importlib' in frame.f_code.co_filename: frame = frame.f_back\n"
        "    return frame.f_code.co_filename if frame else ''\n"
        f"BANNED = {banned}\n"
        "sys.meta_path.insert(0, Refuse())\n" + "\n".join(f"import labkit.{m}" for m in TRAINING_CORE)
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
