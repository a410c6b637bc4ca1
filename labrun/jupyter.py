"""JupyterLab on a compute node (`python -m labrun.jupyter FOLDER`), reachable only through ssh and with a token."""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from labkit.run_folder import (
    LabError,
    atomic_write,
    make_folder,
    private_environment,
    read_json,
    repo_root,
    runs_dir,
    to_json,
    unknown_name,
)
from labrun.environment import clean_environment, is_own
from labrun.spec import NAME, NAME_RULE

FOLDER = ".jupyter"  # in the folder of the runs: one folder per server
START_S = 90.0  # how long a server may take to answer
IDLE_S = 3600  # a server that nobody uses for so long ends, and so does its job


def new_folder(name: str | None = None) -> Path:
    """Return the folder for a new server, not made yet. Raises LabError for a name that is taken."""
    if name and not NAME.fullmatch(name):
        raise LabError(f"--name {name!r} should {NAME_RULE}.")
    folder = runs_dir() / FOLDER / (name or f"lab-{secrets.token_hex(2)}")
    if folder.exists():
        raise LabError(
            f"There is a JupyterLab called {name!r} already: labkit jupyter stop {name}, or choose another --name."
        )
    return folder


def create(name: str | None = None) -> Path:
    """Make the private folder of a new server, with its token. Raises LabError for a name that is taken."""
    folder = new_folder(name)
    make_folder(folder.parent)
    folder.mkdir(mode=0o700)
    with open(os.open(folder / "token", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    return folder


def serve(folder: Path, *, idle_s: float = IDLE_S) -> int:
    """Start JupyterLab for `folder` on this machine, record its port once that is bound, and wait until it ends."""
    folder = folder.resolve()
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    token = (folder / "token").read_text()
    config = atomic_write(folder / "config.json", to_json({"IdentityProvider": {"token": token}}))  # over a user's own
    inherited = {name: value for name, value in clean_environment().items() if not name.startswith("JUPYTER_")}
    environment = inherited | private_environment() | {"JUPYTER_RUNTIME_DIR": str(runtime)}
    with open(folder / "server.log", "ab") as log:
        words, nothing = [*command(idle_s), f"--config={config}"], subprocess.DEVNULL
        server = subprocess.Popen(words, cwd=repo_root(), env=environment, stdout=log, stderr=log, stdin=nothing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda *_: server.terminate())
    try:
        deadline, port = time.monotonic() + START_S, None
        while not port or answers(port, token) != 200:
            if server.poll() is not None or time.monotonic() > deadline:
                code = server.returncode
                why = f"does not answer after {START_S:g} s" if code is None else f"ended with exit code {code}"
                raise LabError(f"JupyterLab did not start: it {why}; see {folder / 'server.log'}.")
            time.sleep(0.2)
            port = read_json(runtime / f"jpserver-{server.pid}.json").get("port")
        place = {"host": socket.gethostname(), "port": port, "pid": server.pid}
        atomic_write(folder / "server.json", to_json(place))
        server.wait()
    finally:
        server.terminate()
        (folder / "server.json").unlink(missing_ok=True)
    return server.returncode


def command(idle_s: float) -> list[str]:
    """Return the command that starts JupyterLab: loopback only, any free port, ends when nobody uses it."""
    with socket.socket() as probe:  # a port that is free now; the server tries others where it is taken meanwhile
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.base_url": "/",
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": str(repo_root()),
        "ServerApp.shutdown_no_activity_timeout": int(idle_s),
        "MappingKernelManager.cull_idle_timeout": int(idle_s),
        "MappingKernelManager.cull_interval": 60,
        "ServerApp.allow_remote_access": False,
    }
    root = ["--allow-root"] if os.geteuid() == 0 else []
    return [sys.executable, "-m", "jupyterlab", *root, *(f"--{key}={value}" for key, value in settings.items())]


def answers(port: int, token: str | None, host: str = "127.0.0.1") -> int:
    """Return the HTTP status of /api/status on this machine (0: nobody listens)."""
    headers = {"Authorization": f"token {token}"} if token else {}
    connection = http.client.HTTPConnection(host, port, timeout=3)  # never through a proxy
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/api/status", headers=headers)
        return connection.getresponse().status
    return 0


def servers() -> list[Path]:
    """Return the folders of all servers that were not stopped."""
    return sorted(path for path in (runs_dir() / FOLDER).glob("*") if is_own(path) and (path / "token").is_file())


def find(name: str | None) -> Path:
    """Return the folder of a server; without a name, of the only one. Raises LabError."""
    known = {path.name: path for path in servers()}
    if not known:
        raise LabError("No JupyterLab was started yet: labkit jupyter start --site SITE.")
    if name is None and len(known) > 1:
        raise LabError(f"There are several, name one: {', '.join(known)}.")
    if name is not None and name not in known:
        raise unknown_name("JupyterLab", name, known)
    return known[name] if name else next(iter(known.values()))


def observe(folder: Path) -> dict[str, Any]:
    """Return name, state (waiting, starting, ready, ended), node, port, time left, message of a server."""
    from labrun.slurm import squeue as queue

    place, jobs = read_json(folder / "server.json"), queue.view()
    job = queue.find(jobs or {}, read_json(folder / queue.JOB_RECORD))
    seen = {"name": folder.name, "port": place.get("port"), "host": place.get("host"), "node": "", "message": ""}
    seen |= {"time_left": job.time_left if job else ""}
    if jobs is None:
        return seen | {"state": "ready" if place else "unknown", "message": "Slurm does not answer."}
    if job is None or not queue.is_open(job):
        log = folder / "server.log"
        lines = log.read_text().strip().splitlines() if log.is_file() else []
        return seen | {"state": "ended", "message": lines[-1] if lines else "Its job has ended."}
    if job.state == "PENDING":
        return seen | {"state": "waiting", "message": queue.reason(job)}
    return seen | {"state": "ready" if place else "starting", "node": job.nodes}


def wait_until_ready(folder: Path, *, patience_s: float) -> dict[str, Any]:
    """Return what `observe` returns once the server is ready; LabError where it ends or takes too long."""
    from labrun.slurm import squeue as queue

    deadline, name = time.monotonic() + patience_s, folder.name
    while (seen := observe(folder))["state"] != "ready":
        if seen["state"] == "ended":
            raise LabError(f"The JupyterLab {name} did not start: {seen['message']} (log: {folder / 'server.log'}).")
        if time.monotonic() > deadline:
            raise LabError(
                f"{name} is not ready after {patience_s:g} s ({seen['message'] or 'starting'}). It goes on; check "
                f"again with: labkit jupyter connect {name}"
            )
        time.sleep(0.5)
        queue.forget()
    return seen


def directions(seen: dict[str, Any], folder: Path, *, login: str | None = None) -> list[str]:
    """Return the lines that explain to a person how to reach a server that is ready."""
    user, port = os.environ.get("USER") or str(os.getuid()), seen["port"]
    left = f" ({seen['time_left']} left)" if seen["time_left"] else ""
    if seen["host"] == socket.gethostname():
        lines = [f"JupyterLab {seen['name']} runs on this machine{left}. Open:", f"  http://127.0.0.1:{port}/lab"]
    else:
        login = login or socket.getfqdn()
        lines = [
            f"JupyterLab {seen['name']} runs on {seen['host']}{left}. On your own computer type:",
            f"  ssh -N -L 8888:127.0.0.1:{port} -J {user}@{login} {user}@{seen['host']}",
            "and open:",
            "  http://127.0.0.1:8888/lab",
        ]
    return [
        *lines,
        f"The token, which only you can read: cat {folder / 'token'}",
        f"When you are done: labkit jupyter stop {seen['name']}",
    ]


def main() -> int:
    """Serve the folder named on the command line; a new one where none is named."""
    try:
        return serve(Path(sys.argv[1]) if len(sys.argv) > 1 else create())
    except LabError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
