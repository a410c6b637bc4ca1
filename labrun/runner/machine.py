"""What a run ran on, for env.json: versions, code, machine. Never a token, never an environment variable."""

import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from labkit.run_folder import repo_root, usable_cores


def describe(seed: int | None = None) -> dict[str, Any]:
    """Return Python, packages, git commit, host, processor, memory and GPUs; imports no torch."""
    named = {one.metadata["Name"]: one.version for one in metadata.distributions() if one.metadata["Name"]}
    packages = dict(sorted(named.items(), key=lambda item: item[0].lower()))
    git = ("git", "-C", str(repo_root()))
    commit = _output(*git, "rev-parse", "HEAD")
    changed = _output(*git, "status", "--porcelain", "--untracked-files=no")
    return {
        "python": platform.python_version(),
        "executable": Path(sys.executable).name,
        "torch": packages.get("torch"),
        "git": {"commit": commit, "dirty": bool(changed)} if commit else None,
        "seed": seed,
        "host": platform.node(),
        "system": platform.platform(),
        "cpu": processor(),
        "cores": usable_cores(),
        "memory_gb": memory_gb(),
        "gpus": gpus(),
        "packages": packages,
    }


def processor() -> str:
    """Return the processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory_gb() -> float:
    """Return the memory this process may use, in GB (the container's limit where there is one)."""
    import psutil

    total, limit = psutil.virtual_memory().total, Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    return round(min(total, int(text) if text.isdigit() else total) / 1e9, 1)


def gpus() -> list[dict[str, str]]:
    """Return name, memory and driver of each NVIDIA GPU that nvidia-smi lists ([] without it)."""
    if not shutil.which("nvidia-smi"):
        return []
    text = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return [dict(zip(("name", "memory", "driver"), row, strict=True)) for row in rows if len(row) == 3]


def _output(*command: str) -> str:
    """Return what a command prints ("" where it fails)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
