"""Tasks of one's own, and metrics and losses of one's own in the tasks that there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from ftcli.data.targets import LabelFacts
from ftcli.errors import RecipeError
from ftcli.runtime.calling import FailingCodeError
from ftcli.runtime.code import leave_code_folder, make_importable
from ftcli.spec.choices import ClassificationTask, CustomTask, RegressionTask, TaskChoice
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Resampling, Task
from ftcli.tasks.build import build_task
from tests.tasks.toy import Table, batch_of, measured, split_of

EXAMPLES = Path(__file__).parents[2] / "recipes" / "custom"
FACTS = LabelFacts("classification", "label", ("bad", "fair", "good"))
MINE = """
def squares(logits, labels):
    return (logits - labels[:, None]).square().sum(1)

def mean(logits, labels):
    return logits.square().mean()

def flat(logits, labels):
    return (logits - labels) ** 2

def extra(found, gold):
    return {"rows": len(gold), "right": (found.argmax(1) == gold).double().mean()}

def accuracy(found, gold):
    return {"accuracy": 2.0}

def number(found, gold):
    return 1.0

def texts(found, gold):
    return {"a": "b"}

def failing(found, gold):
    return {"a": 1 / 0}

def half(facts, evaluate):
    class Half:
        results = ("label",)
        def loss(self, model, batch): ...
    return Half()
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "mine.py").write_text(MINE)
    make_importable(tmp_path)
    yield
    leave_code_folder()


def build(section: TaskChoice | None = None, **evaluate: object) -> Task:
    return build_task(section or ClassificationTask(), FACTS, EvaluateSection.model_validate(evaluate))


SCORES, LABELS = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [3, 0, 0]]), torch.tensor([0, 1, 2, 2])


def test_a_metric_stands_beside_those_of_the_task() -> None:
    found = measured(build(factory="mine:extra"), SCORES, LABELS)
    assert found == {**measured(build(), SCORES, LABELS), "rows": 4.0, "right": 0.75}
    assert {type(value) for value in found.values()} == {float}


def test_of_two_metrics_with_one_name_ones_own_counts() -> None:
    assert measured(build(factory="mine:accuracy"), SCORES, LABELS)["accuracy"] == 2.0


def test_names_of_ones_own_are_not_asked_of_the_task() -> None:
    task = build(factory="mine:extra", metrics=["mcc", "right"], best="right")
    assert list(measured(task, SCORES, LABELS)) == ["mcc", "rows", "right"]
    assert "f1_micro" in measured(build(factory="mine:extra", best="f1_micro"), SCORES, LABELS)


def test_a_metric_of_ones_own_is_called_on_resampled_rows() -> None:
    task = build(factory="mine:extra")
    assert isinstance(task, Resampling)
    split = split_of(LABELS)
    found = task.conclude(nn.Identity(), SCORES, split)
    weights = torch.tensor([[1.0, 0], [1, 2], [1, 0], [1, 4]], dtype=torch.float64)
    metrics = task.row_metrics(found, split)
    every = metrics.measure(weights)
    assert (every["right"].tolist(), every["rows"].tolist()) == ([0.75, 2 / 6], [4.0, 6.0])
    assert every["accuracy"].tolist() == every["right"].tolist()
    assert metrics.values() == pytest.approx(task.measure(found, split))
    assert not metrics.is_vectorised


