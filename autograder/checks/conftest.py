"""Lets a check file run as plain pytest: `pytest autograder/checks/lab03_simclr.py --submission PATH`."""

import pytest

from autograder.draw import Draw, new_seed
from autograder.engine import files
from autograder.engine.fork_server import ForkServer
from autograder.student import Student


def pytest_addoption(parser):
    parser.addoption("--submission", help="A submission: a folder, .py, .ipynb or .zip.")
    parser.addoption("--grading-seed", type=int, default=None, help="Repeats a grading exactly.")


@pytest.fixture(scope="session")
def server():
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def grading_seed(request) -> int:
    chosen = request.config.getoption("--grading-seed")
    return new_seed() if chosen is None else chosen


@pytest.fixture(scope="module")
def submission(request, server):
    path = request.config.getoption("--submission")
    if path is None:
        raise pytest.UsageError("Say which submission: --submission PATH.")
    one = Student(request.module.LAB, files.read(path), server)
    yield one
    one.close()


@pytest.fixture
def draw(request, grading_seed) -> Draw:
    return Draw(grading_seed, request.function.__name__)


@pytest.fixture
def student(request, submission, draw) -> Student:
    submission.begin(draw.seed, request.function.check.title)
    return submission


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A check that skips or is expected to fail has failed."""
    report = yield
    if report.skipped:
        report.outcome, report.longrepr = "failed", "a skipped check counts as failed"
    return report
