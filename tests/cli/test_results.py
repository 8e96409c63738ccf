"""Results as text, to the character where they are small."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from ftcli.cli.results import show_evaluation
from ftcli.tasks.breakdown import ClassRow


def printed(show: Callable[[Console], None], width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        show(console)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert max(map(cell_len, lines)) <= width
    return lines


def evaluation(labels: list[str], confusion: list[list[int]], width: int = 80) -> list[str]:
    return printed(
        lambda console: show_evaluation(
            console,
            title="test",
            rows=10,
            loss=None,
            metrics={},
            per_class=[],
            confusion=confusion,
            labels=labels,
        ),
        width,
    )


def test_an_evaluation_of_two_chinese_labels() -> None:
    def show(console: Console) -> None:
        show_evaluation(
            console,
            title="validation",
            rows=4316,
            loss=0.4123,
            metrics={"accuracy": 0.8888, "mcc": 0.0004},
            per_class=[
                ClassRow("不同", 0.9043, 0.85, 0.8763, 2000),
                ClassRow("意思相同", 0.8768, 0.9223, 0.8990, 2316),
            ],
            confusion=[[1700, 300], [180, 2136]],
            labels=["不同", "意思相同"],
        )

    assert printed(show) == [
        "validation  4,316 rows",
        "  loss        0.4123",
        "  accuracy    0.8888",
        "  mcc        4.0e-04",
        "",
        "label     precision  recall      f1  support",
        "不同         0.9043  0.8500  0.8763    2,000",
        "意思相同     0.8768  0.9223  0.8990    2,316",
        "",
        "confusion matrix (rows: gold, columns: predicted)",
        "           不同  意思相同",
        "不同      1,700       300",
        "意思相同    180     2,136",
    ]


@pytest.mark.parametrize("confusion", [None, []])
def test_a_regression_has_neither_classes_nor_a_matrix(confusion: list[list[int]] | None) -> None:
    def show(console: Console) -> None:
        show_evaluation(
            console, title="test", rows=1, loss=0.5, metrics={"mse": 0.25}, per_class=[], confusion=confusion, labels=[]
        )

    assert printed(show) == ["test  1 row", "  loss    0.5000", "  mse     0.2500"]


def test_long_labels_stand_beside_the_matrix_and_numbers_above_it() -> None:
    labels = [f"a label of some length {number}" for number in range(4)]
    lines = evaluation(labels, [[9, 1, 0, 0], [0, 8, 0, 0], [0, 0, 7, 0], [0, 0, 0, 6]])
    assert lines[-5:] == [
        "                            1  2  3  4",
        "1 a label of some length 0  9  1  0  0",
        "2 a label of some length 1  0  8  0  0",
        "3 a label of some length 2  0  0  7  0",
        "4 a label of some length 3  0  0  0  6",
    ]


def test_many_labels_are_told_by_their_most_frequent_confusions() -> None:
    labels = [f"类{number}" for number in range(13)]
    counts = [[5 if gold == predicted else 0 for predicted in range(13)] for gold in range(13)]
    counts[2][7], counts[11][0] = 3, 40
    assert evaluation(labels, counts)[-4:] == [
        "most frequent confusions (there is no room for a matrix of 13 labels)",
        "gold  predicted  rows",
        "类11  类0          40",
        "类2   类7           3",
    ]


def test_many_labels_without_a_confusion() -> None:
    counts = [[int(gold == predicted) for predicted in range(13)] for gold in range(13)]
    assert evaluation([str(n) for n in range(13)], counts)[-1] == "no label was mistaken for another of the 13"


@pytest.mark.parametrize("width", [40, 80, 160])
def test_wide_matrices_and_labels_stay_within_the_width(width: int) -> None:
    labels = ["一个非常长的类别名称" * 5 + str(number) for number in range(12)]
    counts = [[100_000] * 12 for _ in range(12)]
    assert evaluation(labels, counts, width)
