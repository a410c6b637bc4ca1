"""The system calls that Python has no name for: namespaces, mounts, capabilities, the filter of calls."""

import ctypes
import fcntl
import os
import platform
import socket
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER, PR_SET_SECCOMP = (1, 24, 38, 36, 22)

libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]

NUMBERS = {  # what no submission needs and a few attacks do
    "x86_64": (
        0xC000003E,
        56,
        435,
        [
            101,
            165,
            166,
            155,
            161,
            272,
            308,
            250,
            248,
            249,
            321,
            298,
            323,
            319,
            29,
            64,
            68,
            240,
            425,
            310,
            311,
            246,
            175,
            313,
            447,
            428,
            429,
            430,
            432,
            303,
            304,
        ],
    ),
    "aarch64": (
        0xC00000B7,
        220,
        435,
        [
            117,
            40,
            39,
            41,
            51,
            97,
            268,
            219,
            217,
            218,
            280,
            241,
            282,
            279,
            194,
            190,
            186,
            180,
            425,
            270,
            271,
            104,
            105,
            273,
            447,
            428,
            429,
            430,
            432,
            264,
            265,
        ],
    ),
}
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
CAPSET = {"x86_64": 126, "aarch64": 91}


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
    number = PIVOT_ROOT[platform.machine()]
    if libc.syscall(number, b".", b".") != 0:
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
    if libc.syscall(CAPSET[platform.machine()], header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset was refused")


def filter_calls() -> None:
    """Refuse (EPERM) the calls of NUMBERS from here on, in every child; clone3 becomes ENOSYS, so clone is
    used.
    """
    arch, clone, clone3, refused = NUMBERS[platform.machine()]
    load, equal, at_least, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, no, absent = 0x7FFF0000, 0x00050001, 0x00050026
    program = [
        (load, 0, 0, 4),
        (equal, 1, 0, arch),
        (give, 0, 0, no),
        (load, 0, 0, 0),
        (at_least, 0, 1, 0x40000000),
        (give, 0, 0, no),
        (equal, 0, 1, clone3),
        (give, 0, 0, absent),
        (equal, 0, 4, clone),
        (load, 0, 0, 16),
        (bits, 0, 1, CLONE_NEWUSER),
        (give, 0, 0, no),
        (give, 0, 0, allow),
    ]
    for number in refused:
        program += [(equal, 0, 1, number), (give, 0, 0, no)]
    program.append((give, 0, 0, allow))
    raw = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]

    whole = Program(len(program), ctypes.addressof(raw))
    call("prctl", PR_SET_SECCOMP, 2, ctypes.byref(whole), 0, 0)
