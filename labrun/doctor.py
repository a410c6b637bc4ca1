"""The doctor: is everything in place on this machine, and what to do where it is not."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from labkit.run_folder import LabError, cache_dir, data_dir, private_environment, repo_root, runs_dir, usable_cores
from labrun.environment import clean_environment, tokens
from labrun.runner.machine import gpus, memory_gb, processor

TOKENS = ("HF_TOKEN", "WANDB_API_KEY")
OLDEST_PYTHON = (3, 11)
KERNEL_START_S = 60
_MARKS = {"good": "ok", "note": "--", "bad": "NO"}
RESET = "\x1b[0m"
_COLORS = {"good": "\x1b[32m", "note": "\x1b[33m", "bad": "\x1b[31m"}


@dataclass(frozen=True)
class Line:
    """One finding. good: as it should be; note: works without it; bad: needed, so exit code 1."""

    topic: str
    verdict: Literal["good", "note", "bad"]
    found: str
    advice: str = ""  # what to do, shown where the verdict is not good


def check_all() -> list[Line]:
    """Return the findings of all checks; a check that breaks is a finding, too. Takes seconds."""
    lines = []
    for check in CHECKS:
        try:
            lines += check()
        except Exception as error:
            topic, found = check.__name__.removeprefix("check_").capitalize(), f"{type(error).__name__}: {error}"
            lines.append(Line(topic, "bad", f"the check itself failed ({found})", "Show this line to your teacher."))
    return lines


def exit_code(lines: list[Line]) -> int:
    """Return 1 where something needed is missing."""
    return int(any(line.verdict == "bad" for line in lines))


def to_json(lines: list[Line]) -> str:
    """Return the findings for programs."""
    return json.dumps([asdict(line) for line in lines], indent=1)


def to_text(lines: list[Line], *, color: bool = False) -> str:
    """Return the findings, one line each, with what to do below those that are not good."""
    shown = []
    for line in lines:
        mark = _MARKS[line.verdict]
        shown.append(f"{_COLORS[line.verdict] + mark + RESET if color else mark}  {line.topic:<14} {line.found}")
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
    """Compare what pyproject.toml requires with what is installed."""
    from packaging.requirements import Requirement

    wrong = []
    for requirement in map(Requirement, metadata.requires("labkit") or []):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = "missing"
        if version == "missing" or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version}")
    if wrong:
        return [Line("Packages", "bad", ", ".join(wrong), "pip install -r requirements.txt")]
    return [Line("Packages", "good", "all that pyproject.toml requires")]


def check_torch() -> list[Line]:
    try:
        import torch
    except Exception as error:  # a broken build raises OSError, not ImportError
        return [Line("torch", "bad", f"cannot be imported ({error})", "pip install -r requirements.txt")]
    cuda = torch.version.cuda
    version = Line("torch", "good", f"{torch.__version__} ({f'CUDA {cuda} build' if cuda else 'CPU build'})")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return [version, Line("Devices", "good", f"{len(names)} GPU: {', '.join(names)}")]
    if found := gpus():
        advice = "torch sees no GPU that nvidia-smi shows: install the CUDA build, or update the driver."
        return [version, Line("Devices", "bad", found[0]["name"], advice)]
    if torch.backends.mps.is_available():
        return [version, Line("Devices", "good", "Apple GPU (mps)")]
    return [version, Line("Devices", "note", "CPU only", "Enough for preset=tiny; preset=full needs a GPU.")]


def check_machine() -> list[Line]:
    memory = memory_gb()
    advice = "Close other programs, and choose a smaller batch_size."
    return [
        Line("Processor", "good", f"{processor()}, {usable_cores()} cores usable"),
        Line("Memory", "good" if memory >= 4 else "note", f"{memory:g} GB", advice),
    ]


def check_disk() -> list[Line]:
    lines = []
    for topic, folder in {"runs": runs_dir(), "data": data_dir(), "cache": cache_dir()}.items():
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free / 1e9
        if existing.is_dir() and os.access(existing, os.W_OK):
            verdict, found = "bad" if free < 1 else "note" if free < 5 else "good", f"{free:,.0f} GB free in {folder}"
            advice = "Delete old runs (runs/<id>), or move them with LABKIT_RUNS=<folder>."
        else:
            why = "cannot be written" if existing.is_dir() else f"cannot be a folder: {existing} is a file"
            verdict, found = "bad", f"{folder} {why}"
            advice = "Change its rights, or set LABKIT_RUNS, LABKIT_DATA or LABKIT_CACHE."
        lines.append(Line(f"Disk: {topic}", verdict, found, advice))
    return lines


def check_data() -> list[Line]:
    """Report which data sets are complete; a half-downloaded one counts as absent."""
    from labkit.data.download import ARCHIVES, EMBEDDED, is_present

    present = [*EMBEDDED, *filter(is_present, ARCHIVES)]
    absent = [name for name in ARCHIVES if name not in present]
    lines = [Line("Data", "good", f"{', '.join(present)} ({', '.join(EMBEDDED)} are embedded)")]
    if absent:
        found = f"not in {data_dir()}: {', '.join(absent)}"
        lines.append(Line("Data", "note", found, "labkit fetch NAME, on a cluster on a login node."))
    return lines


def check_kernel() -> list[Line]:
    """Start a kernel as the runner does."""
    try:
        answer = asyncio.run(asyncio.wait_for(_kernel_answer(), KERNEL_START_S))
    except Exception as error:
        found = f"no kernel starts ({type(error).__name__}: {error})"
        return [
            Line("Jupyter", "bad", found, "pip install -r requirements.txt; then try `python -m ipykernel_launcher`.")
        ]
    return [Line("Jupyter", "good", f"a kernel started and answered in {answer:.1f} s")]


def check_slurm() -> list[Line]:
    needed = ("sbatch", "squeue", "scontrol", "scancel", "srun")
    missing = [name for name in needed if not shutil.which(name)]
    if len(missing) == len(needed):
        return [Line("Slurm", "note", "not on this machine", "Runs are executed on this machine.")]
    if missing:
        return [Line("Slurm", "note", f"{', '.join(missing)} missing", "Load the site's Slurm module.")]
    return [_controller(), _site()]


def _controller() -> Line:
    from labrun.slurm.slurm_cli import Unreachable, command

    try:
        nodes = set(command("sinfo", "--noheader", "--Node", "--format=%N").split())  # once per partition
    except Unreachable as error:
        advice = "Try sinfo; on your own machine start one: bash scripts/laptop_slurm.sh start"
        return Line("Slurm", "note", f"{shutil.which('sbatch')}, but no answer ({str(error)[:80]})", advice)
    return Line("Slurm", "good", f"{shutil.which('sbatch')}, {len(nodes)} nodes")


def _site() -> Line:
    """Report which site jobs are submitted to, and whether its file is valid."""
    from labrun.slurm.site_config import SITE_VARIABLE, load_site, site_names

    try:
        site = load_site()
    except LabError as error:
        return Line("Site", "bad", str(error), f"Repair the file, or change {SITE_VARIABLE}.")
    if site.account_needed and not (site.account or os.environ.get("SBATCH_ACCOUNT")):
        return Line("Site", "note", f"{site.name} requires an account", "export SBATCH_ACCOUNT=YOUR_PROJECT")
    if os.environ.get(SITE_VARIABLE):
        return Line("Site", "good", f"{site.name}: {site.description}")
    advice = f"export {SITE_VARIABLE}=NAME, one of {', '.join(site_names())}, or your own YAML file."
    return Line("Site", "note", f"generic ({SITE_VARIABLE} is not set)", advice)


def check_tokens() -> list[Line]:
    """Report whether tokens are present, never what they are."""
    try:
        written, lines = tokens(), []
    except LabError as error:
        return [Line(".env", "bad", str(error), "cp .env.template .env, fill it in, chmod 600 .env")]
    for name in TOKENS:
        source = "environment" if os.environ.get(name) else ".env" if written.get(name) else ""
        found, advice = (
            f"present ({source})" if source else "absent",
            "cp .env.template .env, fill it in, chmod 600 .env.",
        )
        lines.append(Line(name, "good" if source else "note", found, f"Optional: {advice}"))
    file = repo_root() / ".env"
    if file.is_file() and file.stat().st_mode & 0o077:
        lines.append(Line(".env", "bad", "others on this machine can read your tokens", "chmod 600 .env"))
    return lines


async def _kernel_answer() -> float:
    """Return the seconds from starting a kernel to its first answer."""
    from labrun.runner.kernel import PrivateKernelManager

    started = time.monotonic()
    with tempfile.TemporaryFile() as discarded:
        manager = PrivateKernelManager()
        environment = clean_environment() | private_environment()
        await manager.start_kernel(env=environment, stderr=discarded, stdout=discarded, cwd=str(Path.cwd()))
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=KERNEL_START_S)
            return time.monotonic() - started
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)


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
