"""Student's intervals against SciPy's."""

import math

import pytest
import scipy.stats

from labkit.evaluate import intervals
from labkit.run_folder import LabError


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
