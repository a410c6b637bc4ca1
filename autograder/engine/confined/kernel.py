"""The system calls that Python has no name for: namespaces, mounts, capabilities, the filter of calls."""

import ctypes
import fcntl
import os
import platform
import socket
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER, PR_SET_SECCOMP = (1, 24, 38, 36, 22)

libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]

MACHINES = ("x86_64", "aarch64")
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
REFUSED = {  # what no submission needs and a few attacks do -> its number on each of MACHINES
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "finit_module": (313, 273),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
OTHER_CALLS = {"clone": (56, 220), "clone3": (435, 435), "capset": (126, 91)}


def number(name: str) -> int:
    """Return a system call's number on this machine. Raises KeyError for a machine that is not in MACHINES."""
    if platform.machine() not in MACHINES:
        raise KeyError(platform.machine())
    return (REFUSED | OTHER_CALLS)[name][MACHINES.index(platform.machine())]


def call(name: str, *arguments) -> None:
    """Call a function of libc. Raises OSError where it refuses."""
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    call("unshare", ctypes.c_int(flags))


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    text = lambda s: None if s is None else os.fsencode(s)  # noqa: E731
    call("mount", text(source), text(target), text(kind), flags, text(data))


def pivot_into(root: str) -> None:
    """Make `root` the root folder of this mount namespace and forget the old one."""
    os.chdir(root)
    if libc.syscall(number("pivot_root"), b".", b".") != 0:
        raise OSError(ctypes.get_errno(), "pivot_root was refused")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def raise_loopback() -> None:
    """Bring up `lo`, which a new network namespace has but switched off. Raises OSError."""
    get, put, up = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, get, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack("16sH22x", answer)[1]
        if not flags & up:
            fcntl.ioctl(any_socket, put, struct.pack("16sH22x", b"lo", flags | up))


def prctl(option: int, value=1) -> None:
    call("prctl", option, value, 0, 0, 0)


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, nothing = struct.pack("<Ii", 0x20080522, 0), bytes(24)
    if libc.syscall(number("capset"), header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset was refused")


def filter_calls() -> None:
    """Refuse (EPERM) the calls of REFUSED from here on, in every child, and clone with a new user namespace.

    clone3, whose flags a filter cannot read, becomes ENOSYS: libc takes clone instead.
    """
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, eperm, enosys = 0x7FFF0000, 0x00050001, 0x00050026
    program = [  # (operation, lines to skip if true, lines to skip if false, value)
        (load, 0, 0, 4),  # the architecture: another one has other numbers
        (equal, 1, 0, AUDIT_ARCH[platform.machine()]),
        (give, 0, 0, eperm),
        (load, 0, 0, 0),  # the call's number
        (at_least, 0, 1, 0x40000000),  # x32 calls
        (give, 0, 0, eperm),
        (equal, 0, 1, number("clone3")),
        (give, 0, 0, enosys),
        (equal, 0, 4, number("clone")),
        (load, 0, 0, 16),  # its first argument, the flags
        (any_bit, 0, 1, CLONE_NEWUSER),
        (give, 0, 0, eperm),
        (give, 0, 0, allow),
    ]
    for name in REFUSED:
        program += [(equal, 0, 1, number(name)), (give, 0, 0, eperm)]
    program.append((give, 0, 0, allow))
    raw = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]

    whole = Program(len(program), ctypes.addressof(raw))
    call("prctl", PR_SET_SECCOMP, 2, ctypes.byref(whole), 0, 0)
