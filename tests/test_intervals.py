"""Student's and Wilson's intervals against SciPy's."""

import math

import pytest
import scipy.stats

from labkit.evaluate import intervals
from labkit.run_folder import LabError


@pytest.mark.parametrize("degrees", [1, 2, 4, 9, 60])
@pytest.mark.parametrize("probability", [0.6, 0.975, 0.995])
def test_t_quantile_matches_scipy(probability, degrees):
    expected = scipy.stats.t.ppf(probability, degrees)
    assert intervals.t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-6)


def test_interval_over_seeds_matches_scipy():
    values = [0.912, 0.905, 0.921, 0.899]
    interval = intervals.mean_interval(values)
    low, high = scipy.stats.t.interval(0.95, 3, loc=sum(values) / 4, scale=scipy.stats.sem(values))
    assert (interval.mean - interval.half_width, interval.mean + interval.half_width) == pytest.approx((low, high))
    assert str(interval) == "0.9093 ± 0.015 (n=4)"


def test_one_seed_has_no_interval():
    interval = intervals.mean_interval([0.5])
    assert interval.n == 1 and math.isnan(interval.half_width) and str(interval) == "0.5"
    with pytest.raises(LabError, match="at least one value"):
        intervals.mean_interval([])


@pytest.mark.parametrize(("hits", "count"), [(4235, 10_000), (0, 20), (20, 20), (1, 3)])
def test_the_interval_of_a_share_is_wilsons(hits, count):
    expected = scipy.stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert intervals.share_interval(hits / count, count) == pytest.approx(tuple(expected), abs=1e-9)


def test_a_share_of_nothing_has_no_interval():
    for share, count in ((0.5, 0), (1.2, 10)):
        with pytest.raises(LabError, match="has no interval"):
            intervals.share_interval(share, count)
