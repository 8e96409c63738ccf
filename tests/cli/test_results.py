"""Results as text, to the character where they are small."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from ftcli.cli.results import show_evaluation, show_profile
from ftcli.data.profile import Lengths, Overlap, Profile, SplitProfile, TokenLengths
from ftcli.tasks.breakdown import ClassRow

LENGTHS = Lengths(unit="characters", p50=26, p90=44, p95=55, p99=88, max=1211)
TOKENS = TokenLengths(unit="tokens", p50=20, p90=40, p95=50, p99=80, max=300, max_length=128, cut=12)


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


def split(rows: int, **changes: object) -> SplitProfile:
    values: dict[str, object] = {
        "rows": rows,
        "labelled": 0,
        "label_counts": {},
        "majority_label": None,
        "majority_share": None,
        "lengths": LENGTHS,
        "duplicates": 0,
        "overlap": {},
    }
    return SplitProfile.model_validate({**values, **changes})


def test_a_profile_at_80_columns() -> None:
    train = split(
        34334,
        labelled=34334,
        label_counts={"不同": 23761, "相同": 10573},
        majority_label="不同",
        majority_share=23761 / 34334,
        tokens=TOKENS,
        duplicates=5,
        overlap={"test": Overlap(same=3, swapped=1)},
    )
    profile = Profile(name="afqmc", splits={"train": train, "test": split(3861)})
    assert printed(lambda console: show_profile(console, profile)) == [
        "afqmc  38,195 rows in 2 splits",
        "split    rows  labelled  duplicates  majority baseline",
        "train  34,334    34,334           5  0.6921 (always 不同)",
        "test    3,861         0           0  -",
        "",
        "label   train  share",
        "不同   23,761    69%",
        "相同   10,573    31%",
        "",
        "length of  in          median    90%    95%    99%  longest",
        "train      characters      26     44     55     88    1,211",
        "train      tokens          20     40     50     80      300",
        "test       characters      26     44     55     88    1,211",
        "max_length 128 cuts 12 rows of train (<1%)",
        "",
        "rows of  also in  as they are  with texts swapped",
        "train    test               3                   1",
    ]


def test_a_profile_without_labels_or_repeats_says_so_briefly() -> None:
    overlap = {"test": Overlap(same=0, swapped=0)}
    profile = Profile(name="mine", splits={"train": split(2, overlap=overlap), "test": split(1)})
    lines = printed(lambda console: show_profile(console, profile))
    assert lines[-1] == "no row stands in more than one split"
    assert not any(line.startswith("label") for line in lines)


def test_rare_labels_are_counted_where_they_are_many() -> None:
    counts = {f"label {number}": number + 1 for number in range(25)}
    train = split(325, labelled=325, label_counts=counts, majority_label="label 24", majority_share=25 / 325)
    lines = printed(lambda console: show_profile(console, Profile(name="mine", splits={"train": train})))
    assert lines[5] == "label 24     25     8%"
    assert "and 5 rarer labels" in lines
    assert not any(line.startswith("label 4 ") for line in lines)
