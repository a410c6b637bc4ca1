"""The doctor: is everything in place on this machine, and what to do where it is not."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from labkit.run_folder import LabError, cache_dir, data_dir, private_environment, repo_root, runs_dir, usable_cores
from labrun.environment import clean_environment, tokens
from labrun.runner.machine import gpus, memory_gb, processor

TOKENS = ("HF_TOKEN", "WANDB_API_KEY")
OLDEST_PYTHON = (3, 11)
KERNEL_START_S = 60
_MARKS = {"good": ("ok", "\x1b[32m"), "note": ("--", "\x1b[33m"), "bad": ("NO", "\x1b[31m")}
_REINSTALL = "pip install -r requirements.txt"
_ENV_FILE = "cp .env.template .env, fill it in, chmod 600 .env"


Verdict = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Line:
    """One finding. good: as it should be; note: works without it; bad: needed, so exit code 1."""

    topic: str
    verdict: Verdict
    found: str
    advice: str = ""  # what to do, shown where the verdict is not good


def check_all() -> list[Line]:
    """Return the findings of all checks; a check that breaks is a finding, too. Takes seconds."""
    lines: list[Line] = []
    for check in CHECKS:
        try:
            lines += check()
        except Exception as error:
            topic, found = check.__name__.removeprefix("check_").capitalize(), f"{type(error).__name__}: {error}"
            lines.append(Line(topic, "bad", f"the check itself failed ({found})", "Show this line to your teacher."))
    return lines


def to_text(lines: list[Line], *, color: bool = False) -> str:
    """Return the findings, one line each, with what to do below those that are not good."""
    shown = []
    for line in lines:
        mark, start = _MARKS[line.verdict]
        mark = f"{start}{mark}\x1b[0m" if color else mark
        shown.append(f"{mark}  {line.topic:<14} {line.found}")
        if line.advice and line.verdict != "good":
            shown.append(f"    {'':<14} -> {line.advice}")
    bad = sum(line.verdict == "bad" for line in lines)
    shown.append(f"\n{bad} thing{'s' * (bad != 1)} to repair." if bad else "\nEverything needed is in place.")
    return "\n".join(shown)


def check_python() -> Iterator[Line]:
    found = f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})"
    verdict: Verdict = "good" if sys.version_info >= OLDEST_PYTHON else "bad"
    yield Line("Python", verdict, found, "Install Python 3.11 or newer, delete .venv, run scripts/run_lab.sh.")


def check_packages() -> Iterator[Line]:
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
    found = ", ".join(wrong) or "all that pyproject.toml requires"
    yield Line("Packages", "bad" if wrong else "good", found, _REINSTALL)


def check_torch() -> Iterator[Line]:
    try:
        import torch
    except Exception as error:  # a broken build raises OSError, not ImportError
        yield Line("torch", "bad", f"cannot be imported ({error})", _REINSTALL)
        return
    cuda = torch.version.cuda
    yield Line("torch", "good", f"{torch.__version__} ({f'CUDA {cuda} build' if cuda else 'CPU build'})")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield Line("Devices", "good", f"{len(names)} GPU: {', '.join(names)}")
    elif found := gpus():
        advice = "torch sees no GPU that nvidia-smi shows: install the CUDA build, or update the driver."
        yield Line("Devices", "bad", found[0]["name"], advice)
    elif torch.backends.mps.is_available():
        yield Line("Devices", "good", "Apple GPU (mps)")
    else:
        yield Line("Devices", "note", "CPU only", "Enough for preset=tiny; preset=full needs a GPU.")


def check_machine() -> Iterator[Line]:
    memory = memory_gb()
    advice = "Close other programs, and choose a smaller batch_size."
    yield Line("Processor", "good", f"{processor()}, {usable_cores()} cores usable")
    yield Line("Memory", "good" if memory >= 4 else "note", f"{memory:g} GB", advice)


def check_disk() -> Iterator[Line]:
    for topic, folder in {"Disk: runs": runs_dir(), "Disk: data": data_dir(), "Disk: cache": cache_dir()}.items():
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if existing.is_dir() and os.access(existing, os.W_OK):
            free = shutil.disk_usage(existing).free / 1e9
            advice = "Delete old runs (runs/<id>), or move them with LABKIT_RUNS=<folder>."
            verdict: Verdict = "bad" if free < 1 else "note" if free < 5 else "good"
            yield Line(topic, verdict, f"{free:,.0f} GB free in {folder}", advice)
        else:
            why = "cannot be written" if existing.is_dir() else f"cannot be a folder: {existing} is a file"
            advice = "Change its rights, or set LABKIT_RUNS, LABKIT_DATA or LABKIT_CACHE."
            yield Line(topic, "bad", f"{folder} {why}", advice)


def check_data() -> Iterator[Line]:
    """Report which data sets are complete; a half-downloaded one counts as absent."""
    from labkit.data.download import EMBEDDED, FILES, is_present

    present = [*EMBEDDED, *filter(is_present, FILES)]
    absent = [name for name in FILES if name not in present]
    yield Line("Data", "good", f"{', '.join(present)} ({', '.join(EMBEDDED)} are embedded)")
    if absent:
        found = f"not in {data_dir()}: {', '.join(absent)}"
        yield Line("Data", "note", found, "labkit fetch NAME, on a cluster on a login node.")


def check_kernel() -> Iterator[Line]:
    """Start a kernel as the runner does."""
    try:
        seconds = asyncio.run(asyncio.wait_for(_kernel_start(), KERNEL_START_S))
        yield Line("Jupyter", "good", f"a kernel started and answered in {seconds:.1f} s")
    except Exception as error:
        advice = f"{_REINSTALL}; then try `python -m ipykernel_launcher`."
        yield Line("Jupyter", "bad", f"no kernel starts ({type(error).__name__}: {error})", advice)


def check_slurm() -> Iterator[Line]:
    """Report whether Slurm answers, which site jobs are submitted to, and whether its file is valid."""
    from labrun.slurm.site_config import SITE_VARIABLE, load_site, site_names
    from labrun.slurm.squeue import SlurmUnavailable, command

    needed = ("sbatch", "squeue", "scontrol", "scancel", "srun")
    missing = [name for name in needed if not shutil.which(name)]
    if missing:
        none = len(missing) == len(needed)
        advice = "Runs are executed on this machine." if none else "Load the site's Slurm module."
        yield Line("Slurm", "note", "not on this machine" if none else f"{', '.join(missing)} missing", advice)
        return
    try:
        nodes = set(command("sinfo", "--noheader", "--Node", "--format=%N").split())  # once per partition
        yield Line("Slurm", "good", f"{shutil.which('sbatch')}, {len(nodes)} nodes")
    except SlurmUnavailable as error:
        advice = "Try sinfo; on your own machine start one: bash scripts/laptop_slurm.sh start"
        yield Line("Slurm", "note", f"{shutil.which('sbatch')}, but no answer ({str(error)[:80]})", advice)
    try:
        site = load_site()
    except LabError as error:
        yield Line("Site", "bad", str(error), f"Repair the file, or change {SITE_VARIABLE}.")
        return
    if site.account_needed and not site.account:
        yield Line("Site", "note", f"{site.name} requires an account", "export SBATCH_ACCOUNT=YOUR_PROJECT")
    elif os.environ.get(SITE_VARIABLE):
        yield Line("Site", "good", f"{site.name}: {site.description}")
    else:
        advice = f"export {SITE_VARIABLE}=NAME, one of {', '.join(site_names())}, or your own YAML file."
        yield Line("Site", "note", f"generic ({SITE_VARIABLE} is not set)", advice)


def check_environment() -> Iterator[Line]:
    """Name what would go over the options of Slurm's and Jupyter's commands, and a % that sbatch would replace."""
    from labrun.slurm.squeue import OPTIONS

    ours = re.compile("SBATCH_ACCOUNT|SLURM_CONF|SLURM_JWT" + ("|SLURM_.*" if "SLURM_JOB_ID" in os.environ else ""))
    names = [one for one in sorted(os.environ) if one.startswith((*OPTIONS, "JUPYTER_")) or one.lower() == "http_proxy"]
    if found := [name for name in names if not ours.fullmatch(name)]:
        advice = "Your own sbatch, squeue and jupyter obey them: unset those that you did not want."
        yield Line("Environment", "note", f"labkit shields its commands from {', '.join(found)}", advice)
    if "%" in str(repo_root()):
        advice = "Submit with labkit run --site, or move the folder: sbatch replaces %j in the path of an output."
        yield Line("Folder", "note", f"{repo_root()} holds a %", advice)


def check_tokens() -> Iterator[Line]:
    """Report whether tokens are present, never what they are."""
    try:
        written = tokens()
    except LabError as error:
        yield Line(".env", "bad", str(error), _ENV_FILE)
        return
    for name in TOKENS:
        source = "environment" if os.environ.get(name) else ".env" if written.get(name) else ""
        found = f"present ({source})" if source else "absent"
        yield Line(name, "good" if source else "note", found, f"Optional: {_ENV_FILE}.")
    file = repo_root() / ".env"
    if file.is_file() and file.stat().st_mode & 0o077:
        yield Line(".env", "bad", "others on this machine can read your tokens", "chmod 600 .env")


CHECKS: list[Callable[[], Iterator[Line]]] = [check_python, check_packages, check_torch, check_machine, check_disk]
CHECKS += [check_data, check_kernel, check_slurm, check_environment, check_tokens]


async def _kernel_start() -> float:
    """Return the seconds from starting a kernel to its first answer."""
    from labrun.runner.kernel import PrivateKernelManager

    started = time.monotonic()
    with tempfile.TemporaryFile() as discarded:
        manager = PrivateKernelManager()
        environment = clean_environment() | private_environment()
        await manager.start_kernel(env=environment, stderr=discarded, stdout=discarded, cwd=os.getcwd())
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=KERNEL_START_S)
            return time.monotonic() - started
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
