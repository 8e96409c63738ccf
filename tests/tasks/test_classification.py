"""What a batch means to a classifier: losses are sums, and the metrics are those that fit the labels."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ftcli.errors import RecipeError
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch
from ftcli.tasks.classification import Classification, build_classification


class Table(nn.Module):
    """A model whose logits are a learned row for each token id."""

    def __init__(self, num_labels: int = 3, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.rows = nn.Parameter(torch.randn(20, num_labels, generator=generator).to(dtype))

    def forward(self, input_ids: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.rows[input_ids[:, 0]])


def batch(rows: int, *, labels: int = 3) -> Batch:
    return Batch({"input_ids": torch.arange(rows)[:, None]}, torch.arange(rows) % labels, torch.arange(rows))


def task(*labels: str, **section: object) -> Classification:
    return build_classification(labels, EvaluateSection.model_validate(section))


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
    found = task("a", "b").probabilities(torch.tensor([[1000.0, -1000.0], [0.0, 0.0]]))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_with_two_labels_the_last_one_is_the_positive() -> None:
    gold = torch.tensor([1, 1, 1, 0, 0])
    scores = torch.nn.functional.one_hot(torch.tensor([1, 1, 0, 1, 0]), 2).float()
    found = task("no", "yes").measure(scores, gold)
    assert found["f1"] == pytest.approx(2 / 3)  # 2 of 3 found, 2 of 3 right
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["f1_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_metrics_that_fit_are_chosen_and_a_chosen_list_is_obeyed() -> None:
    gold, scores = torch.tensor([0, 1, 2]), torch.eye(3)
    assert set(task("a", "b").metrics) == {"accuracy", "f1", "f1_macro", "mcc", "roc_auc"}
    assert set(task("a", "b", "c").measure(scores, gold)) == {"accuracy", "f1_macro", "mcc", "roc_auc"}
    chosen = task("a", "b", "c", metrics=["f1_micro", "mcc"], best="mcc")
    assert chosen.measure(scores, gold) == {"f1_micro": 1.0, "mcc": 1.0}


def test_the_metric_that_makes_the_best_is_always_measured() -> None:
    assert "f1_micro" in task("a", "b", "c", best="f1_micro").metrics
    assert "loss" not in task("a", "b", best="loss").metrics


def test_an_area_that_is_not_defined_is_left_out() -> None:
    found = task("a", "b", "c").measure(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
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
