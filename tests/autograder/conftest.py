"""One fork server for all tests of the autograder, and how many of the known submissions they grade.

The tests take one of a few; `LABKIT_AUDIT=full`, like `python -m autograder audit`, takes every one.
"""

import os

import pytest

from autograder.engine.fork_server import ForkServer

EVERY = 1 if os.environ.get("LABKIT_AUDIT") == "full" else 8


@pytest.fixture(scope="session")
def every():
    return EVERY


@pytest.fixture(scope="session")
def server():
    with ForkServer() as one:
        yield one
