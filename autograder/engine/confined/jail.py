"""What confines a submission: an own root folder, own processes, no network, no privilege, hard limits.

Each step that the kernel refuses is left out and named, so that the report can say what was in force.
"""

import contextlib
import os
import resource
import signal
import tempfile
from pathlib import Path

from autograder.engine.confined import kernel
from autograder.engine.confined.environment import SYSTEM, inside

OTHERS = kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNS
DEVICES = ["null", "zero", "full", "random", "urandom"]
SCRATCH, SPARE_SCRATCH = "/scratch", "/scratch_of_worker"  # the second where packages lie below the first


def enter_root(root: str, visible: list[str], hidden: list[str]) -> list[str]:
    """Move this process under `root`, which will hold the system and Python alone; return what was refused.

    Course, home folders, hidden checks and other submissions do not exist there: `visible` is all that is
    shown, read-only, and `hidden` names folders to cover where they lie inside of that. Needs root, or a
    kernel that lets everyone make user namespaces.
    """
    try:
        _own_namespaces()
        _build_and_enter(root, visible, hidden)
    except OSError as error:
        return [f"an own file system ({error})"]
    return []


def _own_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWNS | (kernel.CLONE_NEWUSER if uid else 0))
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)


def _build_and_enter(root: str, visible: list[str], hidden: list[str]) -> None:
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, "size=8m,mode=755")
    links, shown = {}, set()
    for path in [*SYSTEM, *visible]:
        if os.path.exists(path):
            passed, real = trace(path)
            links |= passed
            shown.add(real)
    _show_and_cover(shown - set(hidden), set(hidden), root)
    for folder in ("proc", "dev/shm", "tmp", scratch_for(shown).strip("/")):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    _link(links, root)
    for name in DEVICES:
        Path(f"{root}/dev/{name}").touch()
        kernel.mount(f"/dev/{name}", f"{root}/dev/{name}", None, kernel.MS_BIND)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        os.symlink(f"/proc/self/fd/{number}", f"{root}/dev/{name}")
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    kernel.mount("/proc", f"{root}/proc", None, kernel.MS_BIND | kernel.MS_REC)
    kernel.pivot_into(root)
    with contextlib.suppress(OSError):
        kernel.mount("none", "/", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)


def trace(path: str) -> tuple[dict[str, str], str]:
    """Return the links on the way to a path, each with its target, and the real path."""
    links, at, waiting = {}, "", path.split("/")
    while waiting:
        name = waiting.pop(0)
        step = os.path.dirname(at) if name == ".." else f"{at}/{name}"
        if name in ("", "."):
            continue
        if name != ".." and os.path.islink(step):
            links[step] = os.readlink(step)
            at = "" if links[step].startswith("/") else at
            waiting[:0] = links[step].split("/")
        else:
            at = step.rstrip("/")
    return links, at or "/"


def _show_and_cover(shown: set[str], hidden: set[str], root: str) -> None:
    """Mount what is shown and cover what is hidden, outer folders first, so that the innermost word counts."""
    state = {}
    for path in sorted(shown | hidden, key=len):
        outer = max((one for one in state if inside(path, [one])), key=len, default="")
        state[path] = path in shown
        if state[path] and not state.get(outer, False):
            _show(path, root + path)
        elif not state[path] and state.get(outer, False) and os.path.isdir(root + path):
            kernel.mount("tmpfs", root + path, "tmpfs", kernel.MS_NOSUID, "size=1m,mode=755")


def _show(source: str, target: str) -> None:
    """Make a folder or file readable, and no more, at another place."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    kept = os.statvfs(target).f_flag & (kernel.MS_NODEV | kernel.MS_NOEXEC)  # a plain user may not drop these
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
    kernel.mount("none", target, None, flags | kept)


def _link(links: dict[str, str], root: str) -> None:
    for link, target in links.items():
        if not os.path.lexists(root + link):
            os.makedirs(os.path.dirname(root + link), exist_ok=True)
            os.symlink(target, root + link)


def own_processes() -> list[str]:
    """Give the next child own process numbers, no network and no shared memory with others.

    A loopback of its own stays: over it the ranks that a check forks in the worker can meet, and nobody else.
    """
    refused = []
    for what, step in (
        ("own process numbers", lambda: kernel.unshare(kernel.CLONE_NEWPID)),
        ("no network", lambda: kernel.unshare(kernel.CLONE_NEWNET)),
        ("own mounts", lambda: kernel.unshare(OTHERS)),
        ("a loopback for ranks", kernel.raise_loopback),
    ):
        try:
            step()
        except OSError as error:
            refused.append(f"{what} ({error})")
    return refused


def scratch_for(visible) -> str:
    """Return the scratch folder's place: one below which no package lies, since all that is there is read."""
    return SPARE_SCRATCH if any(inside(path, [SCRATCH]) for path in visible) else SCRATCH


def own_scratch(uid: int, megabytes: int, visible: list[str]) -> str:
    """Return an empty folder of this submission alone, a small memory disk. Only within the jail.

    /tmp and /dev/shm are such disks as well; packages that lie below them are shown again on top.
    """
    owner = f"uid={uid},gid={uid}" if os.getuid() == 0 and uid else ""
    options = ",".join(filter(None, [f"size={megabytes}m,mode=700,nr_inodes=20000", owner]))
    scratch = scratch_for(visible)
    for place in (scratch, "/tmp", "/dev/shm"):
        links, reals = {}, set()
        for path in visible:
            passed, real = trace(path)
            links |= {link: target for link, target in passed.items() if inside(link, [place])}
            reals |= {real} if inside(real, [place]) else set()
        below = {real: os.open(real, os.O_PATH) for real in sorted(reals)}
        kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
        for real, descriptor in below.items():
            if not os.path.exists(real):  # else it lies in a folder that is shown already
                _show(f"/proc/self/fd/{descriptor}", real)
            os.close(descriptor)
        _link(links, "")
    with contextlib.suppress(OSError):
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID)
    return scratch


def plain_scratch(uid: int) -> str:
    """Return an empty folder on the disk, where there is no jail. Who asked removes it."""
    folder = tempfile.mkdtemp(prefix="autograder-scratch-")
    if os.getuid() == 0 and uid:
        os.chown(folder, uid, uid)
    return folder


def limit(limits: dict) -> None:
    """Set the kernel's limits: processor time, file size, processes, open files, private memory."""
    used = next(
        int(line.split()[1]) << 10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmData")
    )
    for name, value in (
        ("CPU", int(limits["total_cpu_s"]) + 5),
        ("FSIZE", limits["disk_mb"] << 20),
        ("NPROC", limits["processes"]),
        ("NOFILE", 256),
        ("CORE", 0),
        ("DATA", used + (limits["memory_mb"] << 20)),
    ):
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        value = value if hard < 0 else min(value, hard)
        resource.setrlimit(number, (value, value))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def drop_privileges(uid: int) -> list[str]:
    """Become an unprivileged user with no capability, and refuse the calls that only attacks need."""
    refused = []
    for what, step in (
        ("another user", lambda: become(uid)),
        ("no capabilities", kernel.drop_capabilities),
        ("no new privileges", lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS)),
        ("a filter of system calls", kernel.filter_calls),
    ):
        try:
            step()
        except (OSError, KeyError) as error:
            refused.append(f"{what} ({error})")
    return refused


def become(uid: int) -> None:
    if os.getuid() == 0 and uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
