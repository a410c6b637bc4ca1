"""How long one submission is waited for: all of its time at first, half of it after each hang."""

import pytest

from autograder.checking import Lab
from autograder.engine.files import Files
from autograder.engine.worker import Limits, Worker
from autograder.student import Student, StudentFault

LIMITS = Limits(cpu_s=0.8, wall_s=8)
SOURCE = b"""
import time

def hang():
    while True:
        pass

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
    lab = Lab("Patience", ["work.py"], ["hang", "leave", "slow"])
    one = Student(lab, Files({"work.py": SOURCE}), server, LIMITS)
    yield one
    one.close()


def calls(asked):
    return [seconds for what, seconds in asked if what == "call"]


def test_each_worker_after_a_hang_gets_half_the_time_and_a_hanging_submission_little_in_all(student, asked):
    for told in ("within 0.8 s", "within 0.4 s", "within 0.2 s"):
        with pytest.raises(StudentFault, match=told):
            student.begin(0)
            student.hang()
    assert calls(asked) == pytest.approx([0.8, 0.4, 0.2])
    assert {seconds for what, seconds in asked if what == "load"} == {0.8}, "loading is not hurried"
    with pytest.raises(StudentFault, match="stopped 3 times"):
        student.begin(0)
    assert len(calls(asked)) == 3


def test_slow_code_within_the_limit_keeps_all_of_it(student, asked):
    for _ in range(3):
        student.begin(0)
        assert student.slow(0.5) == 0.5
    assert calls(asked) == [0.8] * 3


def test_a_worker_that_ended_otherwise_costs_the_next_one_no_time(student, asked):
    with pytest.raises(StudentFault, match="ended its own process"):
        student.begin(0)
        student.leave()
    student.begin(0)
    assert student.slow(0.5) == 0.5
    assert calls(asked) == [0.8] * 2
