"""What a user reads when a recipe asks its task for something that does not fit it, or the labels that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.errors import recipe, refused
from tests.conftest import Ftcli, make_rows, write_rows


@pytest.mark.parametrize("setting", ['evaluate.metrics=["accuracy", "f1"]', "evaluate.best=f1"])
def test_f1_of_three_labels_is_refused(project: Path, ftcli: Ftcli, setting: str) -> None:
    for name, seed in (("train", 1), ("validation", 2), ("test", 3)):
        write_rows(Path(f"{name}.jsonl"), make_rows(30, seed=seed, labels=("a", "b", "c")))
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert error == (
        "error[recipe]: `f1` is of two labels, and the data has 3\n"
        f"  --> --set {setting}\n"
        "help: use f1_macro or f1_micro\n"
    )


def test_a_metric_that_the_task_does_not_know_names_the_nearest(project: Path, ftcli: Ftcli) -> None:
    name = recipe(extra='[evaluate]\nmetrics = ["accuracy", "f1_marco"]\n')
    assert refused(ftcli("train", name), 2) == (
        "error[recipe]: there is no metric `f1_marco` for classification\n"
        "  --> a.toml:22\n"
        "   |\n"
        '22 | metrics = ["accuracy", "f1_marco"]\n'
        "   |                        ^^^^^^^^^^\n"
        "help: did you mean `f1_macro`? It has accuracy, f1, f1_macro, f1_micro, mcc, roc_auc\n"
    )


@pytest.mark.parametrize(
    ("task", "best", "hint"),
    [
        ("task.kind=classification", "pearson", "It has accuracy, f1, f1_macro, f1_micro, mcc, roc_auc"),
        ("task.kind=regression", "pearsn", "did you mean `pearson`? It has pearson, spearman, mse, mae"),
    ],
)
def test_the_best_is_told_by_a_metric_of_the_task(project: Path, ftcli: Ftcli, task: str, best: str, hint: str) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", task, "--set", f"evaluate.best={best}"), 2)
    assert error == (
        f"error[recipe]: there is no metric `{best}` for {task.partition('=')[2]}\n"
        f"  --> --set evaluate.best={best}\n"
        f"help: {hint}\n"
    )


def test_a_class_weight_of_no_label_is_refused(project: Path, ftcli: Ftcli) -> None:
    setting = "task.class_weights={maybe = 2.0}"
    assert refused(ftcli("train", "tiny.toml", "--set", setting), 2) == (
        f"error[recipe]: `task.class_weights` has a weight for `maybe`; the labels are no, yes\n  --> --set {setting}\n"
    )


ONE_TEXT = (', pair = "b"', "")


def test_both_orders_of_a_single_text_are_refused(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", recipe(ONE_TEXT), "--set", "task.symmetric=true"), 2)
    assert error == (
        "error[recipe]: `task.symmetric` is for pairs, and the data has one text\n"
        "  --> --set task.symmetric=true\n"
        "help: leave it out, or name the second text: columns.pair\n"
    )


def test_smoothing_under_a_crf_is_refused(project: Path, ftcli: Ftcli) -> None:
    settings = ("task.kind=tagging", "model.head=crf", "task.label_smoothing=0.1")
    error = refused(ftcli("train", recipe(ONE_TEXT), *(part for each in settings for part in ("--set", each))), 2)
    assert error == (
        "error[recipe]: `task.label_smoothing` smooths a softmax, and `model.head` is a CRF\n"
        "  --> --set task.label_smoothing=0.1\n"
        "help: leave it out\n"
    )


def test_a_key_of_another_kind_is_not_its_own_suggestion(project: Path, ftcli: Ftcli) -> None:
    settings = ("task.kind=regression", "task.focal_gamma=2.0")
    error = refused(ftcli("train", "tiny.toml", *(part for each in settings for part in ("--set", each))), 2)
    assert "unknown key `focal_gamma` in [task]" in error
    assert "`focal_gamma` goes with another `kind`; leave it out" in error
