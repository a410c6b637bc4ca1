"""What a process and all its descendants use.

Read from /proc and not with psutil, which looks at every process of the machine to find one's children, and at
every mapping to tell private memory: ten to a hundred times slower, and a worker is looked at every 30 ms.
"""

import contextlib
import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return pid and all its living descendants."""
    found, at = [pid], 0
    while at < len(found) and len(found) < 2000:
        try:
            tasks = os.listdir(f"/proc/{found[at]}/task") if at == 0 else [str(found[at])]
            for task in tasks[:64]:
                found += [int(w) for w in Path(f"/proc/{found[at]}/task/{task}/children").read_text().split()]
        except OSError:
            pass
        at += 1
    return found


def private_memory(pid: int) -> int:
    """Return the bytes of a process that are its own or shared memory, not files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "RssShmem")))


def usage(pid: int) -> tuple[float, int, int, float]:
    """Return processor seconds, bytes of private memory, the number of processes, and the seconds in which they
    waited for a processor (0 where the kernel does not say), of a whole family.
    """
    seconds, memory, count, waited = 0.0, 0, 0, 0.0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            waited += int(Path(f"/proc/{one}/schedstat").read_text().split()[1]) / 1e9
        seconds += sum(int(n) for n in fields[11:15]) / TICK
        memory += private_memory(one)
        count += 1
    return seconds, memory, count, waited


def owned_by(users: range) -> list[int]:
    """Return the processes of these users: what a submission has left behind, where workers have users."""
    import psutil  # not in Gradescope's image, where nobody asks this

    return [one.pid for one in psutil.process_iter(["uids"]) if one.info["uids"] and one.info["uids"].real in users]
