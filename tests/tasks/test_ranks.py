"""Areas and correlations equal scikit-learn's and SciPy's with ties, of a split and of resamples of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference
from torch import Tensor

from ftcli.tasks.metrics import Score
from ftcli.tasks.ranks import Ordered, Pearson, RocAuc, Spearman, label_area

Metric = Callable[[Tensor, Tensor], Score]


def spearman(first: Tensor, second: Tensor) -> Spearman:
    return Spearman(Ordered(first), Ordered(second))


def once(metric: Metric, first: Tensor, second: Tensor) -> float:
    """The metric of a split as it is."""
    return float(metric(first, second)(torch.ones(len(first), 1, dtype=torch.float64)))


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_the_area_under_the_curve_of_two_labels_with_ties(data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 50))
    gold = torch.tensor(data.draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows)))
    few_values = st.integers(-3, 3).map(lambda number: number / 2)
    scores = torch.tensor(data.draw(st.lists(few_values, min_size=rows, max_size=rows)))
    found = once(RocAuc, scores, gold == 1)
    if len(set(gold.tolist())) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(reference.roc_auc_score(gold, scores), abs=1e-12)
        both = torch.stack((torch.full_like(scores, 0.5), scores + 0.5), dim=1)
        assert once(label_area, both, gold) == found


@pytest.mark.parametrize("num_labels", [3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_the_area_of_many_labels_is_the_mean_of_each_against_the_rest(num_labels: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gold = torch.randint(num_labels, (80,), generator=generator)
    scores = torch.randint(-2, 3, (80, num_labels), generator=generator).double()
    expected = reference.roc_auc_score(gold, torch.softmax(scores, 1), multi_class="ovr", average="macro")
    assert once(label_area, scores, gold) == pytest.approx(expected, abs=1e-12)


def test_the_area_is_not_defined_where_a_label_has_no_rows() -> None:
    gold = torch.tensor([0, 1, 0, 1])
    assert math.isnan(once(label_area, torch.randn(4, 3), gold))
    assert math.isnan(once(label_area, torch.randn(4, 2), torch.zeros(4, dtype=torch.int64)))


@pytest.mark.parametrize(("order", "area"), [(1, 1.0), (-1, 0.0), (0, 0.5)])
def test_the_area_is_1_when_every_positive_row_is_above_and_a_half_when_all_are_equal(order: int, area: float) -> None:
    scores = torch.arange(10.0) * order
    assert once(RocAuc, scores, torch.arange(10) >= 4) == area


few = st.integers(-6, 6).map(lambda number: number / 4)
numbers = st.one_of(few, st.floats(-1e3, 1e3, width=32))
pairs = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=30)


def assert_correlation(found: float, first: np.ndarray, second: np.ndarray, expected: Callable[..., tuple]) -> None:
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(expected(first, second)[0], abs=1e-6)


@given(pairs)
@settings(deadline=None, max_examples=150)
def test_correlations_are_scipys_with_ties_and_without(rows: list[tuple[float, float]]) -> None:
    first, second = np.array(rows).T
    left, right = torch.tensor(first), torch.tensor(second)
    assert_correlation(once(spearman, left, right), first, second, stats.spearmanr)
    if min(np.ptp(first), np.ptp(second)) == 0 or min(np.ptp(first), np.ptp(second)) > 1e-3:
        assert_correlation(once(Pearson, left, right), first, second, stats.pearsonr)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-30, 1e30])
@pytest.mark.parametrize("count", [2, 3, 7, 49])
def test_there_is_no_correlation_with_what_is_the_same_everywhere(value: float, count: int) -> None:
    same, other = torch.full((count,), value, dtype=torch.float64), torch.arange(count).double()
    for correlation in (Pearson, spearman):
        assert math.isnan(once(correlation, same, other))
        assert math.isnan(once(correlation, other, same))


@pytest.mark.parametrize("seed", range(5))
def test_metrics_under_weights_are_those_of_rows_repeated(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(0, 6, (40,), generator=generator).double()
    second = torch.randint(0, 2, (40,), generator=generator)
    weights = torch.randint(0, 3, (40, 8), generator=generator)
    cases: list[tuple[Metric, Tensor, Callable[..., float]]] = [
        (RocAuc, second == 1, lambda a, b: reference.roc_auc_score(b, a)),
        (Pearson, second.double(), lambda a, b: stats.pearsonr(a, b)[0]),
        (spearman, second.double(), lambda a, b: stats.spearmanr(a, b)[0]),
    ]
    for metric, other, theirs in cases:
        found = metric(first, other)(weights.double())
        for number, counts in enumerate(weights.T):
            rows = torch.arange(40).repeat_interleave(counts)
            assert float(found[number]) == pytest.approx(theirs(first[rows].numpy(), other[rows].numpy()), abs=1e-12)
