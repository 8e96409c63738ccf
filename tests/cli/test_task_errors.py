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
        "  --> a.toml:23\n"
        "   |\n"
        '23 | metrics = ["accuracy", "f1_marco"]\n'
        "   |                        ^^^^^^^^^^\n"
        "help: did you mean `f1_macro`? there are accuracy, f1, f1_macro, f1_micro, mcc, roc_auc\n"
    )


@pytest.mark.parametrize(
    ("task", "best", "hint"),
    [
        ("task.kind=classification", "pearson", "there are loss, accuracy, f1, f1_macro, f1_micro, mcc, roc_auc"),
        ("task.kind=regression", "pearsn", "did you mean `pearson`? there are loss, pearson, spearman, mse, mae"),
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
    setting = "task.class_weights={yess = 2.0}"
    assert refused(ftcli("train", "tiny.toml", "--set", setting), 2) == (
        "error[recipe]: `task.class_weights` names `yess`, which is no label of the data\n"
        f"  --> --set {setting}\n"
        "help: did you mean `yes`? The labels are no, yes\n"
    )


def test_a_threshold_of_no_label_is_refused(project: Path, ftcli: Ftcli) -> None:
    rows = [{"a": row["a"], "label": row["label"]} for row in make_rows(30, seed=1)]
    for name in ("train", "validation", "test"):
        write_rows(Path(f"{name}.jsonl"), rows)
    setting = "task.threshold={maybe = 0.3}"
    name = recipe(ONE_TEXT, extra="[task]\nmulti_label = true\n")
    assert refused(ftcli("train", name, "--set", setting), 2) == (
        "error[recipe]: `task.threshold` names `maybe`, which is no label of the data\n"
        f"  --> --set {setting}\n"
        "help: The labels are no, yes\n"
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


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("task.class_weights={O = 0.5}", "`task.class_weights` multiplies the loss of each word"),
        ("task.loss=mine:loss", "`task.loss` is a loss of each word"),
    ],
)
def test_a_crf_takes_no_loss_of_single_words(project: Path, ftcli: Ftcli, setting: str, what: str) -> None:
    settings = ("task.kind=tagging", "model.head=crf", setting)
    error = refused(ftcli("train", recipe(ONE_TEXT), *(part for each in settings for part in ("--set", each))), 2)
    assert error == (
        f"error[recipe]: {what}, and `model.head` is a CRF, whose loss is that of a whole sentence\n"
        f"  --> --set {setting}\n"
        'help: leave it out, or set model.head = "auto"\n'
    )


def test_tags_have_no_balanced_weights(project: Path, ftcli: Ftcli) -> None:
    settings = ("task.kind=tagging", "task.class_weights=balanced")
    error = refused(ftcli("train", recipe(ONE_TEXT), *(part for each in settings for part in ("--set", each))), 2)
    assert error == (
        'error[recipe]: `task.class_weights` = "balanced" is for rows with one label\n'
        "  --> --set task.class_weights=balanced\n"
        'help: give each tag\'s weight: class_weights = { "O" = 0.5 }\n'
    )


def test_weights_of_labels_beside_an_own_loss_of_rows_are_refused(project: Path, ftcli: Ftcli) -> None:
    settings = ("task.multi_label=true", "task.loss=mine:loss", "task.class_weights={yes = 2.0}")
    error = refused(ftcli("train", "tiny.toml", *(part for each in settings for part in ("--set", each))), 2)
    assert error == (
        "error[recipe]: `task.class_weights` multiplies each label's part of a loss, and `task.loss` gives a row's"
        " as a whole\n"
        "  --> --set task.class_weights={yes = 2.0}\n"
        "help: weigh the labels in your own loss, and leave class_weights out\n"
    )


def test_r_drop_without_dropout_is_refused(project: Path, ftcli: Ftcli) -> None:
    settings = ("model.dropout=0.0", "task.r_drop=1.0")
    error = refused(ftcli("train", "tiny.toml", *(part for each in settings for part in ("--set", each))), 2)
    assert error == (
        "error[recipe]: `task.r_drop` compares two passes with other dropout, and `model.dropout` is 0: they are the"
        " same\n"
        "  --> --set task.r_drop=1.0\n"
        "help: leave it out, or set model.dropout = 0.1\n"
    )


def test_holdouts_that_leave_nothing_are_refused(project: Path, ftcli: Ftcli) -> None:
    name = recipe(
        ('validation = "validation.jsonl"\n', "holdout = 0.6\n"), ('test = "test.jsonl"\n', "test_holdout = 0.4\n")
    )
    error = refused(ftcli("train", name), 2)
    assert "error[recipe]: `data.holdout` and `data.test_holdout` together leave nothing in train\n" in error
    assert "help: they are shares of the rows, such as 0.1; both together stay below 1\n" in error


def test_micro_batches_are_counted_in_sequences(project: Path, ftcli: Ftcli) -> None:
    """Of a step of 8 symmetric pairs there are 16."""
    settings = ["--set", "task.symmetric=true", "--dry-run"]
    assert ftcli("train", "tiny.toml", *settings, "--set", "batch.micro_size=16").code == 0
    error = refused(ftcli("train", "tiny.toml", *settings, "--set", "batch.micro_size=17"), 2)
    assert error == (
        "error[recipe]: `batch.micro_size` is 17, more than the 16 sequences of a step (`batch.size`)\n"
        "  --> --set batch.micro_size=17\n"
        "help: use at most 16, or a larger batch.size\n"
    )


def test_a_key_of_another_kind_is_not_its_own_suggestion(project: Path, ftcli: Ftcli) -> None:
    settings = ("task.kind=regression", "task.focal_gamma=2.0")
    error = refused(ftcli("train", "tiny.toml", *(part for each in settings for part in ("--set", each))), 2)
    assert "unknown key `focal_gamma` in [task]" in error
    assert '`focal_gamma` goes with `kind` = "classification"; leave it out' in error
