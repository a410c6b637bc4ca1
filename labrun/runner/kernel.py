"""How a run's kernel is started: this very Python, sockets instead of ports, files in the repository."""

import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

from labkit.run_folder import RUN_DIR_VARIABLE, LabError, RunFolder, cache_dir, private_environment, repo_root

TOKENS = ("HF_TOKEN", "WANDB_API_KEY", "WANDB_MODE")  # all that `.env` may hand to a kernel
_TEMPORARY = "labkit-kernel-"
_FOREIGN = ("JPY_PARENT_PID", "JPY_SESSION_NAME", "MPLBACKEND", "PYTHONSTARTUP", RUN_DIR_VARIABLE)


class PrivateKernelManager(AsyncKernelManager):
    """Starts `sys.executable -m ipykernel_launcher`, whatever kernel specifications are installed or not."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(
            argv=[
                sys.executable,
                "-m",
                "ipykernel_launcher",
                "-f",
                "{connection_file}",
                "--IPKernelApp.extra_extensions=labrun.runner.kernel_setup",
                "--HistoryManager.enabled=False",
                "--log-level=50",
            ],
            display_name="Python 3",
            language="python",
            metadata={"debugger": False},
        )

    @default("transport")
    def _sockets_do_not_race_for_ports(self) -> str:
        return "ipc"

    @default("connection_file")
    def _beside_its_sockets(self) -> str:
        return str(socket_folder() / f"k-{secrets.token_hex(4)}.json")

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        folder = Path(self.connection_file).parent
        await super()._async_cleanup_resources(restart=restart)
        if folder.name.startswith(_TEMPORARY) and not restart:
            shutil.rmtree(folder, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


def kernel_environment(run: RunFolder, *, threads: int | None = None) -> dict[str, str]:
    """Return the variables of a run's kernel: the caller's, `.env`'s tokens, private folders, this run."""
    ours = {
        name: value for name, value in os.environ.items() if name not in _FOREIGN and (value or name not in TOKENS)
    }  # an empty token is no token
    fixed = {
        "PYTHONHASHSEED": "0",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TQDM_MININTERVAL": "5",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }  # spinning threads starve each other where cores are shared
    chosen = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)} if threads else {}
    this_run = {RUN_DIR_VARIABLE: str(run.path.resolve())}
    return fixed | tokens() | ours | private_environment() | chosen | this_run


def tokens() -> dict[str, str]:
    """Return which of TOKENS `.env` in the repository holds. Raises LabError where it cannot be read."""
    from dotenv import dotenv_values

    file = repo_root() / ".env"
    try:
        written = dotenv_values(file)
    except (OSError, UnicodeDecodeError):
        raise LabError(f"{file} cannot be read as UTF-8 text: save it so, or copy .env.template again.") from None
    return {name: value for name, value in written.items() if value and name in TOKENS}


def socket_folder() -> Path:
    """Return a folder where Unix sockets can be bound: their path has at most 107 bytes, and some network
    file systems refuse them. Relative to the working directory where the absolute path would be too long."""
    home = cache_dir() / "kernels"
    beside = Path(os.path.relpath(home))
    for folder in (home, beside):
        if len(os.fsencode(str(folder))) <= 80 and _holds_sockets(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix=_TEMPORARY))


def _holds_sockets(folder: Path) -> bool:
    probe = folder / f"s-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with socket.socket(socket.AF_UNIX) as attempt:
            attempt.bind(str(probe))
        probe.unlink()
        return True
    except OSError:
        return False
