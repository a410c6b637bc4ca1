"""What one part's hang, crash or left-behind state costs: that part, and no other."""

import pytest

from autograder.checking import Lab
from autograder.engine import processes
from autograder.engine.files import Files
from autograder.engine.worker import Clock, Limits, Worker
from autograder.student import Student, StudentFault

LIMITS = Limits(cpu_s=0.8, wall_s=8)
SOURCE = b"""
import time

kept = []

def hang():
    while True:
        pass

def spoil():
    import torch
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    kept.append(1)
    return len(kept)

def learns():
    import torch
    return [torch.ones(2, requires_grad=True).sum().requires_grad, str(torch.ones(1).dtype), len(kept)]

def leave():
    import os
    os._exit(0)

def slow(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds
"""


@pytest.fixture
def asked(monkeypatch):
    """The seconds of computing that each question may take: [(what, cpu_s), ...]."""
    seen, ask = [], Worker.ask

    def noted(worker, header, *arguments, **limits):
        seen.append((header["do"], limits["cpu_s"]))
        return ask(worker, header, *arguments, **limits)

    monkeypatch.setattr(Worker, "ask", noted)
    return seen


@pytest.fixture
def student(server):
    lab = Lab("Patience", ["work.py"], ["hang", "leave", "slow", "spoil", "learns"])
    one = Student(lab, Files({"work.py": SOURCE}), server, LIMITS)
    yield one
    one.close()


def calls(asked):
    return [seconds for what, seconds in asked if what == "call"]


def test_a_name_that_hangs_gets_half_its_time_once_more_and_the_others_go_on(student, asked):
    for told in ("within 0.8 s", "within 0.4 s", "Not run: hang had ended"):
        with pytest.raises(StudentFault, match=told):
            student.begin(0)
            student.hang()
    student.begin(0)
    assert student.slow(0.1) == 0.1
    assert calls(asked) == pytest.approx([0.8, 0.4, 0.8])
    assert {seconds for what, seconds in asked if what == "load"} == {0.8}, "loading is not hurried"


def test_a_name_that_ends_its_process_twice_costs_no_other_name_anything(student, asked):
    for told in ("ended its own process", "ended its own process", "Not run: leave"):
        with pytest.raises(StudentFault, match=told):
            student.begin(0)
            student.leave()
    student.begin(0)
    assert student.slow(0.5) == 0.5 and calls(asked)[-1] == 0.8


def test_what_used_up_the_time_in_all_leaves_each_part_its_share(server):
    limits = Limits(cpu_s=0.8, wall_s=8, total_cpu_s=1.0)
    one = Student(Lab("Patience", ["work.py"], ["slow"]), Files({"work.py": SOURCE}), server, limits)
    with pytest.raises(StudentFault):
        for _ in range(9):
            one.begin(0, "First: part")
            one.slow(0.3)
    one.begin(0, "Second: part")
    assert one.slow(0.05) == 0.05
    one.close()


def test_global_state_is_put_back_and_the_culprit_named(student):
    student.begin(0, "One: part")
    assert student.spoil() == 1 and student.learns() == [True, "torch.float32", 1]
    assert {"torch.set_grad_enabled", "torch's default dtype"} == {
        note.removeprefix("spoil left ").partition(" changed")[0] for note in student.notes if "spoil left" in note
    }
    student.begin(0, "One: another check")
    assert student.learns()[2] == 1
    student.begin(0, "Another: part")
    assert student.learns()[2] == 0, "each part has a worker of its own"


def test_seconds_of_waiting_for_a_processor_do_not_count(monkeypatch):
    worker = type("Any", (), {"pid": 1, "limits": Limits(wall_s=30, idle_s=6), "base_memory": 0})()
    told = iter([(0.0, 0, 1, 0.0), (0.1, 0, 1, 35.0), (0.1, 0, 1, 35.0)])
    monkeypatch.setattr(processes, "usage", lambda pid: next(told))
    clock = Clock(worker, 30, 10)
    clock.start -= 40  # 40 s have passed, 35 of them in the queue of a busy machine
    assert clock.exceeded() == ""
    clock.start, clock.looked, clock.worked = clock.start - 40, 0.0, clock.start + 80
    assert "one step" in clock.exceeded()


def test_slow_code_within_the_limit_keeps_all_of_it(student, asked):
    for _ in range(3):
        student.begin(0)
        assert student.slow(0.5) == 0.5
    assert calls(asked) == [0.8] * 3
