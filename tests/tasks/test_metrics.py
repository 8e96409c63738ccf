"""Metrics agree with scikit-learn's and with textbooks, ties and absent labels included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from ftcli.tasks.metrics import (
    accuracy,
    class_scores,
    confusion_matrix,
    matthews,
    mean_roc_auc,
    pearson,
    roc_auc,
    spearman,
)


@st.composite
def labelled(draw: st.DrawFn, *, least_rows: int = 1) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Gold and predicted label numbers of up to 60 rows, and how many labels there are; some may be absent."""
    num_labels = draw(st.integers(2, 6))
    rows = draw(st.integers(least_rows, 60))
    numbers = st.lists(st.integers(0, num_labels - 1), min_size=rows, max_size=rows)
    return torch.tensor(draw(numbers)), torch.tensor(draw(numbers)), num_labels


@given(case=labelled())
@settings(deadline=None, max_examples=150)
def test_counts_precision_recall_f1_accuracy_and_mcc(case: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    gold, predicted, num_labels = case
    every = list(range(num_labels))
    confusion = confusion_matrix(gold, predicted, num_labels)
    assert confusion.tolist() == reference.confusion_matrix(gold, predicted, labels=every).tolist()
    scores = class_scores(confusion)
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        gold, predicted, labels=every, zero_division=0
    )
    assert scores.precision.tolist() == pytest.approx(precision, abs=1e-12)
    assert scores.recall.tolist() == pytest.approx(recall, abs=1e-12)
    assert scores.f1.tolist() == pytest.approx(f1, abs=1e-12)
    assert scores.support.tolist() == support.tolist()
    assert accuracy(confusion) == pytest.approx(reference.accuracy_score(gold, predicted))
    is_varied = len({*gold.tolist(), *predicted.tolist()}) > 1  # scikit-learn warns where it is not
    expected = reference.matthews_corrcoef(gold, predicted) if is_varied else 0.0
    assert matthews(confusion) == pytest.approx(expected, abs=1e-12)


def test_mcc_holds_with_counts_whose_squares_need_64_bits() -> None:
    confusion = torch.tensor([[3_000_000_000, 1_000_000_000], [500_000_000, 2_000_000_000]])
    assert matthews(confusion) == pytest.approx(matthews(torch.tensor([[30, 10], [5, 20]])), rel=1e-12)


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_the_area_under_the_curve_of_two_labels_with_ties(data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 50))
    gold = torch.tensor(data.draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows)))
    few_values = st.integers(-3, 3).map(lambda number: number / 2)
    scores = torch.tensor(data.draw(st.lists(few_values, min_size=rows, max_size=rows)))
    found = roc_auc(scores, gold == 1)
    if len(set(gold.tolist())) == 1:
        assert found is None
    else:
        assert found == pytest.approx(reference.roc_auc_score(gold, scores), abs=1e-12)
        both = torch.stack((torch.full_like(scores, 0.5), scores + 0.5), dim=1)
        assert mean_roc_auc(both, gold) == found


@pytest.mark.parametrize("num_labels", [3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_the_area_of_many_labels_is_the_mean_of_each_against_the_rest(num_labels: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gold = torch.randint(num_labels, (80,), generator=generator)
    scores = torch.randint(-2, 3, (80, num_labels), generator=generator).double()
    expected = reference.roc_auc_score(gold, torch.softmax(scores, 1), multi_class="ovr", average="macro")
    assert mean_roc_auc(scores, gold) == pytest.approx(expected, abs=1e-12)


def test_the_area_is_not_defined_where_a_label_has_no_rows() -> None:
    gold = torch.tensor([0, 1, 0, 1])
    assert mean_roc_auc(torch.randn(4, 3), gold) is None
    assert mean_roc_auc(torch.randn(4, 2), torch.zeros(4, dtype=torch.int64)) is None


@pytest.mark.parametrize(("order", "area"), [(1, 1.0), (-1, 0.0), (0, 0.5)])
def test_the_area_is_1_when_every_positive_row_is_above_and_a_half_when_all_are_equal(order: int, area: float) -> None:
    scores = torch.arange(10.0) * order
    assert roc_auc(scores, torch.arange(10) >= 4) == area


few = st.integers(-6, 6).map(lambda number: number / 4)
numbers = st.one_of(few, st.floats(-1e3, 1e3, width=32))
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30)


def ranks(values: np.ndarray) -> np.ndarray:
    """Each value's rank, equal ones sharing the mean of theirs."""
    below = (values[None, :] < values[:, None]).sum(1)
    equal = (values[None, :] == values[:, None]).sum(1)
    return below + (equal + 1) / 2


def assert_correlation(found: float | None, first: np.ndarray, second: np.ndarray) -> None:
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-6)


@given(pairs)
@settings(deadline=None, max_examples=150)
def test_correlations_are_the_textbooks_with_ties_and_without(rows: list[tuple[float, float]]) -> None:
    first, second = np.array(rows).T
    left, right = torch.tensor(first), torch.tensor(second)
    assert_correlation(spearman(left, right), ranks(first), ranks(second))
    if min(np.ptp(first), np.ptp(second)) == 0 or min(np.ptp(first), np.ptp(second)) > 1e-3:
        assert_correlation(pearson(left, right), first, second)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-30, 1e30])
@pytest.mark.parametrize("count", [2, 3, 7, 49])
def test_there_is_no_correlation_with_what_is_the_same_everywhere(value: float, count: int) -> None:
    same, other = torch.full((count,), value, dtype=torch.float64), torch.arange(count).double()
    for correlation in (pearson, spearman):
        assert correlation(same, other) is None
        assert correlation(other, same) is None
