"""What a worker may not do, tried from inside one."""

import os
import re
import textwrap
import time
from pathlib import Path

import pytest

from autograder.engine import processes
from autograder.engine.confined import kernel
from autograder.engine.fork_server import claim_users
from autograder.engine.worker import Limits, WorkerEnded

ROOMY = Limits(cpu_s=10, wall_s=30, memory_mb=512, disk_mb=16)  # what is tried ends for another reason


def test_who_rests_is_stopped_long_before_who_computes(server):
    patient = Limits(cpu_s=20, wall_s=40, idle_s=0.8)
    for body, stopped in (("time.sleep(30)", True), ("while time.process_time() < 1.2: pass", False)):
        worker, start = server.start(patient), time.monotonic()
        source = f"""
            import time
            def f():
                {body}
                return 1
        """
        if stopped:
            with pytest.raises(WorkerEnded, match=r"did nothing for 0\.8 s"):
                inside(worker, source)
            assert time.monotonic() - start < 10
        else:
            assert inside(worker, source)["value"] == 1
        worker.stop()


def test_prints_without_end_are_stopped_and_many_prints_are_not(server):
    for megabytes, stopped in ((1000, True), (16, False)):
        worker = server.start(Limits(cpu_s=20, wall_s=40))
        source = f"""
            def f():
                for _ in range({megabytes}):
                    print("x" * 2**20)
                return 1
        """
        if stopped:
            with pytest.raises(WorkerEnded, match="printed more than 32 MB"):
                inside(worker, source)
        else:
            assert inside(worker, source)["value"] == 1
        worker.stop()


@pytest.fixture
def worker(server):
    one = server.start(ROOMY)
    yield one
    one.stop()


def inside(worker, source: str):
    """Run `def f()` in the worker and return its answer."""
    worker.ask({"do": "define", "source": textwrap.dedent(source)})
    answer, _ = worker.ask(
        {"do": "call", "function": ["prop", "f"], "path": [], "args": [], "kwargs": {}, "seed": 0, "keep": False}
    )
    return answer


def refused(worker) -> list:
    return worker.ask({"do": "hello"})[0]["value"]["dict"][0][1]["list"]


def needs(worker, *what: str) -> None:
    missing = [one for one in refused(worker) if one.startswith(what)]
    if missing:
        pytest.skip(f"this kernel refuses {missing}")


def test_course_home_and_hidden_checks_do_not_exist_in_there(worker):
    needs(worker, "an own file system")
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    answer = inside(
        worker,
        f"""
        import os
        def f():
            top, ours = {here!r}, ("autograder", "labkit", "tests")
            found = [os.path.join(d, n) for d, _, names in os.walk(top) for n in names if ".venv" not in d]
            return [found[:5], [os.path.exists(top + "/" + name) for name in ours]]
    """,
    )
    assert answer["value"] == {"list": [{"list": []}, {"list": [False, False, False]}]}


@pytest.mark.parametrize("module", ["labkit", "autograder.reference.lab03_simclr", "autograder.grading", "tests"])
def test_nothing_of_the_course_can_be_imported(worker, module):
    answer = inside(worker, f"def f():\n    import {module}\n    return 1")
    assert answer["error"]["type"] == "ModuleNotFoundError"


def test_there_is_no_network(worker):
    needs(worker, "no network")
    answer = inside(
        worker,
        """
        import socket
        def f():
            socket.create_connection(("1.1.1.1", 53), timeout=1)
    """,
    )
    assert answer["error"]["type"] == "OSError"


def test_the_worker_is_nobody_and_cannot_become_more(worker):
    needs(worker, "another user", "no capabilities", "a filter")
    answer = inside(
        worker,
        """
        import os, ctypes
        def f():
            libc = ctypes.CDLL(None)
            return [libc.setuid(0), libc.unshare(0x10000000), libc.mount(b"x", b"/tmp", b"tmpfs", 0, None),
                    libc.ptrace(0, 0, 0, 0), libc.syscall(319, b"x", 0)]
    """,
    )
    number = answer["value"]["list"]
    assert number[1:] == [-1, -1, -1, -1] and (number[0] == -1 or os.getuid() != 0)


