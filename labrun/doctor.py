"""The doctor: is everything in place on this machine, and what to do where it is not."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from labkit.run_folder import LabError, cache_dir, data_dir, private_environment, repo_root, runs_dir
from labrun.runner.environment import gpus, memory_gb, processor, usable_cores

TOKENS = ("HF_TOKEN", "WANDB_API_KEY")
OLDEST_PYTHON = (3, 11)
KERNEL_START_S = 60
_MARKS = {"good": "ok", "note": "--", "bad": "NO"}
_COLOURS = {"good": "\x1b[32m", "note": "\x1b[33m", "bad": "\x1b[31m"}


@dataclass(frozen=True)
class Line:
    """One finding. good: as it should be; note: works without it; bad: needed, so exit code 1."""

    topic: str
    verdict: Literal["good", "note", "bad"]
    found: str
    advice: str = ""


def examine() -> list[Line]:
    """Look at everything and return the findings; a check that fails is a finding, too. Takes seconds."""
    return [line for check in CHECKS for line in _guarded(check)]


def exit_code(lines: list[Line]) -> int:
    """Return 1 where something needed is missing."""
    return int(any(line.verdict == "bad" for line in lines))


def to_json(lines: list[Line]) -> str:
    """Return the findings for programs."""
    return json.dumps([asdict(line) for line in lines], indent=1)


def to_text(lines: list[Line], *, colour: bool = False) -> str:
    """Return the findings, one line each, with what to do below those that are not good."""
    shown = []
    for line in lines:
        mark = _MARKS[line.verdict]
        mark = f"{_COLOURS[line.verdict]}{mark}\x1b[0m" if colour else mark
        shown.append(f"{mark}  {line.topic:<14} {line.found}")
        if line.advice and line.verdict != "good":
            shown.append(f"    {'':<14} -> {line.advice}")
    bad = sum(line.verdict == "bad" for line in lines)
    shown.append(f"\n{bad} thing{'s' * (bad != 1)} to repair." if bad else "\nEverything needed is in place.")
    return "\n".join(shown)


def check_python() -> list[Line]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return [Line("Python", "bad", found, "Install Python 3.11 or newer, delete .venv, run run_lab.sh.")]
    return [Line("Python", "good", f"{found} ({sys.executable})")]


def check_packages() -> list[Line]:
    """Compare what pyproject.toml asks for with what is installed."""
    from packaging.requirements import Requirement

    wrong = []
    for text in metadata.requires("labkit") or []:
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        version = _version(wanted.name)
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} {version or 'missing'}")
    if wrong:
        return [Line("Packages", "bad", ", ".join(wrong), "pip install -r requirements.txt")]
    return [Line("Packages", "good", "all that pyproject.toml asks for")]


def check_torch() -> list[Line]:
    try:
        import torch
    except Exception as error:  # a broken build raises OSError, not ImportError
        return [Line("torch", "bad", f"cannot be imported ({error})", "pip install -r requirements.txt")]
    cuda = torch.version.cuda
    lines = [Line("torch", "good", f"{torch.__version__} ({f'CUDA {cuda} build' if cuda else 'CPU build'})")]
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return [*lines, Line("Devices", "good", f"{len(names)} GPU: {', '.join(names)}")]
    if gpus():
        advice = "torch sees no GPU that nvidia-smi shows: install the CUDA build, or update the driver."
        return [*lines, Line("Devices", "bad", gpus()[0]["name"], advice)]
    if torch.backends.mps.is_available():
        return [*lines, Line("Devices", "good", "Apple GPU (mps)")]
    return [*lines, Line("Devices", "note", "CPU only", "Enough for preset=tiny; preset=full wants a GPU.")]


def check_machine() -> list[Line]:
    memory = memory_gb()
    lines = [Line("Processor", "good", f"{processor()}, {usable_cores()} cores usable")]
    if memory is None:
        return lines
    enough = memory >= 4
    return [
        *lines,
        Line(
            "Memory",
            "good" if enough else "note",
            f"{memory:g} GB",
            "" if enough else "Close other programs, and choose a smaller batch_size.",
        ),
    ]


def check_disk() -> list[Line]:
    lines = []
    places = {"Disk: runs": runs_dir(), "Disk: data": data_dir(), "Disk: cache": cache_dir()}
    for topic, folder in places.items():
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free / 1e9
        if not there.is_dir() or not os.access(there, os.W_OK):
            why = "cannot be written" if there.is_dir() else f"cannot be a folder: {there} is a file"
            lines.append(
                Line(
                    topic,
                    "bad",
                    f"{folder} {why}",
                    "Change its rights, or set LABKIT_RUNS, LABKIT_DATA or LABKIT_CACHE.",
                )
            )
        else:
            verdict = "bad" if free < 1 else "note" if free < 5 else "good"
            lines.append(
                Line(
                    topic,
                    verdict,
                    f"{free:,.0f} GB free in {folder}",
                    "Delete old runs (runs/<id>), or move them with LABKIT_RUNS=<folder>.",
                )
            )
    return lines


def check_data() -> list[Line]:
    """Say which data sets are there and whole; a half-downloaded one counts as absent."""
    from labkit.data.download import ARCHIVES, EMBEDDED, is_present

    folder, there, absent = data_dir(), list(EMBEDDED), []
    for name in ARCHIVES:
        (there if is_present(name) else absent).append(name)
    lines = [Line("Data", "good", f"{', '.join(there)} ({', '.join(EMBEDDED)} are embedded)")]
    if absent:
        lines.append(
            Line(
                "Data",
                "note",
                f"not in {folder}: {', '.join(absent)}",
                "labkit fetch NAME, on a cluster on a login node.",
            )
        )
    return lines


def check_kernel() -> list[Line]:
    """Start a kernel as the runner does, and let it add."""
    try:
        answer = asyncio.run(asyncio.wait_for(_kernel_answer(), KERNEL_START_S))
    except Exception as error:
        return [
            Line(
                "Jupyter",
                "bad",
                f"no kernel starts ({type(error).__name__}: {error})",
                "pip install -r requirements.txt; then try `python -m ipykernel_launcher`.",
            )
        ]
    return [Line("Jupyter", "good", f"a kernel started and answered in {answer:.1f} s")]


def check_slurm() -> list[Line]:
    needed = ("sbatch", "squeue", "scontrol", "scancel", "srun")
    missing = [name for name in needed if not shutil.which(name)]
    if len(missing) == len(needed):
        return [Line("Slurm", "note", "not on this machine", "Runs are executed on this machine.")]
    if missing:
        return [Line("Slurm", "note", f"{', '.join(missing)} missing", "Load the site's Slurm module.")]
    return [_controller(), *check_site()]


def _controller() -> Line:
    from labrun.slurm.slurm_cli import SlurmUnavailable, command

    try:
        nodes = set(command("sinfo", "--noheader", "--Node", "--format=%N").split())  # once per partition
    except SlurmUnavailable as error:
        advice = "Try sinfo; on your own machine start one: bash scripts/laptop_slurm.sh start"
        return Line("Slurm", "note", f"{shutil.which('sbatch')}, but no answer ({str(error)[:80]})", advice)
    return Line("Slurm", "good", f"{shutil.which('sbatch')}, {len(nodes)} nodes")


def check_site() -> list[Line]:
    """Say which site jobs are sent to, and whether its file is whole."""
    from labrun.slurm.site_config import SITE_VARIABLE, load_site, site_names

    try:
        site = load_site()
    except LabError as error:
        return [Line("Site", "bad", str(error), f"Repair the file, or change {SITE_VARIABLE}.")]
    if site.account_needed and not (site.account or os.environ.get("SBATCH_ACCOUNT")):
        return [Line("Site", "note", f"{site.name} needs an account", "export SBATCH_ACCOUNT=YOUR_PROJECT")]
    if os.environ.get(SITE_VARIABLE):
        return [Line("Site", "good", f"{site.name}: {site.description}")]
    return [
        Line(
            "Site",
            "note",
            f"generic ({SITE_VARIABLE} is not set)",
            f"export {SITE_VARIABLE}=NAME, one of {', '.join(site_names())}, or your own YAML file.",
        )
    ]


def check_tokens() -> list[Line]:
    """Say whether tokens are there, never what they are."""
    from labrun.runner.kernel import tokens

    try:
        written, lines = tokens(), []
    except LabError as error:
        return [Line(".env", "bad", str(error), "cp .env.template .env, fill it in, chmod 600 .env")]
    for name in TOKENS:
        source = "environment" if os.environ.get(name) else ".env" if written.get(name) else ""
        lines.append(
            Line(
                name,
                "good" if source else "note",
                f"present ({source})" if source else "absent",
                "Optional: cp .env.template .env, fill it in, chmod 600 .env.",
            )
        )
    file = repo_root() / ".env"
    if file.is_file() and file.stat().st_mode & 0o077:
        lines.append(Line(".env", "bad", "others on this machine can read your tokens", "chmod 600 .env"))
    return lines


CHECKS: list[Callable[[], list[Line]]] = [
    check_python,
    check_packages,
    check_torch,
    check_machine,
    check_disk,
    check_data,
    check_kernel,
    check_slurm,
    check_tokens,
]


def _guarded(check: Callable[[], list[Line]]) -> list[Line]:
    try:
        return check()
    except Exception as error:
        topic = check.__name__.removeprefix("check_").capitalize()
        return [
            Line(
                topic,
                "bad",
                f"the check itself failed ({type(error).__name__}: {error})",
                "Show this line to your teacher.",
            )
        ]


async def _kernel_answer() -> float:
    """Return the seconds from starting a kernel to its first answer."""
    import time

    from labrun.runner.kernel import PrivateKernelManager

    started = time.monotonic()
    with tempfile.TemporaryFile() as unheard:
        manager = PrivateKernelManager()
        await manager.start_kernel(
            env=os.environ | private_environment(), stderr=unheard, stdout=unheard, cwd=str(Path.cwd())
        )
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=KERNEL_START_S)
            return time.monotonic() - started
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
