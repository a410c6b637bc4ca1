"""All of lab05's known wrong, correct and hostile submissions against its checks."""

import random

import pytest
import torch

from autograder import audit, labs
from autograder.measure import compare, trajectories


@pytest.fixture(scope="module")
def cases(server, every):
    return audit.run("lab05", server, jobs=4, brief=True, every=every)


@pytest.mark.parametrize(("kind", "least"), [("wrong", 80), ("correct", 9), ("attacks", 6)])
def test_no_known_submission_is_misjudged(cases, kind, least):
    those = [case for case in cases if case.kind == kind]
    assert len(audit.cases("lab05", [kind])) >= least and those
    assert not {case.name: (case.report.score, case.verdict) for case in those if not case.as_it_should_be}


def test_every_report_is_whole(cases):
    names = [one.__name__ for one in labs.checks(labs.module("lab05"))]
    assert all([r.name for r in case.report.results] == names and case.report.points == 20 for case in cases)


def test_each_file_says_its_mistake_in_its_first_line(cases):
    assert all(len(case.says) > 8 for case in cases)


def test_the_graders_own_runs_leave_the_random_generators_alone():
    torch.manual_seed(3)
    random.seed(3)
    before = torch.get_rng_state(), random.getstate()
    trajectories.alone(trajectories.new_run, 5, [5, 4, 6, 3])
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]


def test_the_graders_own_runs_do_not_depend_on_its_threads():
    """The worker has one; dropout draws another mask with two."""
    found, threads = [], torch.get_num_threads()
    for number in (1, 2):
        torch.set_num_threads(number)
        found.append(trajectories.alone(trajectories.saved_at, [5, 6, 12, 4, 0.4, 1.0], 4))
    torch.set_num_threads(threads)
    assert compare.all_close(found[0], found[1], compare.TRAJECTORY)
