"""JupyterLab on a compute node: started as a job, reachable only through ssh and with a token.

    python -m labrun.jupyter FOLDER

serves on the node: the port is chosen there and told once it is bound, on the loopback alone; the token comes
from a file that only its owner can read, through the environment, never through arguments or logs.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from labkit.run_folder import (
    LabError,
    atomic_write,
    make_folder,
    private_environment,
    repo_root,
    runs_dir,
    to_json,
    unknown_name,
)

FOLDER = ".jupyter"  # in the folder of the runs: one folder per server
START_S = 90.0  # how long a server may take to answer
IDLE_S = 3600  # a server that nobody uses for so long ends, and so does its job


def create(name: str | None = None) -> Path:
    """Make the private folder of a new server, with its token. Raises LabError for a name that is taken."""
    name = name or f"lab-{secrets.token_hex(2)}"
    folder = runs_dir() / FOLDER / name
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise LabError(
            f"There is a JupyterLab called {name!r} already: labkit jupyter stop {name}, or choose another --name."
        ) from None
    with open(os.open(folder / "token", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    return folder


def serve(folder: Path, *, idle_s: float = IDLE_S) -> int:
    """Start JupyterLab for `folder` on this machine, report where it is, and wait until it ends."""
    folder = folder.resolve()
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    environment = (
        os.environ
        | private_environment()
        | {"JUPYTER_TOKEN": (folder / "token").read_text(), "JUPYTER_RUNTIME_DIR": str(runtime)}
    )
    with open(folder / "server.log", "ab") as log:
        server = subprocess.Popen(
            command(idle_s), cwd=repo_root(), env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda *_: server.terminate())
    try:
        port = _bound(server, runtime, folder)
        place = {
            "host": socket.gethostname(),
            "node": os.environ.get("SLURMD_NODENAME"),
            "port": port,
            "pid": server.pid,
            "started": round(time.time(), 3),
        }
        atomic_write(folder / "server.json", to_json(place))
        server.wait()
    finally:
        server.terminate()
        (folder / "server.json").unlink(missing_ok=True)
    return server.returncode


def command(idle_s: float) -> list[str]:
    """Return the words that start JupyterLab: loopback only, any free port, ends when nobody uses it."""
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": _free_port(),
        "ServerApp.port_retries": 50,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": str(repo_root()),
        "ServerApp.shutdown_no_activity_timeout": int(idle_s),
        "MappingKernelManager.cull_idle_timeout": int(idle_s),
        "MappingKernelManager.cull_interval": 60,
        "ServerApp.allow_remote_access": False,
    }
    root = ["--allow-root"] if os.geteuid() == 0 else []
    options = [f"--{key}={value}" for key, value in settings.items()]
    return [sys.executable, "-m", "jupyterlab", *root, *options]


def answers(port: int, token: str | None, host: str = "127.0.0.1") -> int:
    """Return the HTTP status of /api/status on this machine (0: nobody listens)."""
    request = urllib.request.Request(f"http://{host}:{port}/api/status")
    if token:
        request.add_header("Authorization", f"token {token}")
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def servers() -> list[Path]:
    """Return the folders of all servers that were not stopped."""
    return sorted(path for path in (runs_dir() / FOLDER).glob("*") if (path / "token").is_file())


def find(name: str | None) -> Path:
    """Return the folder of a server; without a name, of the only one. Raises LabError."""
    there = {path.name: path for path in servers()}
    if name is None and len(there) == 1:
        return next(iter(there.values()))
    if not there:
        raise LabError("No JupyterLab was started yet: labkit jupyter start --site SITE.")
    if name is None:
        raise LabError(f"Which one? {', '.join(there)}.")
    if name not in there:
        raise unknown_name("JupyterLab", name, there)
    return there[name]


def observe(folder: Path) -> dict:
    """Return name, state (waiting, starting, ready, ended), node, port, time left, message of a server."""
    from labrun.slurm import squeue as queue

    place, jobs = _read(folder / "server.json"), queue.view()
    job = queue.find(jobs or {}, _read(folder / queue.JOB_RECORD))
    seen = {
        "name": folder.name,
        "state": "starting",
        "node": "",
        "port": place.get("port"),
        "host": place.get("host"),
        "time_left": job.time_left if job else "",
        "message": "",
    }
    if jobs is None:
        return seen | {"state": "ready" if place else "unknown", "message": "Slurm does not answer."}
    if job is None or not queue.is_open(job):
        return seen | {"state": "ended", "message": _last_words(folder)}
    if job.state == "PENDING":
        return seen | {"state": "waiting", "message": queue.reason(job)}
    return seen | {"state": "ready" if place else "starting", "node": job.nodes}


def wait_until_ready(folder: Path, *, patience_s: float) -> dict:
    """Return what `observe` sees once the server is ready; LabError where it ends or takes too long."""
    from labrun.slurm import squeue as queue

    deadline = time.monotonic() + patience_s
    while (seen := observe(folder))["state"] != "ready":
        if seen["state"] == "ended":
            raise LabError(
                f"The JupyterLab {folder.name} did not start: {seen['message']} (log: {folder / 'server.log'})."
            )
        if time.monotonic() > deadline:
            why = seen["message"] or "starting"
            raise LabError(
                f"{folder.name} is not ready after {patience_s:g} s ({why}). It goes on; look "
                f"again with: labkit jupyter connect {folder.name}"
            )
        time.sleep(0.5)
        queue.forget()
    return seen


def directions(seen: dict, folder: Path, *, login: str | None = None) -> list[str]:
    """Return the lines that tell a person how to reach a server that is ready."""
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
        f"It asks for the token, which only you can read: cat {folder / 'token'}",
        f"When you are done: labkit jupyter stop {seen['name']}",
    ]


def forget(folder: Path) -> None:
    """Delete a server's folder, token and all."""
    shutil.rmtree(folder, ignore_errors=True)


def _bound(server: subprocess.Popen, runtime: Path, folder: Path) -> int:
    """Return the port once the server answers on it. Raises LabError where it ends before."""
    token, deadline = (folder / "token").read_text(), time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        port = _read(runtime / f"jpserver-{server.pid}.json").get("port")
        if port and answers(port, token) == 200:
            return port
        time.sleep(0.2)
    why = (
        f"it ended with exit code {server.returncode}"
        if server.poll() is not None
        else f"it does not answer after {START_S:g} s"
    )
    raise LabError(f"JupyterLab did not start: {why}; see {folder / 'server.log'}.")


def _free_port() -> int:
    """Return a port that is free now; the server tries others where somebody takes it in between."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / "server.log").read_text().strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "Its job has ended."


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def main() -> int:
    """Serve the folder named on the command line; a new one where none is named."""
    try:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else create()
        return serve(folder)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
