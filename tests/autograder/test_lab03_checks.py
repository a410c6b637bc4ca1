"""All of lab03's known wrong, correct and hostile submissions against its checks."""

import time

import pytest
import torch

from autograder import audit, labs
from autograder.engine import processes
from autograder.measure.views import slopes
from autograder.reference import lab03_simclr as right


@pytest.fixture(scope="module")
def cases(server, every):
    found, end = audit.run("lab03", server, jobs=4, brief=True, every=every), time.monotonic() + 5
    while (survivors := processes.owned_by(server.users)) and time.monotonic() < end:
        time.sleep(0.02)
    return found, survivors


@pytest.mark.parametrize(("kind", "least"), [("wrong", 80), ("correct", 25), ("attacks", 50)])
def test_no_known_submission_is_misjudged(cases, kind, least):
    those = [case for case in cases[0] if case.kind == kind]
    assert len(audit.cases("lab03", [kind])) >= least and those
    misjudged = {case.name: (case.report.score, case.verdict) for case in those if not case.as_it_should_be}
    assert not misjudged


def test_every_report_is_whole_and_no_process_survives(cases):
    found, survivors = cases
    names = [one.__name__ for one in labs.checks(labs.module("lab03"))]
    assert all([r.name for r in case.report.results] == names and case.report.points == 20 for case in found)
    assert not survivors


def test_each_file_says_its_mistake_in_its_first_line(cases):
    told = [case for case in cases[0] if case.path.suffix == ".py" and case.name != "not_utf8"]
    assert told and all(len(case.says) > 8 for case in told)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
def test_the_oracle_is_the_papers_algorithm(temperature):
    torch.manual_seed(0)
    z_i, z_j = 5 * torch.randn(7, 5), torch.randn(7, 5)
    slow, fast = right.nt_xent_loops(z_i, z_j, temperature), right.nt_xent(z_i, z_j, temperature)
    assert torch.allclose(slow, fast, rtol=1e-10)


@pytest.mark.parametrize("name", right.MISTAKES)
def test_known_mistakes_are_told_apart(name):
    torch.manual_seed(1)
    cases = []
    for temperature in (0.15, 0.3, 0.7, 1.0):
        z_i, z_j = 3 * torch.randn(6, 8), torch.randn(6, 8)
        cases.append((z_i, z_j, temperature, float(right.MISTAKES[name][0](z_i, z_j, temperature))))
    assert right.diagnose(cases)[0] == name


def test_a_flat_view_is_neither_mirrored_nor_upside_down():
    """Strong jitter makes one view in fifty all white; rounding once gave these a direction, and a right one lost."""
    ramp = torch.linspace(0, 1, 20, dtype=torch.float64).expand(3, 20, 20)
    white = torch.full((3, 20, 20), 0.1, dtype=torch.float64) / 0.3
    down, across = slopes(torch.stack([ramp, ramp.flip(-1), ramp.mT, white, 3 * white, white / 7]))
    assert across.sign().tolist() == [1, -1, 0, 0, 0, 0] and down.sign().tolist() == [0, 0, 1, 0, 0, 0]
