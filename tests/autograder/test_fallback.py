"""Grading where the kernel refuses every namespace: what still holds, and that the report says what does not.

The refusal is real: a filter of system calls, set before the fork server starts.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import audit, labs

READABLE = all(path.stat().st_mode & 0o001 for path in Path(os.__file__).resolve().parents)
pytestmark = pytest.mark.integration

GRADE = """
import json, sys
from autograder.engine.confined import kernel
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS)
kernel.filter_calls()  # unshare, mount, pivot_root, ... are refused from here on
from autograder import grading
from autograder.classroom import report
from autograder.engine.fork_server import LIGHT, ForkServer
with ForkServer(LIGHT) as server:
    graded = [grading.grade("lab01", path, server, seed=1) for path in sys.argv[1:]]
told = [report.to_gradescope(one) | {"text": report.to_text(one)} for one in graded]
print(json.dumps([told, server.process.returncode]))
"""
ATTACK = '''"""Tries the world outside: files beside the grader's, its processes, a connection; tells all."""
import os, signal, socket

def tried(what, *arguments):
    try:
        what(*arguments)
        return "done"
    except OSError as error:
        return type(error).__name__

def hello(port):
    socket.socket().connect(("127.0.0.1", port))

def forefathers(pid):
    """The supervisor, the fork server, the grader."""
    chain = []
    while len(chain) < 3:
        pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        chain.append(pid)
    return chain

found = {
    "write": tried(lambda: open(PATH, "w").write("full marks")),
    "kill": [tried(os.kill, pid, signal.SIGKILL) for pid in forefathers(os.getpid())],
    "become root": tried(os.setuid, 0),
    "network": tried(hello, PORT),
    "read": tried(lambda: open(HIDDEN).read()),
}
print(found)

def class_counts(labels, num_classes):
    raise RuntimeError(repr(found))
'''


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Return Gradescope's reports of a right submission and of the attack, both without namespaces."""
    if os.getuid() != 0:
        pytest.skip("only a grader started as root gives its workers another user")
    folder = tmp_path_factory.mktemp("fallback")
    (folder / "course").mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        known = {
            "PATH": str(folder / "course" / "results.json"),
            "PORT": listener.getsockname()[1],
            "HIDDEN": str(folder / "course" / "hidden.py"),
        }
        (folder / "course" / "hidden.py").write_text("answer = 42")
        text = "\n".join([f"{name} = {value!r}" for name, value in known.items()])
        (folder / "attack.py").write_text(f"{text}\n{ATTACK}")
        right = labs.MUTANTS / "lab01" / "correct" / "pure_python.py"
        made = folder / "right"
        made.mkdir()
        for name, raw in audit.handed_in(audit.Case("lab01", "correct", right)).contents.items():
            (made / name).write_bytes(raw)
        done = subprocess.run(
            [sys.executable, "-c", GRADE, str(made), str(folder / "attack.py")],
            cwd=labs.CHECKS.parents[1],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    reports, ended = json.loads(done.stdout.splitlines()[-1])
    assert ended == 0, "the fork server outlived the attack and left by itself"
    return reports, folder


def test_the_report_names_what_was_not_confined(graded):
    for report in graded[0]:
        missing = report["extra_data"]["not_confined_by"]
        for what in ("an own file system", "own process numbers", "no network"):
            assert any(one.startswith(what) for one in missing), missing
            assert what in report["text"].splitlines()[-1]
        unread = any(one.startswith("imports") for one in missing)
        assert unread != READABLE, missing
        assert not any(one.startswith(("another user", "no capabilities", "a filter")) for one in missing)


def test_a_right_submission_keeps_all_its_points(graded):
    assert graded[0][0]["score"] == 20, [t["output"] for t in graded[0][0]["tests"]]


def test_an_attack_writes_nothing_kills_nobody_and_gains_nothing(graded):
    (_, attack), folder = graded
    assert attack["score"] == 0 and not (folder / "course" / "results.json").exists()
    told = attack["tests"][0]["output"]
    assert "'write': 'PermissionError'" in told and "'read': 'PermissionError'" in told, attack["output"]
    refused = ["PermissionError"] * 3
    assert "'become root': 'PermissionError'" in told and f"'kill': {refused}" in told, told


def test_what_the_fallback_does_not_hold_is_what_the_report_says(graded):
    told = graded[0][1]["tests"][0]["output"]
    assert "'network': 'done'" in told, "the network is closed after all: refuse no step that was not refused"