@pytest.mark.parametrize(
    ("metric", "error", "what"),
    [
        ("number", RecipeError, "`mine:number` gives float, not metrics by name"),
        ("texts", RecipeError, "`mine:texts` gives str for `a`, not a number"),
        ("failing", FailingCodeError, "`mine:failing` fails: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_metric_is_an_error_at_its_key(metric: str, error: type[RecipeError], what: str) -> None:
    with pytest.raises(error) as caught:
        measured(build(factory=f"mine:{metric}"), SCORES, LABELS)
    assert type(caught.value) is error
    assert [(problem.what, problem.key) for problem in caught.value.problems] == [(what, ("evaluate", "factory"))]


@torch.no_grad()
def test_a_loss_is_summed_and_weighted_by_label() -> None:
    batch = batch_of(LABELS)
    each = (Table().rows[:4] - LABELS[:, None]).square().sum(1)
    plain = build(ClassificationTask(loss="mine:squares"))
    weighted = build(ClassificationTask(loss="mine:squares", class_weights={"good": 3.0}))
    torch.testing.assert_close(plain.loss(Table(), batch), each.sum())
    torch.testing.assert_close(weighted.loss(Table(), batch), (each * torch.tensor([1.0, 1, 3, 3])).sum())


@pytest.mark.parametrize(
    ("section", "outputs", "shape"),
    [
        (ClassificationTask(loss="mine:mean"), 3, "[]"),
        (RegressionTask(loss="mine:mean"), 1, "[]"),
        (RegressionTask(loss="mine:flat"), 1, "[4, 4]"),
        (ClassificationTask(multi_label=True, loss="mine:mean"), 3, "[]"),
    ],
)
def test_a_loss_of_another_shape_is_an_error(section: TaskChoice, outputs: int, shape: str) -> None:
    labels = nn.functional.one_hot(LABELS, 3) if getattr(section, "multi_label", False) else LABELS
    with pytest.raises(RecipeError) as caught:
        build(section).loss(Table(outputs), batch_of(labels))
    assert caught.value.problems[0].what.startswith(f"`task.loss` gives shape {shape}, where one loss for each of 4")


def test_a_task_that_lacks_something_says_what() -> None:
    with pytest.raises(RecipeError) as caught:
        build(CustomTask(factory="mine:half"))
    lacking = ("outputs", "count_items", "infer", "conclude", "measure", "detail", "answers")
    listed = ", ".join(f"`{name}`" for name in lacking)
    assert caught.value.problems[0].what == f"`mine:half` makes Half, which lacks {listed}"


# The examples


@pytest.fixture
def examples() -> None:
    make_importable(EXAMPLES)


@torch.no_grad()
def test_ordinal_losses_add_up_and_chances_follow_from_the_thresholds(examples: None) -> None:
    task, model = build(CustomTask(factory="parts:ordinal")), Table(2)
    whole = task.loss(model, batch_of(LABELS))
    assert task.outputs.size == 2
    rows = model.rows[:4]
    expected = [torch.stack((row.sigmoid()[:1], row.sigmoid()[1:])).squeeze() for row in rows]
    by_hand = sum(
        -(torch.log(chance) if label > n else torch.log(1 - chance))
        for row, label in zip(expected, LABELS.tolist(), strict=True)
        for n, chance in enumerate(row)
    )
    torch.testing.assert_close(whole, by_hand)
    scores = torch.tensor([[-9.0, -9], [9, -9], [9, 9], [9, 9]])
    assert measured(task, scores, LABELS)["accuracy"] == 1.0
    assert measured(task, -scores.flip(1), LABELS)["accuracy"] < 1.0


@torch.no_grad()
def test_the_robust_loss_is_bounded_and_small_where_it_is_right(examples: None) -> None:
    task = build(ClassificationTask(loss="parts:robust"))
    logits = torch.tensor([[50.0, 0, 0], [50.0, 0, 0]])
    model = Table()
    model.rows[:2] = logits
    right, wrong = (task.loss(model, batch_of(torch.tensor(labels))) for labels in ([0, 0], [1, 2]))
    assert float(right) == pytest.approx(0.0, abs=1e-6)
    assert float(wrong) == pytest.approx(2 / 0.7, rel=1e-6)


def test_recall_at_precision_counts_from_the_surest_on(examples: None) -> None:
    task = build(factory="parts:recall_at_precision")
    scores = torch.zeros(30, 3)
    scores[:, 2] = torch.linspace(5, -5, 30)
    labels = torch.zeros(30, dtype=torch.int64)
    labels[:9], labels[10:15], labels[20:22] = 2, 2, 2
    expected = max(found / 16 for rows in range(1, 31) if (found := int((labels[:rows] == 2).sum())) / rows >= 0.9)
    assert measured(task, scores, labels)["recall_at_precision"] == pytest.approx(expected)
    assert measured(task, scores, torch.zeros(30, dtype=torch.int64))["recall_at_precision"] == 0.0
