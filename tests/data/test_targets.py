"""Labels become the numbers that a task takes, or there are none."""

from __future__ import annotations

import pytest
import torch

from ftcli.data.targets import LabelFacts, targets_of


def facts(task: str, *labels: str) -> LabelFacts:
    return LabelFacts(task, "y", labels)


def rows(*values: object) -> list[dict[str, object]]:
    return [{"x": "text", "y": value} for value in values]


@pytest.mark.parametrize(
    ("asked", "values", "expected"),
    [
        (facts("classification", "no", "yes"), ("yes", "no", " yes "), torch.tensor([1, 0, 1])),
        (facts("classification", "0", "1"), (1, "0", 1), torch.tensor([1, 0, 1])),
        (
            facts("multilabel", "a", "b", "c"),
            (["c", "a"], [], ["b"]),
            torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=torch.uint8),
        ),
        (facts("multilabel", "a"), ([], ["a"]), torch.tensor([[0], [1]], dtype=torch.uint8)),
        (facts("regression"), (0, 2.5, -1), torch.tensor([0.0, 2.5, -1.0])),
        (facts("tagging", "O", "B-x", "I-x"), (["B-x", "I-x"], ["O"]), torch.tensor([1, 2, 0])),
    ],
)
def test_labels_are_numbers_in_the_order_of_their_list(
    asked: LabelFacts, values: tuple[object, ...], expected: torch.Tensor
) -> None:
    found = targets_of(rows(*values), asked)
    assert found is not None
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression", "tagging"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_rows_without_labels_have_no_targets(task: str, value: object) -> None:
    assert targets_of(rows(value, value), facts(task, "a")) is None
    assert targets_of([{"x": "text"}], facts(task, "a")) is None
    assert targets_of(rows("a"), LabelFacts(task, None, ("a",))) is None


def test_no_rows_have_no_targets() -> None:
    assert targets_of([], facts("classification", "a")) is None


@pytest.mark.parametrize(
    ("task", "value"), [("classification", "b"), ("multilabel", ["a", "b"]), ("tagging", ["a", "b"])]
)
def test_a_label_that_is_not_in_the_list_is_never_passed_over(task: str, value: object) -> None:
    with pytest.raises(KeyError):
        targets_of(rows(value), facts(task, "a"))
