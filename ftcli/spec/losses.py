"""What a task says of its loss and can't hold together: with itself, its kind of labels, or the model."""

from __future__ import annotations

from collections.abc import Iterator

from ftcli.errors import Problem
from ftcli.spec.plain import Table, as_number, table_in

_OF_WORDS = (
    ("label_smoothing", 0.0, "smooths a softmax"),
    ("class_weights", "off", "multiplies the loss of each word"),
    ("loss", "auto", "is a loss of each word"),
)


def losses_fit(data: Table) -> Iterator[Problem]:
    """What of a recipe's loss does not fit."""
    task, model = table_in(data, "task"), table_in(data, "model")
    yield from _passes_differ(task, model)
    match task.get("kind", "classification"):
        case "tagging" if model.get("head") == "crf":
            yield from _of_sentences(task)
        case "tagging":
            if task.get("class_weights") == "balanced":
                yield _not_balanced('tag\'s weight: class_weights = { "O" = 0.5 }')
        case "classification":
            yield from _of_many_labels(task) if task.get("multi_label") is True else _of_one_label(task)
        case _:
            pass


def _passes_differ(task: Table, model: Table) -> Iterator[Problem]:
    is_still = as_number(model.get("dropout")) == 0 and not as_number(model.get("head_dropout"))
    if as_number(task.get("r_drop")) and is_still and model.get("head") != "custom":
        what = "`task.r_drop` compares two passes with other dropout, and `model.dropout` is 0: they are the same"
        yield Problem(what, hint="leave it out, or set model.dropout = 0.1", key=("task", "r_drop"))


def _of_sentences(task: Table) -> Iterator[Problem]:
    for name, default, does in _OF_WORDS:
        if task.get(name, default) not in (default, {}):
            why = "" if name == "label_smoothing" else ", whose loss is that of a whole sentence"
            hint = "leave it out" if name == "label_smoothing" else 'leave it out, or set model.head = "auto"'
            yield Problem(f"`task.{name}` {does}, and `model.head` is a CRF{why}", hint=hint, key=("task", name))


def _of_one_label(task: Table) -> Iterator[Problem]:
    yield from _focal_or_smooth(task)
    if task.get("threshold", 0.5) != 0.5:
        what = "`task.threshold` is for rows with any number of labels"
        yield Problem(what, hint="set task.multi_label = true, or leave it out", key=("task", "threshold"))


def _focal_or_smooth(task: Table) -> Iterator[Problem]:
    focal, smoothing = as_number(task.get("focal_gamma")), as_number(task.get("label_smoothing"))
    if focal and smoothing:
        what = f"`task.focal_gamma` is {focal:g} and `task.label_smoothing` {smoothing:g}: they pull against each other"
        yield Problem(what, hint="keep one of them", key=("task", "label_smoothing"))


def _of_many_labels(task: Table) -> Iterator[Problem]:
    yield from _focal_or_smooth(task)
    for name in ("focal_gamma", "label_smoothing", "r_drop"):
        if as_number(task.get(name)):
            yield Problem(f"`task.{name}` is for rows with one label", hint="leave it out", key=("task", name))
    weights = task.get("class_weights", "off")
    if weights == "balanced":
        yield _not_balanced("label's weight: class_weights = { label = 2.0 }")
    elif weights not in ("off", {}) and task.get("loss", "auto") != "auto":
        what = "`task.class_weights` multiplies each label's part of a loss, and `task.loss` gives a row's as a whole"
        hint = "weigh the labels in your own loss, and leave class_weights out"
        yield Problem(what, hint=hint, key=("task", "class_weights"))


def _not_balanced(instead: str) -> Problem:
    what = '`task.class_weights` = "balanced" is for rows with one label'
    return Problem(what, hint=f"give each {instead}", key=("task", "class_weights"))
