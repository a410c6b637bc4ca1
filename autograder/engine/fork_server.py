"""The fork server: a process that imports torch once, goes to jail, and forks one confined worker per submission.

This file imports no torch itself, so that both processes can load theirs at the same time.
"""

import gc
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.engine.confined.environment import LATE, SYSTEM, inside
from labkit import dynamo
from labkit.run_folder import LabError

if TYPE_CHECKING:
    from autograder.engine.worker import Limits, Worker

PACKAGE = Path(__file__).resolve().parents[1]
PROCESS = PACKAGE / "engine" / "confined" / "fork_server.py"
COURSE = PACKAGE.parent
LIGHT = ["torch", "numpy.random", "PIL.Image", "torchvision"]
PRELOAD = [*LIGHT, "torchvision.transforms.v2", "tqdm", "transformers", "IPython.core.inputtransformer2"]
PRELOAD += [f"transformers:{name}" for name in ("AutoModel", "AutoImageProcessor", "AutoConfig")]
USERS, BLOCK = range(61000, 65000), 200  # unprivileged users of workers; so many does one fork server take


class ForkServer:
    """The process, the socket through which it is asked for workers, and the users that these become.

    One serves a whole class, from many threads.
    """

    def __init__(self, preload: list[str] = PRELOAD, *, jail: bool = True, shared: bool = False):
        """shared: a fork of this process, which has imported torch, but no check and no reference so far: for
        machines with little memory. Else a Python of its own.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.root = tempfile.TemporaryDirectory(prefix="autograder-root-")
        settings = {
            "preload": preload,
            "jail": jail,
            "root": self.root.name,
            "hidden": hidden_folders(),
            "path": import_folders(),
            "dynamo": dynamo.__file__,
        }
        start = _fork if shared else _spawn
        self.process = start([str(PROCESS), str(theirs.fileno()), json.dumps(settings)], theirs.fileno(), ours)
        theirs.close()
        self.control, self.lock, self.count, self.ready = ours, threading.Lock(), 0, False
        self.claim, self.users = claim_users()
        self.visible: list[str] = []  # what the jail shows of this machine, once ready
        self.imports_tried, self.imports_lock = False, threading.Lock()

    def wait_until_ready(self) -> None:
        """Return when torch is loaded and the jail closed. Raises LabError where it never will be."""
        with self.lock:
            if not self.ready:
                answer = self.control.recv(1 << 20)
                if not answer:
                    raise LabError("The grader's fork server did not start, so nothing was graded; see its message.")
                self.visible, self.ready = json.loads(answer), True

    def start(self, limits: "Limits") -> "Worker":
        """Return a fresh worker."""
        from autograder.engine.worker import Worker  # imports torch

        self.wait_until_ready()
        requests, answers, prints = os.pipe(), os.pipe(), os.pipe()
        life, theirs = socket.socketpair()
        inside_ends = [requests[0], answers[1], prints[1], theirs.fileno()]
        with self.lock:
            self.count += 1
            order = asdict(limits) | {"uid": self.users[self.count % len(self.users)]}
            socket.send_fds(self.control, [json.dumps(order).encode()], inside_ends)
        theirs.close()
        for descriptor in inside_ends[:3]:
            os.close(descriptor)
        return Worker(requests[1], answers[0], prints[0], life, limits)

    def check_imports(self) -> None:
        """Raise LabError where a worker cannot import what this process can: the machine's fault, no student's.

        Tried once, in a worker of its own. Where there is no jail, nothing is covered and nothing is tried.
        """
        from autograder.engine.worker import Limits, WorkerEnded

        with self.imports_lock:
            if self.imports_tried:
                return
            worker = self.start(Limits(cpu_s=60, idle_s=30, wall_s=150, total_cpu_s=90, memory_mb=4096))
            try:
                refused = worker.value({"do": "hello"})["refused"]
                jailed = not any(one.startswith("an own file system") for one in refused)
                failed = worker.value({"do": "imports"}) if jailed else {}
            except WorkerEnded as error:
                raise LabError(f"The grader could not try its own imports, so nothing was graded: {error}") from None
            finally:
                worker.stop()
            for name, why in failed.items():
                if name not in LATE or _importable_here(LATE[name]):
                    raise LabError(
                        f"The grader's jail hides a part of Python from submissions ({name}: {why}), so nothing was "
                        f"graded; install the environment in a folder of its own, or report this."
                    )
            self.imports_tried = True

    def scrub(self, text: str) -> str:
        """Return a text for a student without the folders of this machine: PIL/Image.py stays of a whole path."""
        logical = [*self.visible, *sys.path, sys.prefix, sys.base_prefix, str(COURSE), str(Path.home())]
        folders = {form for one in logical for form in (one, os.path.realpath(one)) if one not in ("", "/")}
        for folder in sorted(folders, key=len, reverse=True):
            text = re.sub(rf"(?<![\w.-]){re.escape(folder)}(/|(?![\w-]))", lambda m: "" if m[1] else "(a folder)", text)
        return text

    def close(self) -> None:
        self.control.close()
        self.claim.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.root.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def hidden_folders() -> list[str]:
    """Return what no submission may see: the course, or its packages where they are installed among others."""
    packages = [str(COURSE / name) for name in (PACKAGE.name, "labkit", "labrun") if (COURSE / name).is_dir()]
    return [str(COURSE), *packages] if (COURSE / "pyproject.toml").exists() else packages


def import_folders() -> list[str]:
    """Return the folders of sys.path from which a worker may import as this process does: Python's and packages'.

    Others (the course, a script's folder, this one) may hold what no submission shall see.
    """
    hidden, found = hidden_folders(), [os.path.abspath(one) for one in sys.path if one and os.path.exists(one)]
    pythons = [sys.prefix, sys.base_prefix, *SYSTEM]
    kept = [one for one in found if inside(one, pythons) or one.endswith("-packages")]
    return list(dict.fromkeys(one for one in kept if one not in hidden))


def claim_users() -> tuple[socket.socket, range]:
    """Return users that no other grader of this machine has, and the socket whose name says so while open.

    Two graders with the same users would share their workers' limit of processes.
    """
    for number in range(len(USERS) // BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0labkit-autograder-{number}")  # abstract: gone with its owner, however that ends
            return claim, USERS[number * BLOCK : (number + 1) * BLOCK]
        except OSError:
            claim.close()
    return socket.socket(socket.AF_UNIX), USERS


def _importable_here(module: str) -> bool:
    """Say whether a fresh Python outside of the jail can import a module: if not, it is broken, not hidden."""
    command = [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {import_folders()!r}; import {module}"]
    return subprocess.run(command, cwd="/", env=_environment(), capture_output=True, timeout=300).returncode == 0


def _spawn(arguments: list[str], kept: int, closed: socket.socket) -> subprocess.Popen:
    """Start the fork server as a process that knows nothing of this one."""
    return subprocess.Popen(
        [sys.executable, "-s", "-P", *arguments],
        pass_fds=[kept],
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=_environment(),
        start_new_session=True,
    )


def _fork(arguments: list[str], kept: int, closed: socket.socket) -> "_Child":
    """Start the fork server as a copy of this process, with the environment of a new one."""
    sys.stdout.flush()
    gc.freeze()  # what both hold is not looked at, or copied, again
    pid = os.fork()
    if pid:
        gc.unfreeze()
        return _Child(pid)
    try:
        closed.close()
        os.setsid()
        os.chdir("/")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(_environment())
        for name in [name for name in sys.modules if name.partition(".")[0] in ("autograder", "labkit")]:
            del sys.modules[name]
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
    finally:
        os._exit(1)


class _Child:
    """A forked process with what `ForkServer` needs of subprocess.Popen."""

    def __init__(self, pid: int):
        self.pid, self.returncode = pid, None

    def wait(self, timeout: float = 60) -> int:
        end = time.monotonic() + timeout
        while self.returncode is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise subprocess.TimeoutExpired("fork server", timeout)
            else:
                time.sleep(0.01)
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """Return a worker's whole environment: nothing of the grader's own (keys, names), but where libraries lie."""
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return libraries | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "WANDB_MODE": "offline",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": "/scratch",
        "TMPDIR": "/tmp",
    }
