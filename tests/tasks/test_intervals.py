"""Error bars: they cover what they should, are those of naive resampling, and are the same each time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ftcli.runtime.activity import finish
from ftcli.tasks.intervals import MOST_SLOW_RESAMPLES, Interval, bootstrap, difference, num_resamples
from ftcli.tasks.metrics import RowMetrics, mean


def accuracy_of(right: Tensor) -> RowMetrics:
    return RowMetrics(len(right), lambda weights: {"accuracy": mean(right, weights)}, right)


def interval(right: Tensor, **options: int) -> Interval:
    return finish(bootstrap(accuracy_of(right), **options))["accuracy"]


@pytest.mark.parametrize("accuracy", [0.65, 0.85])
def test_the_interval_covers_the_true_accuracy_in_95_of_100_cases(accuracy: float) -> None:
    generator = torch.Generator().manual_seed(2)
    right = torch.rand(500, 400, generator=generator) < accuracy
    found = [interval(each, resamples=500, seed=seed) for seed, each in enumerate(right)]
    covered = sum(each.low <= accuracy <= each.high for each in found) / len(found)
    assert 0.93 <= covered <= 0.97


def test_a_difference_is_resampled_in_pairs() -> None:
    """Two models that agree on most rows differ far more surely than their own intervals tell."""
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(1000, generator=generator) < 0.8
    second = first | (torch.rand(1000, generator=generator) < 0.1)
    apart = finish(bootstrap(difference(accuracy_of(first), accuracy_of(second))))["accuracy"]
    alone = interval(first)
    shift = (second.double().mean() - first.double().mean()).item()
    assert 0 < apart.low < shift < apart.high
    assert apart.high - apart.low < (alone.high - alone.low) / 2
    # The textbook's: an unpaired error would be sqrt(2) times that of one.
    error = ((second.double() - first.double()).std() / 1000**0.5).item()
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_a_difference_covers_the_true_one_in_95_of_100_cases() -> None:
    generator = torch.Generator().manual_seed(4)
    first = torch.rand(500, 400, generator=generator) < 0.7
    second = first ^ (torch.rand(500, 400, generator=generator) < 0.1)
    truth = 0.1 * 0.3 - 0.1 * 0.7
    found = [
        finish(bootstrap(difference(accuracy_of(a), accuracy_of(b)), resamples=500, seed=seed))["accuracy"]
        for seed, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    assert 0.93 <= sum(each.low <= truth <= each.high for each in found) / len(found) <= 0.97


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly() -> None:
    right = torch.arange(300) % 4 > 0
    assert interval(right) == interval(right)
    other = interval(right, seed=1)
    assert other != interval(right)
    assert (other.low, other.high) == pytest.approx((interval(right).low, interval(right).high), abs=0.01)


def test_more_rows_than_are_weighed_at_once_give_the_textbooks_interval() -> None:
    right = torch.arange(30_000) % 5 > 0
    found = interval(right, resamples=400)
    error = 1.96 * (0.8 * 0.2 / 30_000) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.8 - error, 0.8 + error), abs=error / 4)


def test_rows_that_are_all_alike_tell_nothing_of_others() -> None:
    assert finish(bootstrap(accuracy_of(torch.ones(50, dtype=torch.bool)))) == {}


def test_resamples_in_which_a_metric_is_not_defined_do_not_count() -> None:
    def measure(weights: Tensor) -> dict[str, Tensor]:
        value = weights[0] / weights.sum(0)
        return {"often": value.where(weights[1] > 0, torch.nan), "rarely": value.where(weights[1] > 2, torch.nan)}

    assert set(finish(bootstrap(RowMetrics(20, measure)))) == {"often"}


def test_no_resamples_give_no_interval_and_slow_metrics_get_fewer() -> None:
    metrics = accuracy_of(torch.arange(50) % 2 > 0)
    assert finish(bootstrap(metrics, resamples=0)) == {}
    slow = RowMetrics(50, metrics.measure, is_vectorised=False)
    assert [num_resamples(each, 2000) for each in (metrics, slow)] == [2000, MOST_SLOW_RESAMPLES]
