"""Grading is right wherever checkout and packages lie: in /tmp, /dev/shm, /scratch, a home, behind links."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from autograder import audit, labs
from autograder.engine.confined import jail

COURSE = labs.CHECKS.parents[1]
PACKAGES = Path(sysconfig.get_path("purelib"))
PREFIX = PACKAGES.relative_to(sys.prefix)  # lib/python3.11/site-packages

LOOK = """
import json, os, sys, tempfile
given = json.loads(sys.argv[1])
sys.path[:] = [*sys.path, given["course"]]
from autograder.engine.confined import environment, jail
sys.path[-1] = given["packages"]
def seen():
    import early
    kept = jail.own_scratch(0, 8, visible)
    open("/tmp/mine", "w").close(), open("/dev/shm/mine", "w").close(), open(kept + "/mine", "w").close()
    try:
        open(early.__file__, "a")
        writable = True
    except OSError:
        writable = False
    failed = environment.failures({"paths": paths, "packages": []})
    try:
        import early.late, plain, whole.late  # never imported outside
        number = early.late.number + plain.number + whole.late.number
    except ImportError as error:
        number = str(error)
    hidden = [path for path in given["secrets"] if os.path.exists(path)]
    return [number, failed, hidden, writable, os.listdir(kept)]
visible = environment.visible([], given["hidden"])
paths = environment.importable(given["hidden"])["paths"]
with tempfile.TemporaryDirectory() as root:
    read, write = os.pipe()
    if os.fork() == 0:
        import early
        refused = jail.enter_root(root, visible, given["hidden"])
        refused or jail.own_processes()
        if os.fork() == 0:
            os.write(write, json.dumps(refused or seen()).encode())
            os._exit(0)
        os.wait()
        os._exit(0)
    os.wait()
    print(os.read(read, 1 << 16).decode())
"""


def package(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    (folder / name / "late.py").write_text("number = 1")
    return folder / name


def look(course: Path, packages: Path, secrets: list[Path] = ()) -> list:
    """Return what a jailed process sees of packages `early`, `plain` and `whole`: see LOOK."""
    given = {
        "course": str(COURSE),
        "packages": str(packages),
        "hidden": [str(COURSE), str(course)],
        "secrets": [str(COURSE / "autograder"), *map(str, secrets)],
    }
    command = [sys.executable, "-I", "-S", "-c", LOOK, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    if len(answer) == 1:
        pytest.skip(f"this kernel refuses {answer}")
    return answer


@pytest.fixture(params=["/tmp", "/dev/shm", "/scratch", "~", "/var/tmp"])
def place(request):
    """A folder with a space in its name, below one that the worker's own disks cover, or another."""
    top = Path(request.param).expanduser()
    made = not top.exists()
    try:
        top.mkdir(exist_ok=True)
        folder = tempfile.mkdtemp(prefix="a course ", dir=top)
    except OSError as error:
        pytest.skip(f"no folder can be made there: {error}")
    yield Path(folder)
    shutil.rmtree(top if made else folder)


@pytest.mark.parametrize("linked", [False, True])
def test_packages_are_whole_in_the_jail_and_the_course_is_not_there(place, linked):
    """Linked: a package by a chain of links, one file by file, a module alone, all from outside of the environment."""
    course = place / "repo"
    packages, store = course / ".venv" / "site-packages", place / "store"
    where = store if linked else packages
    package(where, "early")
    package(where / "archive" if linked else where, "whole")
    (where / "plain.py").write_text("number = 1")
    (where / "submission_of_another.py").write_text("")
    secrets = [course / "autograder" / "checks.py"]
    secrets[0].parent.mkdir(parents=True)
    secrets[0].write_text("answer = 42")
    if linked:
        packages.mkdir(parents=True)
        (place / "hop").symlink_to(store)
        (packages / "early").symlink_to(place / "hop" / "early")
        (packages / "plain.py").symlink_to("../../../store/plain.py")
        (packages / "whole").mkdir()
        for name in ("__init__.py", "late.py"):
            (packages / "whole" / name).symlink_to(store / "archive" / "whole" / name)
        secrets.append(store / "submission_of_another.py")
    number, failed, found, writable, scratch = look(course, packages, secrets)
    assert number == 3 and not failed
    assert not found and not writable and scratch == ["mine"]


def test_a_link_into_the_course_stays_closed(tmp_path):
    """labkit installed as a link must not open the course."""
    course, packages = tmp_path / "course", tmp_path / "env" / "site-packages"
    for name in ("early", "whole"):
        package(packages, name)
    (packages / "plain.py").write_text("number = 1")
    (packages / "labkit").symlink_to(package(course, "labkit"))
    number, failed, found, *_ = look(course, packages, [course / "labkit", packages / "labkit" / "late.py"])
    assert number == 3 and not failed and not found


def test_the_course_is_covered_inside_a_folder_that_is_shown_and_its_own_environment_is_not(tmp_path):
    packages = tmp_path / "course" / ".venv" / "site-packages"
    for name in ("early", "whole"):
        package(packages, name)
    (packages / "plain.py").write_text("number = 1")
    (packages.parents[3] / "more").mkdir()
    (packages / "outside").symlink_to(tmp_path)  # shows a folder that holds the course
    secret = package(tmp_path / "course", "autograder")
    number, failed, found, *_ = look(tmp_path / "course", packages, [secret])
    assert number == 3 and not failed and not found


