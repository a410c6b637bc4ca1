"""House rules that a machine can check: ruff, first lines, no grab-bag names, files of one job."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
HOSTILE = re.compile("autograder/mutants/.*/attacks/")  # empty, not UTF-8, not Python: on purpose
SOURCES = [f for f in TRACKED if f.endswith(".py") and (ROOT / f).exists() and not HOSTILE.match(f)]


def test_ruff_finds_nothing():
    result = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_first_line_says_the_job():
    without = [s for s in SOURCES if not ast.get_docstring(ast.parse((ROOT / s).read_text()))]
    assert not without, "each file needs a first line that says its job"


def test_the_format_is_ruffs():
    result = subprocess.run([sys.executable, "-m", "ruff", "format", "--check", "."], cwd=ROOT, capture_output=True)
    assert result.returncode == 0, result.stdout.decode()


def test_no_grab_bag_modules():
    assert not {Path(s).stem for s in SOURCES} & {"utils", "helpers", "common", "misc", "manager"}


def lines_of(folder: str, *, without: str = "") -> int:
    """Return the number of lines of a folder's tracked Python files."""
    inside = [s for s in SOURCES if s.startswith(folder + "/") and not (without and s.startswith(without))]
    return sum(len((ROOT / s).read_text().splitlines()) for s in inside)


def test_packages_keep_within_their_budgets():
    """Budgets are for judgment: no file is split or squeezed for them; what nothing uses is deleted."""
    sizes = {
        "labkit": (lines_of("labkit"), 8_800),
        "labrun": (lines_of("labrun"), 4_300),
        "autograder": (lines_of("autograder", without="autograder/mutants/"), 7_600),
    }
    assert not {name: size for name, size in sizes.items() if size[0] > size[1]}


def test_a_stranger_sees_few_names_at_the_top_of_labkit():
    top = {Path(s).parts[1] for s in SOURCES if s.startswith("labkit/")} - {"__init__.py"}
    assert len(top) <= 14, sorted(top)


def test_readme_fits_on_a_few_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_nothing_large_and_no_secret_is_committed():
    size = sum((ROOT / f).stat().st_size for f in TRACKED if f and (ROOT / f).is_file())
    assert size <= 5 * 2**20, f"the repository holds {size / 2**20:.1f} MiB, at most 5 are allowed"
    assert ".env" not in TRACKED
