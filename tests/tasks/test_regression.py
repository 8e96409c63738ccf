"""A number for each row: squared errors as a sum, and correlations that are left out where they are not defined."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from torch import nn
from torch.nn.functional import mse_loss

from ftcli.data.targets import LabelFacts
from ftcli.spec.choices import RegressionTask
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.build import build_task
from tests.tasks.toy import Table, batch_of, measured, split_of

GOLD = torch.tensor([0.5, -2.0, 3.25, 0.0])


def task(**evaluate: object) -> Task:
    facts = LabelFacts("regression", "score", ())
    return build_task(RegressionTask(), facts, EvaluateSection.model_validate(evaluate))


@torch.no_grad()
def test_the_loss_is_the_sum_of_squared_errors() -> None:
    model = Table(1, torch.float64)
    expected = mse_loss(model.rows[:4, 0], GOLD.double(), reduction="sum")
    assert float(task().loss(model, batch_of(GOLD))) == pytest.approx(float(expected), rel=1e-12)
    scored = task().infer(model, batch_of(GOLD), with_loss=True).loss
    assert scored is not None
    assert float(scored) == pytest.approx(float(expected), rel=1e-12)
    assert task().infer(model, batch_of(GOLD), with_loss=False).loss is None
    assert task().count_items(split_of(GOLD, sequences=[1, 2, 1, 2]), torch.tensor([1, 2])) == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_losses_and_scores_are_single_precision(dtype: torch.dtype) -> None:
    result = task().infer(Table(1, dtype), batch_of(GOLD), with_loss=True)
    assert result.loss is not None
    assert result.scores.dtype is result.loss.dtype is torch.float32
    assert result.scores.shape == (4, 1)


numbers = st.floats(-1e3, 1e3, width=32)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30))
@settings(deadline=None, max_examples=80)
def test_errors_are_scikit_learns(rows: list[tuple[float, float]]) -> None:
    gold, predicted = torch.tensor(rows, dtype=torch.float32).T
    found = measured(task(), predicted[:, None], gold)
    exact = gold.double().numpy(), predicted.double().numpy()
    assert found["mse"] == pytest.approx(reference.mean_squared_error(*exact), rel=1e-9, abs=1e-12)
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(*exact), rel=1e-9, abs=1e-12)


def test_a_chosen_list_of_metrics_is_obeyed_and_a_correlation_that_is_none_is_left_out() -> None:
    chosen = task(metrics=["mae", "pearson"], best="mae")
    assert list(measured(chosen, GOLD[:, None], GOLD)) == ["mae", "pearson"]
    assert measured(chosen, torch.ones(4, 1), torch.zeros(4)) == {"mae": 1.0}


def test_of_a_pair_in_both_orders_the_numbers_are_averaged() -> None:
    split = split_of(torch.tensor([1.0, 5.0]), sequences=[2, 1])
    found = task().conclude(nn.Identity(), torch.tensor([[0.5], [1.5], [5.0]]), split)
    assert found.tolist() == [1.0, 5.0]
    assert task().measure(found, split)["mse"] == 0


def test_a_rows_answer_is_its_number() -> None:
    split = split_of(None, rows=2)
    found = task().conclude(nn.Identity(), torch.tensor([[0.123456789], [-3.0]]), split)
    assert list(task().answers(found, split, [{}, {}])) == [{"value": 0.123457}, {"value": -3.0}]
    assert task().results == ("value",)
    assert task().detail(found, split).per_class == []


def test_the_model_is_asked_for_one_number() -> None:
    outputs = task().outputs
    assert (outputs.labels, outputs.size, outputs.problem) == ((), 1, "regression")
