"""One fork server for all tests of the autograder."""

import pytest

from autograder.sandbox import Zygote


@pytest.fixture(scope="session")
def zygote():
    with Zygote(preload=["torch", "numpy", "PIL.Image", "torchvision"]) as server:
        yield server
