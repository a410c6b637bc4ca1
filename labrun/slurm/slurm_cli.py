"""Calling Slurm's own commands: in a clean environment, with a limit on time, failures in one exception."""

import os
import subprocess
from pathlib import Path

from labkit.run_folder import repo_root

PATIENCE_S = 20.0
# What a surrounding job, torchrun or kernel leaves in the environment; sbatch would hand it to the new job,
# where it changes memory limits and CPU binding. SLURM_CONF stays: some sites need it.
_LEAKS = ("SLURM_", "SLURMD_", "PMI", "OMPI_", "JPY_", "TORCHELASTIC_")
_LEAKING = (
    "LABKIT_RUN_DIR",
    "LABKIT_ATTEMPT",
    "MPLBACKEND",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "ROLE_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
)


class Unreachable(Exception):
    """A Slurm command failed or did not answer: what it would have said is not known."""


def command(*words: str, **options) -> str:
    """Return what a Slurm command prints. Raises Unreachable with the command's own words."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env=environment(),
            stdin=subprocess.DEVNULL,
            **options,
        )
    except FileNotFoundError:
        raise Unreachable(f"{words[0]} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{words[0]} did not answer within {PATIENCE_S:g} s") from None
    if done.returncode:
        raise Unreachable(" ".join(done.stderr.split()) or f"{words[0]} failed")
    return done.stdout


def environment() -> dict[str, str]:
    """Return this environment without what belongs to a surrounding job, with the Slurm to speak to."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not (name.startswith(_LEAKS) or name in _LEAKING)
    }
    laptop = laptop_conf()
    return {"SLURM_CONF": str(laptop)} | kept if laptop else kept


def laptop_conf() -> Path | None:
    """Return the configuration of scripts/laptop_slurm.sh while its controller is started."""
    folders = [
        os.environ.get("LABKIT_SLURM_DIR"),
        repo_root() / ".cache" / "laptop_slurm",
        f"/var/tmp/labkit-slurm-{os.getuid()}",
    ]
    started = [Path(folder) for folder in folders if folder and (Path(folder) / "slurmctld.pid").is_file()]
    return started[0] / "slurm.conf" if started else None
