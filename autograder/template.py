"""The fork server as the trusted side sees it: a process that imports torch once, for all workers to come.

This file imports no torch itself, so that both processes can load theirs at the same time.
"""

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from autograder.users import claim_users

HERE = Path(__file__).resolve().parent
ZYGOTE = HERE / "worker" / "zygote.py"
LIGHT = ["torch", "torch._dynamo", "numpy", "PIL.Image", "torchvision"]  # optimizers import torch._dynamo
PRELOAD = [*LIGHT, "torchvision.transforms.v2", "tqdm", "transformers"]
PRELOAD += [f"transformers:{name}" for name in ("AutoModel", "AutoImageProcessor", "AutoConfig")]


class Template:
    """The process, the socket through which it is asked for workers, and the users that these become."""

    def __init__(self, preload: list[str], *, jail: bool = True, shared: bool = False):
        """shared: a fork of this process, which has imported torch, but no check and no reference so far: for
        machines with little memory. Else a Python of its own.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.root = tempfile.TemporaryDirectory(prefix="autograder-root-")
        settings = {
            "preload": preload,
            "jail": jail,
            "root": self.root.name,
            "hidden": [str(p) for p in (HERE.parent, HERE) if p == HERE or (p / "pyproject.toml").exists()],
        }
        start = _fork if shared else _spawn
        self.process = start([str(ZYGOTE), str(theirs.fileno()), json.dumps(settings)], theirs.fileno(), ours)
        theirs.close()
        self.control, self.lock, self.count, self.ready = ours, threading.Lock(), 0, False
        self.claim, self.users = claim_users()

    def wait_until_ready(self) -> None:
        with self.lock:
            if not self.ready:
                if self.control.recv(16) != b"ready":
                    raise RuntimeError("The grader's fork server did not start; see its message above.")
                self.ready = True

    def fork(self, limits: dict, descriptors: list[int]) -> None:
        """Ask for one worker that has these limits, and these four descriptors for its own."""
        self.wait_until_ready()
        with self.lock:
            self.count += 1
            order = limits | {"uid": self.users[self.count % len(self.users)]}
            socket.send_fds(self.control, [json.dumps(order).encode()], descriptors)

    def close(self) -> None:
        self.control.close()
        self.claim.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.root.cleanup()


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
    """Start the fork server as a copy of this process, with the environment and the paths of a new one."""
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
        sys.path[:] = [one for one in sys.path if one.startswith((sys.prefix, sys.base_prefix))]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("autograder", "labkit")]:
            del sys.modules[name]
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
    finally:
        os._exit(1)


class _Child:
    """A forked process with what `Template` needs of subprocess.Popen."""

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
    """Return a worker's whole environment: nothing of the grader's own (keys, names, paths)."""
    return {
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
