"""The rooms: a file imports only from rooms below its own; labrun needs labkit.run_folder alone, never torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = [  # of labkit, lowest first; a room imports from those before it
    {"run_folder"},
    {"distributed", "seeding"},
    {"losses", "models", "transforms"},
    {"data"},
    {"evaluate"},
    {"train"},
    {"profiling", "plots"},
    {"simclr"},
    {"scaling"},
]
# The commands that show what the library holds, or grade, load it when they are called.
DOORS = {
    "labrun/cli/lab.py": {"profiling", "simclr", "data", "models"},
    "labrun/spec.py": {"data"},
    "labrun/doctor.py": {"data"},
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(source: str, package: str) -> set[str]:
    """Return the rooms of a package that a source imports, anywhere in it but for the type checker."""
    tree = ast.parse(source)
    checked = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = []
    for node in ast.walk(tree):
        if id(node) in checked:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    rooms = {name.split(".")[1] for name in names if name.startswith(package + ".")}
    return {room for room in rooms if (ROOT / package / room).is_dir() or (ROOT / package / f"{room}.py").is_file()}


def floor_of(room: str) -> int:
    return next(i for i, floor in enumerate(ROOMS) if room in floor)


def climbs(room: str, rooms: set[str]) -> set[str]:
    """Return the rooms that `room` imports and must not."""
    return {other for other in rooms - {room} if floor_of(other) >= floor_of(room)}


def test_a_file_imports_only_from_the_rooms_below():
    faults = {}
    for path in sources("labkit"):
        if path.parent != ROOT / "labkit" or path.name != "__init__.py":
            room = path.relative_to(ROOT / "labkit").with_suffix("").parts[0]
            if found := climbs(room, imported(path.read_text(), "labkit")):
                faults[str(path)] = found
    assert not faults


def test_labrun_imports_run_folder_alone():
    faults = {}
    for path in sources("labrun"):
        name = str(path.relative_to(ROOT))
        found = imported(path.read_text(), "labkit") - {"run_folder", "evaluate"} - DOORS.get(name, set())
        if found:
            faults[name] = found
    assert not faults


def test_no_file_imports_assignments_autograder_or_by_relative_dots():
    """Only the command line may name the autograder, inside a command: `labkit grade` is one door to both."""
    for path in sources("labkit") + sources("labrun"):
        outside = {"assignments", "autograder", "tests"} - ({"autograder"} if path.parent.name == "cli" else set())
        if path.is_relative_to(ROOT / "labkit"):
            outside |= {"labrun"}
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: write absolute imports"
                names = [node.module]
            assert not {n.split(".")[0] for n in names} & outside, path


def test_the_check_itself_sees_a_climbing_import():
    assert imported("def f():\n    from labkit.train import fit", "labkit") == {"train"}
    assert climbs("losses", {"train"}) == {"train"}
    assert climbs("train", {"losses", "data"}) == set()


@pytest.mark.parametrize("package", ["labkit", "labrun"])
def test_light_rooms_import_without_torch_or_pandas(package):
    """labkit.run_folder and every module of labrun: the command line answers at once."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources(package)
        if package == "labrun" or path.parent.name == "run_folder"
    ]
    modules = [m for m in modules if not m.endswith(("__main__", "kernel_setup"))]
    code = f"import importlib, sys\nfor m in {modules}: importlib.import_module(m)\n"
    code += "print(sorted({'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


CORE = """
models losses transforms data data.batches train train.loop train.step train.checkpoint train.config seeding
train.schedules train.optimizers train.tracking evaluate evaluate.classify evaluate.metrics profiling distributed
""".split()


def test_the_training_core_needs_only_torch_torchvision_numpy_and_pydantic():
    """It must run in a bare GPU image, so everything else is imported where it is used."""
    banned = """tqdm yaml h5py tensorboard wandb sklearn pandas matplotlib kornia transformers
                papermill IPython rich click psutil jinja2""".split()
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
        "sys.meta_path.insert(0, Refuse())\n" + "\n".join(f"import labkit.{m}" for m in CORE)
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
