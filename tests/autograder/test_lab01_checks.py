"""All of lab01's known wrong, correct and hostile submissions against its checks."""

import pytest
import torch

from autograder import audit
from autograder.reference import lab01_data as right


@pytest.mark.parametrize(("kind", "least"), [("correct", 7), ("wrong", 40), ("attacks", 6)])
def test_no_known_submission_is_misjudged(server, every, kind, least):
    those = audit.run("lab01", server, jobs=4, kinds=[kind], brief=True, every=every)
    assert len(audit.cases("lab01", [kind])) >= least and those
    assert not {one.name: (one.report.score, one.verdict) for one in those if not one.as_it_should_be}
    assert all(one.report.points == 20 and len(one.says) > 8 for one in those)


def test_mistakes_of_the_statistics_are_told_apart():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 5, 6)) // torch.tensor([1, 2, 3, 4]).view(-1, 1, 1, 1)
    images = images.to(torch.uint8)
    for hint, (mean, std) in right._known(images).items():
        assert "cancels" in hint or right.diagnose_mean_std(images, mean, std) == hint
