"""Any number of labels for each row: a sum of binary losses, and scikit-learn's metrics."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ftcli.data.targets import LabelFacts
from ftcli.errors import RecipeError
from ftcli.spec.choices import ClassificationTask
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.build import build_task
from tests.tasks.toy import Table, batch_of, measured, split_of

GOLD = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]], dtype=torch.uint8)


def task(*labels: str, evaluate: dict[str, object] | None = None, **section: object) -> Task:
    asked = ClassificationTask.model_validate({"multi_label": True, **section})
    facts = LabelFacts("multilabel", "labels", labels)
    return build_task(asked, facts, EvaluateSection.model_validate(evaluate or {}))


@torch.no_grad()
def test_the_loss_is_the_sum_of_each_labels_own() -> None:
    model, three = Table(dtype=torch.float64), task("a", "b", "c")
    expected = binary_cross_entropy_with_logits(model.rows[:4], GOLD.double(), reduction="sum")
    assert float(three.loss(model, batch_of(GOLD))) == pytest.approx(float(expected), rel=1e-12)
    scored = three.infer(model, batch_of(GOLD), with_loss=True).loss
    assert scored is not None
    assert float(scored) == pytest.approx(float(expected), rel=1e-12)
    assert three.infer(model, batch_of(GOLD), with_loss=False).loss is None
    assert three.count_items(split_of(GOLD, sequences=[1, 2, 1, 2]), torch.tensor([1, 2])) == 3


@torch.no_grad()
def test_class_weights_multiply_a_labels_part_and_leave_rows_to_count_as_rows() -> None:
    model, weighted = Table(dtype=torch.float64), task("a", "b", "c", class_weights={"b": 3.0})
    each = binary_cross_entropy_with_logits(model.rows[:4], GOLD.double(), reduction="none").sum(0)
    expected = each @ torch.tensor([1.0, 3.0, 1.0]).double() / (5 / 3)  # they are 1 on average
    assert float(weighted.loss(model, batch_of(GOLD))) == pytest.approx(float(expected), rel=1e-12)
    assert weighted.count_items(split_of(GOLD), torch.arange(4)) == 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_losses_and_scores_are_single_precision(dtype: torch.dtype) -> None:
    result = task("a", "b", "c").infer(Table(dtype=dtype), batch_of(GOLD), with_loss=True)
    assert result.loss is not None
    assert result.scores.dtype is result.loss.dtype is torch.float32


@st.composite
def decided(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """True and predicted labels, bool [rows, labels]; rows and labels may be empty of them."""
    rows, labels = draw(st.integers(1, 20)), draw(st.integers(2, 5))  # of one label scikit-learn takes it for binary
    table = st.lists(st.lists(st.booleans(), min_size=labels, max_size=labels), min_size=rows, max_size=rows)
    return torch.tensor(draw(table)), torch.tensor(draw(table))


@given(case=decided())
@settings(deadline=None, max_examples=150)
def test_f1_and_exact_match_are_scikit_learns(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    gold, predicted = case
    labels = tuple(map(str, range(gold.shape[1])))
    found = measured(task(*labels), predicted.double() * 2 - 1, gold.to(torch.uint8))
    for average, undefined in (("micro", 0.0), ("macro", 0.0), ("samples", 1.0)):
        expected = reference.f1_score(gold, predicted, average=average, zero_division=undefined)
        assert found[f"f1_{average}"] == pytest.approx(expected, abs=1e-12), average
    assert found["exact_match"] == pytest.approx(reference.accuracy_score(gold, predicted))


@given(case=decided())
@settings(deadline=None, max_examples=80)
def test_each_labels_scores_are_scikit_learns(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    gold, predicted = case
    labels = tuple(map(str, range(gold.shape[1])))
    detail = task(*labels).detail(predicted.double(), split_of(gold.to(torch.uint8)))
    precision, recall, f1, support = reference.precision_recall_fscore_support(gold, predicted, zero_division=0)
    assert detail.confusion is None
    assert [row.label for row in detail.per_class] == list(labels)
    assert [row.precision for row in detail.per_class] == pytest.approx(precision, abs=1e-12)
    assert [row.recall for row in detail.per_class] == pytest.approx(recall, abs=1e-12)
    assert [row.f1 for row in detail.per_class] == pytest.approx(f1, abs=1e-12)
    assert [row.support for row in detail.per_class] == support.tolist()


def test_the_area_is_the_mean_over_labels_and_left_out_where_one_has_none() -> None:
    generator = torch.Generator().manual_seed(0)
    gold = torch.randint(2, (40, 3), generator=generator).to(torch.uint8)
    scores = torch.randn(40, 3, generator=generator).double()
    expected = reference.roc_auc_score(gold, torch.sigmoid(scores), average="macro")
    assert measured(task("a", "b", "c"), scores, gold)["roc_auc"] == pytest.approx(expected, abs=1e-12)
    assert "roc_auc" not in measured(task("a", "b", "c"), scores, gold * torch.tensor([1, 1, 0], dtype=torch.uint8))


def test_a_chosen_list_of_metrics_is_obeyed() -> None:
    chosen = task("a", "b", "c", evaluate={"metrics": ["f1_samples"], "best": "f1_samples"})
    assert list(measured(chosen, torch.zeros(4, 3), GOLD)) == ["f1_samples"]


def labels_given(to: Task, scores: torch.Tensor) -> list[object]:
    split = split_of(None, rows=len(scores))
    found = to.conclude(nn.Identity(), scores, split)
    return [answer["labels"] for answer in to.answers(found, split, [{}] * len(scores))]


def test_a_row_has_the_labels_that_reach_their_threshold() -> None:
    scores = torch.logit(torch.tensor([[0.4, 0.6, 0.9], [0.1, 0.2, 0.3]], dtype=torch.float64))
    assert labels_given(task("a", "b", "c"), scores) == [["b", "c"], []]
    assert labels_given(task("a", "b", "c", threshold=0.8), scores) == [["c"], []]
    assert labels_given(task("a", "b", "c", threshold={"a": 0.05, "c": 0.95}), scores) == [["a", "b"], ["a"]]
    assert labels_given(task("a"), torch.zeros(1, 1)) == [["a"]]


def test_every_labels_probability_is_told() -> None:
    two, split = task("a", "b"), split_of(None, rows=1)
    found = two.conclude(nn.Identity(), torch.tensor([[0.0, 2.0]]), split)
    (answer,) = two.answers(found, split, [{}])
    assert answer == {"labels": ["a", "b"], "probabilities": {"a": 0.5, "b": 0.880797}}
    assert tuple(answer) == two.results


def test_of_a_pair_in_both_orders_the_probabilities_are_averaged() -> None:
    scores = torch.tensor([[2.0], [-1.0], [0.0]])
    found = task("a").conclude(nn.Identity(), scores, split_of(torch.ones(2, 1), sequences=[2, 1]))
    assert found[:, 0].tolist() == pytest.approx([float(torch.sigmoid(scores[:2]).mean()), 0.5])


@pytest.mark.parametrize(("key", "value"), [("threshold", {"x": 0.5}), ("class_weights", {"x": 2.0})])
def test_a_label_that_is_not_there_is_an_error_at_its_key(key: str, value: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match=f"`task.{key}` names `x`, which is no label of the data") as caught:
        task("a", "b", **{key: value})
    assert caught.value.problems[0].key == ("task", key)


def test_the_model_is_asked_for_a_logit_for_each_label() -> None:
    outputs = task("a", "b").outputs
    assert (outputs.labels, outputs.per, outputs.problem) == (("a", "b"), "row", "multi_label_classification")
