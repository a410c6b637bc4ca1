"""The environment of what labrun starts: kernels, runners, JupyterLab. Tokens come from `.env`."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from labkit.run_folder import RUN_DIR_VARIABLE, LabError, RunFolder, private_environment, repo_root

TOKENS = ("HF_TOKEN", "WANDB_API_KEY", "WANDB_MODE")  # all that `.env` may hand to a kernel
# What a surrounding run or kernel leaves in the environment, and what it starts must not inherit.
FOREIGN = (RUN_DIR_VARIABLE, "JPY_PARENT_PID", "JPY_SESSION_NAME", "MPLBACKEND", "PYTHONSTARTUP")
KERNEL = {
    "PYTHONHASHSEED": "0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TQDM_MININTERVAL": "5",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve each other where cores are shared
}


def is_own(folder: Path) -> bool:
    """Return whether this is a folder of the user's into which nobody else can write: its files can be trusted."""
    with suppress(OSError):
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return False


def clean_environment() -> dict[str, str]:
    """Return this process's environment without FOREIGN; an empty token is no token."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN and (value or name not in TOKENS)}


def kernel_environment(run: RunFolder, *, threads: int | None = None) -> dict[str, str]:
    """Return the variables of a run's kernel: the caller's, `.env`'s tokens, private folders, this run."""
    chosen = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)} if threads else {}
    this_run = {RUN_DIR_VARIABLE: str(run.path.resolve())}
    return KERNEL | tokens() | clean_environment() | private_environment() | chosen | this_run


def tokens() -> dict[str, str]:
    """Return which of TOKENS `.env` in the repository holds. Raises LabError where it cannot be read."""
    from dotenv import dotenv_values

    file = repo_root() / ".env"
    try:
        written = dotenv_values(file)
    except (OSError, UnicodeDecodeError):
        raise LabError(f"{file} cannot be read as UTF-8 text: save it so, or copy .env.template again.") from None
    return {name: value for name, value in written.items() if value and name in TOKENS}
