"""All of lab04's known wrong, correct and hostile submissions against its checks."""

import pytest

from autograder import audit, labs
from autograder.reference import lab04_scaling as right
from labkit.scaling import Link, predict_step_time


@pytest.fixture(scope="module")
def cases(server, every):
    return audit.run("lab04", server, jobs=4, brief=True, every=every)


@pytest.mark.parametrize(("kind", "least"), [("wrong", 60), ("correct", 11), ("attacks", 7)])
def test_no_known_submission_is_misjudged(cases, kind, least):
    those = [case for case in cases if case.kind == kind]
    assert len(audit.cases("lab04", [kind])) >= least and those
    assert not {case.name: (case.report.score, case.verdict) for case in those if not case.as_it_should_be}


def test_every_report_is_whole(cases):
    names = [one.__name__ for one in labs.checks(labs.module("lab04"))]
    assert all([r.name for r in case.report.results] == names and case.report.points == 20 for case in cases)


def test_each_file_says_its_mistake_in_its_first_line(cases):
    assert all(len(case.says) > 8 for case in cases)


@pytest.mark.parametrize("world_size", [1, 4])
def test_the_prediction_is_that_of_the_course(world_size):
    times = dict(forward_s=0.02, backward_s=0.05, optimizer_s=0.01, first_bucket_s=0.01, input_s=0.003)
    sizes = dict(buckets=[2**20, 25 * 2**20, 2**23], world_size=world_size)
    mine = right.predict_step_time(**times, **sizes, alpha_s=1e-4, beta_bytes_per_s=1e9)
    assert mine == pytest.approx(predict_step_time(**times, **sizes, link=Link(1e-4, 1e9)))
