"""Calling Slurm's own commands: in a clean environment, with a time limit, all failures as one exception."""

import os
import subprocess
from pathlib import Path
from typing import Any

from labkit.run_folder import repo_root
from labkit.run_folder.processes import without_ranks
from labrun.environment import clean_environment

PATIENCE_S = 20.0
# What a surrounding job leaves in the environment; sbatch would hand it to the new job, where it changes memory
# limits and CPU binding. SLURM_CONF stays: some sites need it.
_JOB = ("SLURM_", "SLURMD_", "PMI", "OMPI_", "JPY_", "LABKIT_ATTEMPT")


class SlurmUnavailable(Exception):
    """A Slurm command failed or did not finish in time: the state of the jobs is not known."""


def command(*words: str, **options: Any) -> str:
    """Return the output of a Slurm command. Raises SlurmUnavailable with the command's own error message."""
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
        raise SlurmUnavailable(f"{words[0]} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise SlurmUnavailable(f"{words[0]} did not finish within {PATIENCE_S:g} s") from None
    if done.returncode:
        raise SlurmUnavailable(" ".join(done.stderr.split()) or f"{words[0]} failed")
    return done.stdout


def environment() -> dict[str, str]:
    """Return this environment without what belongs to a surrounding job, with the Slurm to use."""
    inherited = without_ranks(clean_environment())
    kept = {name: value for name, value in inherited.items() if name == "SLURM_CONF" or not name.startswith(_JOB)}
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
