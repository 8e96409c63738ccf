"""Metrics from counts agree with scikit-learn's, absent labels included, of a split and of resamples of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from ftcli.tasks.metrics import accuracy, class_scores, confusion_matrix, label_scores, matthews, weighed_confusion


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
    assert float(accuracy(confusion)) == pytest.approx(reference.accuracy_score(gold, predicted))
    is_varied = len({*gold.tolist(), *predicted.tolist()}) > 1  # scikit-learn warns where it is not
    expected = reference.matthews_corrcoef(gold, predicted) if is_varied else 0.0
    assert float(matthews(confusion)) == pytest.approx(expected, abs=1e-12)


def test_mcc_holds_with_counts_whose_squares_need_64_bits() -> None:
    confusion = torch.tensor([[3_000_000_000, 1_000_000_000], [500_000_000, 2_000_000_000]])
    assert float(matthews(confusion)) == pytest.approx(float(matthews(torch.tensor([[30, 10], [5, 20]]))), rel=1e-12)


@given(case=labelled(), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_counts_under_weights_are_those_of_rows_repeated(
    case: tuple[torch.Tensor, torch.Tensor, int], seed: int
) -> None:
    gold, predicted, num_labels = case
    weights = torch.randint(0, 4, (len(gold), 3), generator=torch.Generator().manual_seed(seed))
    found = weighed_confusion(gold, predicted, num_labels, weights.double())
    rows = [torch.arange(len(gold)).repeat_interleave(counts) for counts in weights.T]
    expected = torch.stack([confusion_matrix(gold[each], predicted[each], num_labels) for each in rows])
    assert found.tolist() == expected.tolist()
    for score in (accuracy, matthews, lambda counts: class_scores(counts).f1.mean(-1)):
        assert score(found).tolist() == pytest.approx([float(score(each)) for each in expected], abs=1e-12)
    several, decided = (torch.nn.functional.one_hot(each, num_labels).bool() for each in (gold, predicted))
    at_once = label_scores(several, decided, weights.double())
    for number, each in enumerate(rows):
        assert at_once.f1[number].tolist() == label_scores(several[each], decided[each]).f1.tolist()