def test_the_environment_holds_nothing_of_ours(worker, monkeypatch):
    answer = inside(worker, "import os\ndef f():\n    return ' '.join(os.environ)")
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "LABKIT_DATA"} & set(answer["value"].split())


def test_a_daemon_dies_with_the_worker(server):
    one = server.start(ROOMY)
    inside(
        one,
        """
        import os, time
        def f():
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.closerange(0, 256)
                    time.sleep(600)
                os._exit(0)
            time.sleep(0.2)
    """,
    )
    pids = processes.family(one.pid)
    assert len(pids) >= 2
    one.stop()
    time.sleep(0.1)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("while True: pass", "within 1 s of computing"),
        ("import time; time.sleep(60)", "3 s in all"),
        ("import os; os._exit(0)", "ended its own process"),
        ("import os; os.closerange(0, 4096)", "ended its own process"),
        ("import ctypes; ctypes.string_at(0)", "signal 11"),
        ("import os; os.write(201, b'garbage' * 99)", "wrote into the grader's pipe"),
    ],
)
def test_a_worker_that_misbehaves_ends_with_one_sentence(server, body, reason):
    worker, start = server.start(Limits(cpu_s=1, wall_s=3)), time.monotonic()
    with pytest.raises(WorkerEnded, match=reason):
        inside(worker, f"def f():\n    {body}")
    assert time.monotonic() - start < 8
    with pytest.raises(WorkerEnded):
        worker.ask({"do": "hello"})


def test_memory_is_limited_at_once_and_in_shared_pieces(worker):
    assert inside(worker, "def f():\n    return len(bytearray(3 << 30))")["error"]["type"] == "MemoryError"
    with pytest.raises(WorkerEnded, match="more than 512 MB"):
        inside(
            worker,
            """
            import mmap, time
            def f():
                kept = [mmap.mmap(-1, 1 << 28) for _ in range(4)]
                for one in kept:
                    one.write(bytes(1 << 28))
                time.sleep(3)
        """,
        )


def test_the_disk_is_limited(worker):
    answer = inside(
        worker,
        """
        def f():
            with open("big", "wb") as file:
                for _ in range(100):
                    file.write(bytes(1 << 20))
    """,
    )
    assert answer["error"]["type"] == "OSError"


def test_processes_are_limited(worker):
    answer = inside(
        worker,
        """
        import os, time
        def f():
            made = 0
            while made < 500:
                if os.fork() == 0:
                    time.sleep(30)
                made += 1
    """,
    )
    assert answer["error"]["type"] == "BlockingIOError"


def test_prints_cost_nothing_and_are_kept_in_part(worker):
    assert inside(worker, "def f():\n    print('x' * 3_000_000)\n    return 7")["value"] == 7
    assert 0 < len(worker.printed) <= 4000


def test_any_exception_is_an_answer(worker):
    for what in ("SystemExit(0)", "KeyboardInterrupt()", "BaseException('x')", "GeneratorExit()"):
        assert "error" in inside(worker, f"def f():\n    raise {what}")
    assert inside(worker, "def f():\n    return 1")["value"] == 1


@pytest.mark.parametrize(
    ("machine", "header", "prefix"),
    [(0, "x86_64-linux-gnu/asm/unistd_64.h", r"__NR_"), (1, "asm-generic/unistd.h", r"__NR(?:3264)?_")],
)
def test_each_refused_call_has_the_number_of_the_systems_headers(machine, header, prefix):
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"there is no {path}")
    known = {name: int(number) for name, number in re.findall(rf"#define {prefix}(\w+)\s+(\d+)", path.read_text())}
    for name, numbers in (kernel.REFUSED | kernel.OTHER_CALLS).items():
        assert known.get(name, numbers[machine]) == numbers[machine], name
    assert len(known) > 200


def test_two_graders_share_no_user():
    (one, first), (two, second) = claim_users(), claim_users()
    assert not set(first) & set(second)
    one.close()
    again, third = claim_users()
    assert third == first
    again.close()
    two.close()
