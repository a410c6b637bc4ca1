"""What a notebook gets: the fork server begins with the name `check`, the table comes, nothing stays."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder import labs

SESSION = """
import json, sys
from autograder import check, public
early = ["torch" in sys.modules, public.start.cache_info().currsize]
if len(sys.argv) > 1:
    check("lab01", sys.argv[1])
print(json.dumps([*early, public.start().process.pid]))
"""


def session(*arguments: str) -> tuple[list[str], list]:
    """Run the lines of a notebook in a fresh process; return what was printed, and the numbers at its end."""
    done = subprocess.run(
        [sys.executable, "-c", SESSION, *arguments],
        cwd=labs.CHECKS.parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, last = done.stdout.splitlines()
    return lines, json.loads(last)


def test_the_name_starts_the_fork_server_imports_no_torch_and_leaves_no_process():
    _, (torch_is_here, started, pid) = session()
    assert not torch_is_here and started == 1
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_check_prints_the_visible_checks_alone():
    stub = labs.CHECKS.parents[1] / "assignments" / "lab01_data" / "data.py"
    lines, _ = session(str(stub))
    visible = labs.checks(labs.module("lab01"), visible_only=True)
    assert lines[0].startswith("lab01_data: 0 of ")
    assert sum(line.startswith("--  ") for line in lines) == len(visible)


def test_a_file_that_is_not_there_is_one_sentence():
    from autograder import public
    from labkit.run_folder import LabError

    with pytest.raises(LabError, match=r"There is no nowhere\.py\. Give the path"):
        public.report("lab01", "nowhere.py")