def test_links_on_the_way_are_followed_to_the_real_path(tmp_path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "a").symlink_to("real")
    (tmp_path / "real" / "b").symlink_to("../a/./deep")
    links, real = jail.trace(f"{tmp_path}/a/b")
    assert real == f"{tmp_path}/real/deep"
    assert links == {f"{tmp_path}/a": "real", f"{tmp_path}/real/b": "../a/./deep"}


SUBMISSION = """
from PIL import ImageFile  # not before the jail is entered
import {late}
{source}
"""
GRADE = """
import json, sys
from autograder.engine.fork_server import ForkServer
from autograder.grading import grade
with ForkServer(["torch", "numpy", "PIL.Image"]) as server:
    found = [grade("lab01", path, server, seed=1) for path in sys.argv[1:]]
print(json.dumps([[one.score, one.refused, [r.feedback for r in one.results]] for one in found]))
"""


def clone(folder: Path, real: list[str]) -> Path:
    """Make a checkout with an environment of its own: packages named in `real` lie in it, others are links."""
    folder.mkdir(parents=True)
    for name in ("autograder", "labkit", "assignments"):
        shutil.copytree(COURSE / name, folder / name, ignore=shutil.ignore_patterns("mutants", "__pycache__", "*.pt"))
    shutil.copy(COURSE / "pyproject.toml", folder)
    packages = folder / ".venv" / PREFIX
    packages.mkdir(parents=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder / ".venv")
    (folder / ".venv" / "bin").mkdir()
    (folder / ".venv" / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    for entry in PACKAGES.iterdir():
        if entry.name.partition(".")[0].lower() in real:
            subprocess.run(["cp", "-a", "--reflink=auto", str(entry), str(packages)], check=True)
        elif entry.suffix != ".pth" and "editable" not in entry.name:
            (packages / entry.name).symlink_to(entry)
    return folder


def grade_there(folder: Path, *submissions: Path, read_only: bool = False) -> subprocess.CompletedProcess:
    command = [str(folder / ".venv" / "bin" / "python"), "-c", GRADE, *map(str, submissions)]
    environment_ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))} | {
        "OMP_NUM_THREADS": "1"
    }
    if read_only and os.getuid() == 0:  # root may write whatever the mode says, so the folder becomes a mount
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'
        command = ["unshare", "-m", "bash", "-c", script, str(folder), *command]
    elif read_only:
        subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
    return subprocess.run(command, cwd=folder, env=environment_, capture_output=True, text=True, timeout=200)


def right(folder: Path, late: str = "scipy.linalg") -> Path:
    """Write a right submission of lab01 that imports late."""
    case = next(one for one in audit.cases("lab01", ["correct"]) if one.name == "pure_python")
    made = folder / "right"
    made.mkdir(parents=True)
    for name, raw in audit.handed_in(case).contents.items():
        (made / name).write_bytes(raw)
    main = made / labs.module("lab01").LAB.files[0]
    main.write_text(SUBMISSION.format(late=late, source=main.read_text()))
    return made


@pytest.mark.integration
@pytest.mark.parametrize(("place", "read_only"), [("/tmp", True), ("~", False)])
def test_a_right_submission_gets_all_points_in_a_clone(place, read_only):
    """Read-only below the temporary folder with PIL and NumPy in it; in a home, all packages being links."""
    with tempfile.TemporaryDirectory(prefix="my clone ", dir=Path(place).expanduser()) as top:
        folder = clone(Path(top) / "repo", ["pil", "pillow", "numpy"] if read_only else [])
        wrong = Path(top) / "main.py"
        wrong.write_text(f"from PIL import Imagefile\nraise OSError({str(folder / '.venv')!r})")
        done = grade_there(folder, right(Path(top)), wrong, read_only=read_only)
        subprocess.run(["chmod", "-R", "u+w", top], check=True)
    assert done.returncode == 0, done.stderr[-2000:]
    good, bad = json.loads(done.stdout.splitlines()[-1])
    assert good[0] == 20, good
    assert bad[0] == 0 and str(Path(top).name) not in json.dumps(bad) and str(PACKAGES) not in json.dumps(bad)


def test_feedback_names_no_folder_of_the_graders_machine(server):
    text = (
        f"cannot import 'x' from 'PIL' ({PACKAGES}/PIL/__init__.py), {sys.prefix}, {COURSE}/tests; square{Path.home()}"
    )
    told = server.scrub(text)
    assert told.startswith("cannot import 'x' from 'PIL' (PIL/__init__.py), (a folder), tests; ")
    assert told.endswith(f"square{Path.home()}") and server.scrub("as x/y is") == "as x/y is"


@pytest.mark.integration
def test_what_the_jail_hides_is_the_graders_error(server, monkeypatch):
    """No grade and one sentence, where a package that this Python has cannot be imported in there."""
    from autograder.engine.worker import Worker
    from autograder.grading import grade
    from labkit.run_folder import LabError

    stub = COURSE / "assignments" / "lab01_data"
    monkeypatch.setattr(server, "imports_tried", False)
    asked, told = Worker.value, {"PIL": "ImportError: cannot import name 'ImageFile'"}
    monkeypatch.setattr(
        Worker, "value", lambda self, header: told if header["do"] == "imports" else asked(self, header)
    )
    with pytest.raises(LabError, match=r"hides a part of Python .*PIL.*nothing was graded"):
        grade("lab01", stub, server, seed=1)
    told.clear()
    assert grade("lab01", stub, server, seed=1).points == 20
