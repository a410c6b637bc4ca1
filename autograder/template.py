"""The fork server as the trusted side sees it: a process that imports torch once, for all workers to come.

This file imports no torch itself, so that both processes can load theirs at the same time.
"""

import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from autograder.users import claim_users

HERE = Path(__file__).resolve().parent
LIGHT = ["torch", "torch._dynamo", "numpy", "PIL.Image", "torchvision"]  # optimizers import torch._dynamo
PRELOAD = [*LIGHT, "torchvision.transforms.v2", "tqdm", "transformers"]
PRELOAD += [f"transformers:{name}" for name in ("AutoModel", "AutoImageProcessor", "AutoConfig")]


class Template:
    """The process, the socket through which it is asked for workers, and the users that these become."""

    def __init__(self, preload: list[str], *, jail: bool = True):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.root = tempfile.TemporaryDirectory(prefix="autograder-root-")
        settings = {
            "preload": preload,
            "jail": jail,
            "root": self.root.name,
            "hidden": [str(p) for p in (HERE.parent, HERE) if p == HERE or (p / "pyproject.toml").exists()],
        }
        command = [sys.executable, "-s", "-P", str(HERE / "worker" / "zygote.py"), str(theirs.fileno())]
        self.process = subprocess.Popen(
            [*command, json.dumps(settings)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
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
