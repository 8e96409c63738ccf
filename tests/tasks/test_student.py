"""Student's t, held against SciPy's."""

from __future__ import annotations

import pytest
from scipy import stats

from ftcli.tasks.student import t_interval, t_quantile


@pytest.mark.parametrize("degrees", [*range(1, 12), 29, 30, 100])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.975, 0.995])
def test_quantiles_are_those_of_scipy(degrees: int, probability: float) -> None:
    expected = float(stats.t.ppf(probability, degrees))
    assert t_quantile(probability, degrees=degrees) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_an_interval_is_that_of_scipy() -> None:
    values = [0.81, 0.84, 0.79, 0.83, 0.86]
    found = t_interval(values)
    assert found is not None
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5, 0.5]])
def test_values_that_do_not_tell_how_much_others_differ_have_none(values: list[float]) -> None:
    assert t_interval(values) is None
