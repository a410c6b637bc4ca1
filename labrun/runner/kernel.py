"""How a run's kernel is started: this very Python, sockets instead of ports, files in the repository."""

import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

from labkit.run_folder import cache_dir
from labrun.environment import is_own

_TEMPORARY = "labkit-kernel-"
_COMMAND = """-m ipykernel_launcher -f {connection_file} --HistoryManager.enabled=False --log-level=50
--IPKernelApp.extra_extensions=labrun.runner.kernel_setup""".split()


class PrivateKernelManager(AsyncKernelManager):
    """Starts `sys.executable -m ipykernel_launcher`, whatever kernel specifications are installed or not."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, *_COMMAND]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", metadata={"debugger": False})

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


def socket_folder() -> Path:
    """Return a folder where Unix sockets can be bound: their path has at most 107 bytes, and some network
    file systems refuse them. Relative to the working directory where the absolute path would be too long."""
    home = cache_dir() / "kernels"
    for folder in (home, Path(os.path.relpath(home))):
        probe = folder / f"s-{secrets.token_hex(4)}"
        with suppress(OSError), socket.socket(socket.AF_UNIX) as attempt:
            if len(os.fsencode(str(folder))) <= 80:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                attempt.bind(str(probe))
                probe.unlink()
                if is_own(folder):
                    return folder
    return Path(tempfile.mkdtemp(prefix=_TEMPORARY))
