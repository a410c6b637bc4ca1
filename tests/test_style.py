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


def test_nothing_large_and_no_secret_is_committed():
    size = sum((ROOT / f).stat().st_size for f in TRACKED if f and (ROOT / f).is_file())
    assert size <= 5 * 2**20, f"the repository holds {size / 2**20:.1f} MiB, at most 5 are allowed"
    assert ".env" not in TRACKED
