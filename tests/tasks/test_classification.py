"""What a batch means to a classifier: losses are sums, and the metrics are those that fit the labels."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, kl_div

from ftcli.data.targets import LabelFacts
from ftcli.errors import RecipeError
from ftcli.spec.choices import ClassificationTask
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch
from ftcli.tasks.build import settled
from ftcli.tasks.classification import Classification, build_classification
from ftcli.tasks.losses import divergence
from tests.tasks.toy import Table, batch_of, measured, split_of


def batch(rows: int, *, labels: int = 3) -> Batch:
    return batch_of(torch.arange(rows) % labels)


def build(labels: tuple[str, ...], *, evaluate: dict[str, object] | None = None, **section: object) -> Classification:
    facts = LabelFacts("classification", "label", labels)
    asked = ClassificationTask.model_validate(section)
    return build_classification(asked, facts, EvaluateSection.model_validate(evaluate or {}))


def task(*labels: str, **evaluate: object) -> Classification:
    return build(labels, evaluate=evaluate)


@torch.no_grad()
def test_the_loss_is_a_sum_so_that_parts_add_up() -> None:
    model, whole, three = Table(), batch(10), task("a", "b", "c")
    loss = three.loss(model, whole)
    assert float(loss) == pytest.approx(10 * float(cross_entropy(model.rows[:10], whole.labels)), rel=1e-6)
    parts = [
        Batch({"input_ids": whole.inputs["input_ids"][part]}, whole.labels[part], whole.rows[part])
        for part in (slice(0, 3), slice(3, 10))
    ]
    assert float(sum(three.loss(model, part) for part in parts)) == pytest.approx(float(loss), rel=1e-6)


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_losses_and_scores_are_single_precision_or_better(dtype: torch.dtype, computed: torch.dtype) -> None:
    model, three = Table(dtype=dtype), task("a", "b", "c")
    result = three.infer(model, batch(4), with_loss=True)
    assert result.loss is not None
    assert result.scores.dtype == result.loss.dtype == three.loss(model, batch(4)).dtype == computed


def test_rows_without_labels_have_scores_and_no_loss() -> None:
    unlabelled = Batch(batch(4).inputs, torch.full((4,), -1), torch.arange(4))
    result = task("a", "b", "c").infer(Table(), unlabelled, with_loss=False)
    assert result.loss is None
    assert torch.equal(result.scores, Table().rows[:4])


def test_probabilities_sum_to_one_however_large_the_scores() -> None:
    scores = torch.tensor([[1000.0, -1000.0], [0.0, 0.0]])
    found = task("a", "b").conclude(nn.Identity(), scores, split_of(None, rows=2))
    assert found.exp().tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_of_a_pair_in_both_orders_the_probabilities_are_averaged() -> None:
    split = split_of(torch.tensor([0, 1]), sequences=[2, 1])
    found = task("a", "b").conclude(nn.Identity(), torch.tensor([[9.0, -9.0], [0.0, 0.0], [0.0, 3.0]]), split)
    both = torch.softmax(torch.tensor([[9.0, -9.0], [0.0, 0.0]]), 1).mean(0)
    assert found.exp()[0].tolist() == pytest.approx(both.tolist())
    assert found.exp().sum(1).tolist() == pytest.approx([1.0, 1.0])
    assert task("a", "b").measure(found, split)["accuracy"] == 1.0


def test_a_rows_answer_is_the_label_that_scores_highest_with_its_probability() -> None:
    three = task("no", "yes", "maybe")
    scores = torch.tensor([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 2.0]])
    split = split_of(None, rows=4)
    answers = list(three.answers(three.conclude(nn.Identity(), scores, split), split, [{}] * 4))
    assert [answer["label"] for answer in answers] == ["yes", "no", "no", "maybe"]
    expected = torch.softmax(scores, 1).max(1).values.tolist()
    assert [answer["probability"] for answer in answers] == pytest.approx(expected, abs=1e-6)
    assert {tuple(answer) for answer in answers} == {three.results}


def test_each_labels_scores_and_the_confusions_are_told() -> None:
    split = split_of(torch.tensor([0, 0, 1, 2]))
    detail = task("a", "b", "c").detail(torch.eye(3)[[0, 1, 1, 2]], split)
    assert detail.confusion == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert [(row.label, row.precision, row.recall, row.support) for row in detail.per_class] == [
        ("a", 1.0, 0.5, 2),
        ("b", 0.5, 1.0, 1),
        ("c", 1.0, 1.0, 1),
    ]


def test_with_two_labels_the_last_one_is_the_positive() -> None:
    gold = torch.tensor([1, 1, 1, 0, 0])
    scores = torch.nn.functional.one_hot(torch.tensor([1, 1, 0, 1, 0]), 2).float()
    found = measured(task("no", "yes"), scores, gold)
    assert found["f1"] == pytest.approx(2 / 3)  # 2 of 3 found, 2 of 3 right
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["f1_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_metrics_that_fit_are_chosen_and_a_chosen_list_is_obeyed() -> None:
    gold, scores = torch.tensor([0, 1, 2]), torch.eye(3)
    assert set(task("a", "b").metrics) == {"accuracy", "f1", "f1_macro", "mcc", "roc_auc"}
    assert set(measured(task("a", "b", "c"), scores, gold)) == {"accuracy", "f1_macro", "mcc", "roc_auc"}
    chosen = task("a", "b", "c", metrics=["f1_micro", "mcc"], best="mcc")
    assert measured(chosen, scores, gold) == {"f1_micro": 1.0, "mcc": 1.0}


def test_the_metric_that_makes_the_best_is_always_measured() -> None:
    assert "f1_micro" in task("a", "b", "c", best="f1_micro").metrics
    assert "loss" not in task("a", "b", best="loss").metrics


def test_an_area_that_is_not_defined_is_left_out() -> None:
    found = measured(task("a", "b", "c"), torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
    assert set(found) == {"accuracy", "f1_macro", "mcc"}


@pytest.mark.parametrize(
    ("section", "key"),
    [({"metrics": ["f1", "accuracy"]}, ("evaluate", "metrics")), ({"best": "f1"}, ("evaluate", "best"))],
)
def test_f1_of_three_labels_is_an_error_at_the_key_that_asks_for_it(
    section: dict[str, object], key: tuple[str, str]
) -> None:
    with pytest.raises(RecipeError, match="`f1` is of two labels, and the data has 3") as caught:
        task("a", "b", "c", **section)
    assert caught.value.problems[0].key == key


def test_every_sequence_is_an_item() -> None:
    split = split_of(torch.tensor([0, 1, 1]), sequences=[2, 1, 2])
    assert task("a", "b").count_items(split, torch.tensor([2, 0])) == 4
    assert task("a", "b").count_items(split_of(torch.tensor([0, 1, 1])), torch.tensor([2, 0])) == 2


@torch.no_grad()
def test_with_class_weights_items_count_by_the_weight_of_their_label() -> None:
    weighted = build(("a", "b", "c"), class_weights={"a": 0.25, "c": 4.0})
    split = split_of(torch.tensor([0, 1, 2]), sequences=[2, 1, 1])
    assert weighted.count_items(split, torch.tensor([0, 1, 2])) == 0.25 + 0.25 + 1.0 + 4.0
    model, whole = Table(), batch(9)
    mean = weighted.loss(model, whole) / weighted.count_items(split_of(whole.labels), torch.arange(9))
    expected = cross_entropy(model.rows[:9], whole.labels, weight=torch.tensor([0.25, 1.0, 4.0]))
    assert float(mean) == pytest.approx(float(expected), rel=1e-6)


def test_balanced_weights_make_labels_equal() -> None:
    section = settled(ClassificationTask(class_weights="balanced"), {"a": 30, "b": 10})
    assert isinstance(section, ClassificationTask)
    assert section.class_weights == {"a": 40 / 60, "b": 40 / 20}
    given = ClassificationTask(class_weights={"a": 2.0})
    assert settled(given, {"a": 30, "b": 10}) == given


def test_a_weight_of_a_label_that_is_not_there_is_an_error_at_its_key() -> None:
    with pytest.raises(RecipeError, match=r"`task\.class_weights` names `x`, which is no label of the data") as caught:
        build(("a", "b"), class_weights={"x": 2.0})
    assert caught.value.problems[0].key == ("task", "class_weights")
    assert caught.value.problems[0].hint == "The labels are a, b"


def test_class_weights_multiply_the_distance_of_r_drop_as_they_do_the_loss() -> None:
    model, rows = Table(dtype=torch.float64, noise=0.3), batch(9)
    weighted = build(("a", "b", "c"), r_drop=0.7, class_weights={"a": 0.25, "c": 4.0})
    first, second = (model.rows[:9] + noise for noise in (model.noise[:9], model.noise[9:18]))
    each = sum(cross_entropy(logits, rows.labels, reduction="none") for logits in (first, second)) / 2
    weights = torch.tensor([0.25, 1.0, 4.0]).double()[rows.labels]
    expected = ((each + 0.7 * divergence(first, second)) * weights).sum()
    assert float(weighted.loss(model, rows).detach()) == pytest.approx(float(expected.detach()), rel=1e-12)


def test_r_drop_is_two_passes_and_the_distance_between_them() -> None:
    model, rows = Table(dtype=torch.float64, noise=0.3), batch(8)
    dropping, plain = build(("a", "b", "c"), r_drop=0.7), task("a", "b", "c")
    first, second = (model.rows[:8] + noise for noise in (model.noise[:8], model.noise[8:16]))
    left, right = first.log_softmax(1), second.log_softmax(1)
    apart = sum(kl_div(p, q, reduction="sum", log_target=True) for p, q in ((left, right), (right, left)))
    halves = sum(cross_entropy(logits, rows.labels, reduction="sum") for logits in (first, second)) / 2
    expected = halves + 0.7 * apart / 2
    found = dropping.loss(model, rows)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, model.rows), torch.autograd.grad(expected, model.rows)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
    scored = [each.infer(model, rows, with_loss=True).loss for each in (dropping, plain)]
    assert scored[0] == scored[1]  # what is evaluated is the loss without it
