"""What confines a submission: an own root folder, own processes, no network, no privilege, hard limits.

Each step that the kernel refuses is left out and named, so that the report can say what was in force.
"""

import contextlib
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

from autograder.worker import kernel

SCRATCH = "/scratch"
SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt"]
OTHERS = kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNS
DEVICES = ["null", "zero", "full", "random", "urandom"]


def enter_root(root: str, python_folders: list[str], hidden: list[str]) -> list[str]:
    """Move this process under `root`, which will hold the system and Python alone; return what was refused.

    Course, home folders, hidden checks and other submissions do not exist there; `hidden` names folders to
    cover where they lie inside what is shown. Needs root, or a kernel that lets everyone make user
    namespaces.
    """
    try:
        _own_namespaces()
    except OSError as error:
        return [f"an own file system ({error})"]
    try:
        _build_and_enter(root, python_folders, hidden)
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


def _build_and_enter(root: str, python_folders: list[str], hidden: list[str]) -> None:
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, "size=8m,mode=755")
    for folder in SYSTEM:
        _show(folder, root)
    _cover(hidden, root)
    for folder in sorted(python_folders, key=len):
        _show(folder, root)
    _cover([f for f in hidden if not any(p.startswith(f + "/") for p in python_folders)], root)
    for folder in ("proc", "dev", "scratch", "tmp", "dev/shm"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
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


def _show(folder: str, root: str) -> None:
    """Make `folder` readable at the same place under `root`."""
    target = root + folder
    if os.path.islink(folder):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(os.readlink(folder), target)
    elif os.path.isdir(folder) and not os.path.isdir(target):
        os.makedirs(target)
        kernel.mount(folder, target, None, kernel.MS_BIND | kernel.MS_REC)
        flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
        kernel.mount("none", target, None, flags)


def _cover(folders: list[str], root: str) -> None:
    for folder in folders:
        if os.path.isdir(root + folder) and os.listdir(root + folder):
            kernel.mount("tmpfs", root + folder, "tmpfs", kernel.MS_NOSUID, "size=1m,mode=755")


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


def own_scratch(uid: int, megabytes: int) -> str:
    """Return an empty folder of this submission alone, a small memory disk. Only within the jail."""
    owner = f"uid={uid},gid={uid}" if os.getuid() == 0 and uid else ""
    options = ",".join(filter(None, [f"size={megabytes}m,mode=700,nr_inodes=20000", owner]))
    for place in (SCRATCH, "/tmp", "/dev/shm"):
        kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
    with contextlib.suppress(OSError):
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID)
    return SCRATCH


def plain_scratch(uid: int) -> str:
    """Return an empty folder on the disk, where there is no jail. Who asked removes it."""
    folder = tempfile.mkdtemp(prefix="autograder-scratch-")
    if os.getuid() == 0 and uid:
        os.chown(folder, uid, uid)
    return folder


def limit(limits: dict) -> None:
    """Set the limits that the kernel keeps: processor time, file size, processes, open files, private
    memory.
    """
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
        ("another user", lambda: _become(uid)),
        ("no capabilities", kernel.drop_capabilities),
        ("no new privileges", lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS)),
        ("a filter of system calls", kernel.filter_calls),
    ):
        try:
            step()
        except (OSError, KeyError) as error:
            refused.append(f"{what} ({error})")
    return refused


def _become(uid: int) -> None:
    if os.getuid() == 0 and uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def python_folders() -> list[str]:
    """Return where this Python and its packages lie."""
    candidates = {sys.prefix, sys.base_prefix, *(p for p in sys.path if "packages" in p)}
    return [folder for folder in candidates if folder not in ("/usr", "/") and os.path.isdir(folder)]
