"""The fork server: imports torch once, goes to jail, then forks one confined worker per submission on
request.

Started by autograder.sandbox as `python -s -P server.py SOCKET_FD SETTINGS_JSON`. A request is one JSON
datagram with four descriptors: the worker's input, its output, where prints go, and a life line. The worker
ends when the life line closes, and with it every process it started.
"""

import array
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import types

PACKAGE = os.path.dirname(os.path.abspath(__file__))


def become_a_package() -> None:
    """Let `autograder.engine.confined.*` be importable, and nothing else of the autograder."""
    for name, path in (("autograder", []), ("autograder.engine.confined", [PACKAGE])):
        module = types.ModuleType(name)
        module.__path__ = path
        sys.modules[name] = module
    sys.meta_path[:] = [one for one in sys.meta_path if "Editable" not in getattr(one, "__name__", "")]


def preload(names: list[str]) -> None:
    """Import what submissions import; what is not installed is left out."""
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            loaded = importlib.import_module(module)
            if attribute:
                getattr(loaded, attribute)
        except Exception:
            continue


def receive(control: socket.socket) -> tuple[dict, list[int]] | None:
    """Return one request and its descriptors; None where the grader has left."""
    data, ancillary, _, _ = control.recvmsg(65536, socket.CMSG_SPACE(4 * 4))
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return (json.loads(data), list(descriptors)) if data else None


def supervise(limits: dict, descriptors: list[int], held: dict) -> None:
    """Start the worker in its own namespaces, wait for its end or the life line's, kill all it started."""
    from autograder.engine.confined import jail, kernel

    life = socket.socket(fileno=descriptors[3])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    folder = jail.plain_scratch(limits["uid"]) if held["refused"] else None
    held = held | {"refused": held["refused"] + jail.own_processes()}
    with contextlib.suppress(OSError):
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER)
    worker = os.fork()
    if worker == 0:
        with contextlib.suppress(OSError):
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        confined(limits, descriptors, held, folder)
    for descriptor in descriptors[:3]:
        os.close(descriptor)
    life.sendall(f"pid {worker}\n".encode())
    status = wait(worker, life)
    kill_all(worker)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        life.sendall(f"end {status}\n".encode())
    os._exit(0)


def wait(worker: int, life: socket.socket) -> int:
    """Return the worker's exit status, after killing it where the grader closed the life line."""
    watch = os.pidfd_open(worker)
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    poll.register(life.fileno(), select.POLLIN | select.POLLHUP)
    if all(descriptor != watch for descriptor, _ in poll.poll()):
        signal.pidfd_send_signal(watch, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])


def kill_all(worker: int) -> None:
    """Kill what the worker left behind: its group, and (as their adoptive parent) every orphan."""
    with contextlib.suppress(OSError):
        os.killpg(worker, signal.SIGKILL)
    for _ in range(200):
        for child in children(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def confined(limits: dict, descriptors: list[int], held: dict, folder: str | None) -> None:
    """Give up everything, then serve. Never returns.

    held: what the jail has refused so far, what it shows, and what can be imported outside of it.
    """
    from autograder.engine.confined import jail, kernel, serve

    try:
        os.setsid()
        scratch = folder or jail.own_scratch(limits["uid"], limits["disk_mb"], held["visible"])
        requests, answers, prints = (os.dup2(fd, 200 + i) for i, fd in enumerate(descriptors[:3]))
        nothing = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((nothing, 0), (prints, 1), (prints, 2)):
            os.dup2(source, target)
        os.closerange(3, 200)
        os.closerange(202, 4096)
        os.chdir(scratch)
        os.environ.update(HOME=scratch, TMPDIR=scratch)
        sys.argv[:] = ["submission"]
        jail.limit(limits)
        refused = held["refused"] + jail.drop_privileges(limits["uid"])
        if not os.access(os.__file__, os.R_OK):  # without the jail, a Python in root's home is out of reach
            refused.append("imports that come late (the worker's user cannot read Python's folder)")
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # a new user has cleared it
        serve.forget_ourselves()
        serve.serve(requests, answers, scratch, refused, held["importable"])
    finally:
        os._exit(0)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    gc.disable()  # importing makes hundreds of thousands of objects that stay: a third of the time
    become_a_package()
    sys.path[:] = settings["path"]
    from autograder.engine.confined import environment, jail, kit, serve  # noqa: F401  (before the jail closes)

    root, hidden, visible = os.getuid() == 0, settings["hidden"], []
    runpy.run_path(settings["dynamo"])["postpone"]()
    preload(settings["preload"])
    refused, importable = ["an own file system (switched off)"], environment.importable(hidden)
    if settings["jail"]:
        visible = environment.visible(settings["preload"], hidden)
        refused = jail.enter_root(settings["root"], visible, hidden)
    held = {"refused": refused, "visible": visible, "importable": importable}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # and nothing of it is looked at, or copied, again
    gc.enable()
    control.sendall(json.dumps(visible).encode())
    while (request := receive(control)) is not None:
        limits, descriptors = request
        limits["uid"] = limits["uid"] if root else 0
        if os.fork() == 0:
            control.close()
            try:
                supervise(limits, descriptors, held)
            finally:
                os._exit(1)
        for descriptor in descriptors:
            os.close(descriptor)
    os._exit(0)  # libraries' farewells would only be noise


if __name__ == "__main__":
    main()
