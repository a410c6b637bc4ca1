"""Cut the student copy: tracked files, less the teacher's, with answers withheld, searched for leaks."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder import labs
from autograder.release import leaks, notebooks, public_checks, withheld
from labkit.run_folder import LabError

ROOT = labs.CHECKS.parents[1]
TEACHERS = (  # files and folders that no student gets; tests and benchmarks hold right answers too
    "autograder/reference/",
    "autograder/mutants/",
    "autograder/gradescope/",
    "autograder/release/",
    "autograder/audit.py",
    "autograder/__main__.py",
    "benchmarks/",
    "docs/autograder_audit.md",
    "scripts/gpu_report.sh",
    "scripts/run_tests.sh",
    "tests/",
    ".ci/",
)
OF_A_LAB = re.compile(r"(?:assignments|autograder/checks)/(lab\d+)_")
LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
SCRIPT = re.compile(r"^(?:bash|python) (scripts/\S+).*\n", re.MULTILINE)
ABOUT = """# The autograder, student copy

`labkit check LAB` runs the visible checks of {labs} on your file in `assignments/`; so does
`from autograder import check; check("LAB")` in a notebook. When you hand in, hidden checks count as well:
full marks here are necessary, not sufficient.

Withheld until its lab is over, with the sentence that says so: {withheld}.
A notebook stops at the first of these that it needs, and does not take your own from `assignments/`: solve
the lab there; the notebook runs whole once your teacher's next copy reveals that lab.
"""


@dataclass(frozen=True)
class Release:
    """What was cut: where to, the labs in it, the names of labkit that are withheld, the number of files."""

    dest: Path
    labs: list[str]
    withheld: list[str]
    files: int

    def sentence(self) -> str:
        return (
            f"{self.dest}: {self.files} files with {', '.join(self.labs)}; "
            f"withheld: {', '.join(self.withheld) or 'nothing'}; no leak found."
        )


def cut(dest: Path, *, names: Sequence[str] = (), reveal: Sequence[str] = ()) -> Release:
    """Cut the student copy into `dest`, whole or not at all.

    names: the labs whose assignments and visible checks are in it (none given: all). reveal: the labs whose
    answers in labkit and in the notebooks stay. Raises LabError for a `dest` that is not empty, an unknown
    lab, and leaks, each with its file.
    """
    chosen = [_short(name) for name in names] if names else labs.names()
    revealed = [_short(name) for name in reveal]
    if dest.exists() and not (dest.is_dir() and not any(dest.iterdir())):
        raise LabError(f"{dest} exists and is not empty; name a new folder.")
    dest.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{dest.name}-", dir=dest.parent))
    try:
        made = _fill(half, dest, chosen, revealed)
        half.chmod(0o755)
        half.replace(dest)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return made


def _fill(folder: Path, dest: Path, chosen: list[str], revealed: list[str]) -> Release:
    gone = withheld.withheld([lab for lab in labs.names() if lab not in revealed])
    released = [path for path in tracked() if is_released(path, chosen)]
    if missing := sorted(set(gone) - set(released)):
        raise LabError(f"There is no {', '.join(missing)}; correct TABLE in autograder/release/withheld.py.")
    for path in released:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)
        if path in gone:
            target.write_text(withheld.without(target.read_text(), path, gone[path]))
        elif path.startswith("autograder/checks/lab"):
            target.write_text(public_checks.public(target.read_text()))
        elif path.endswith(".ipynb"):
            target.write_text(notebooks.for_students(target.read_text(), path, revealed))
    pieces = sorted(
        f"{path.removesuffix('.py').replace('/', '.')}.{name}"
        for path, names in gone.items()
        for name in names
        if not name.startswith("_")
    )
    about = {"labs": ", ".join(chosen), "withheld": ", ".join(f"`{one}`" for one in pieces) or "nothing"}
    (folder / "autograder" / "README.md").write_text(ABOUT.format(**about))
    _mend_pages(folder)
    found = leaks.leaks(folder, leaks.secrets(revealed))
    if found:
        raise LabError(f"The release would give answers away, so nothing was written: {'; '.join(found)}.")
    return Release(dest, chosen, pieces, len(released))


def require_committed() -> None:
    """Raise LabError where a tracked file differs from the last commit: a solved stub would go out to everyone."""
    if differing := _git("diff", "--name-only", "-z", "HEAD"):
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise LabError(f"{', '.join(differing[:5])}{more} differ from the last commit; commit or restore them first.")


def _git(*words: str) -> list[str]:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"A release takes what git tracks, and git does not answer in {ROOT}.") from error
    return [path for path in done.stdout.split("\0") if path]


def tracked() -> list[str]:
    """Return the files that git knows, as they are now; nothing else can get into a release."""
    paths = _git("ls-files", "-z")
    return [path for path in paths if (ROOT / path).is_file() and not (ROOT / path).is_symlink()]


def is_released(path: str, chosen: list[str]) -> bool:
    lab = OF_A_LAB.match(path)
    return not path.startswith(TEACHERS) and (lab is None or lab[1] in chosen)


def _short(name: str) -> str:
    return labs.stem(name.strip()).partition("_")[0]


def _mend_pages(folder: Path) -> None:
    """Turn links to files that are not in the copy into plain text; drop commands that start such scripts."""
    for page in folder.rglob("*.md"):

        def link(found: re.Match, here: Path = page.parent) -> str:
            return found[0] if (here / found[2]).exists() else found[1]

        def script(found: re.Match) -> str:
            return found[0] if (folder / found[1]).exists() else ""

        text = page.read_text()
        mended = SCRIPT.sub(script, LINK.sub(link, text))
        if mended != text:
            page.write_text(mended)
