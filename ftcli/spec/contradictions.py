"""Values that are each fine but can't hold together.

The checks read plain data, not models, so that they can speak even while other keys are still wrong: a user sees
every problem of a recipe at once. A value of an unexpected type is skipped here, for the models report it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from ftcli.errors import Problem
from ftcli.spec.factories import code_is_named_well
from ftcli.spec.losses import losses_fit
from ftcli.spec.metrics import METRICS, best_metric, metric_meant
from ftcli.spec.plain import Table, as_number, table_in
from ftcli.spec.processes import SPLIT_KEYS, DistributedSection
from ftcli.spec.wording import counted

OWN_FILES = (
    *("train", "validation", "test", "also", "columns", "labels", "label_map", "label_separator", "tags", "format"),
    *("holdout", "test_holdout"),
)
_PLAIN: dict[str, Table] = {
    "format": {
        "kind": "auto",
        "delimiter": None,
        "quotes": "auto",
        "encoding": "utf-8",
        "header": True,
        "comments": False,
        "factory": "off",
    },
    "tags": {"scheme": "auto", "to": "bioes", "invalid": "refuse"},
    "label_map": {},
    "also": {},
}


def contradictions(data: Table) -> list[Problem]:
    """Every contradiction within a recipe's data (tables of plain values)."""
    return [problem for check in _CHECKS for problem in check(data)]


def _data_named_or_given(data: Table) -> Iterator[Problem]:
    table = table_in(data, "data")
    if "data" in data and "name" not in table and "train" not in table:
        hint = 'write name = "afqmc" (or another built-in), or train = "FILE" with columns'
        yield Problem("[data] names no data", hint=hint, key=("data",))
    if "name" in table and "train" in table:
        what = f'`data.name` is "{table["name"]}" and `data.train` is "{table["train"]}": one of them, not both'
        yield Problem(what, hint="name a built-in data set, or give files of your own", key=("data", "train"))
    if "name" in table and "train" not in table:
        for key in (key for key in OWN_FILES if not _says_nothing(key, table.get(key))):
            what = f'`data.{key}` goes with files of your own, but `data.name` is "{table["name"]}"'
            yield Problem(what, hint="leave it out, or copy the data set's card and change that", key=("data", key))
    if "train" in table and "columns" not in table:
        hint = 'write columns = { text = "...", label = "..." }'
        yield Problem("`data.columns` is needed to read files of your own", hint=hint, key=("data", "train"))
    yield from _labels_fit(table, _task_name(data))
    yield from _holdouts_fit(table)
    yield from _sets_fit(table)


def _holdouts_fit(table: Table) -> Iterator[Problem]:
    for key, split in (("holdout", "validation"), ("test_holdout", "test")):
        if as_number(table.get(key)) and table.get(split, "off") != "off":
            what = f"`data.{key}` makes a {split} split, but `data.{split}` names one already"
            yield Problem(what, hint="leave one of them out", key=("data", key))
    if (as_number(table.get("holdout")) or 0) + (as_number(table.get("test_holdout")) or 0) >= 1:
        what = "`data.holdout` and `data.test_holdout` together leave nothing in train"
        hint = "they are shares of the rows, such as 0.1; both together stay below 1"
        yield Problem(what, hint=hint, key=("data", "test_holdout" if "test_holdout" in table else "holdout"))


def _sets_fit(table: Table) -> Iterator[Problem]:
    has_validation = as_number(table.get("holdout")) or table.get("validation", "off") != "off"
    if "train" in table and table.get("also") and not has_validation:
        what = "`data.also` is scored beside a validation split, and there is none"
        hint = "name one: data.validation, or hold rows out of train: data.holdout = 0.1"
        yield Problem(what, hint=hint, key=("data", "also"))


def _labels_fit(table: Table, task: str) -> Iterator[Problem]:
    columns = table.get("columns")
    if task == "tagging" and isinstance(columns, dict) and "pair" in columns:
        what = "`data.columns.pair` has no place: tagging reads one text"
        yield Problem(what, hint="leave it out", key=("data", "columns", "pair"))
    for key in ("labels", "label_map"):
        if task == "regression" and table.get(key, "auto") not in ("auto", {}):
            what = f"`data.{key}` has no place: regression has numbers, not labels"
            yield Problem(what, hint="leave it out", key=("data", key))
    if task not in ("tagging", "custom") and not _says_nothing("tags", table.get("tags")):
        what = "`data.tags` is for tagged words"
        yield Problem(what, hint='set task.kind = "tagging", or leave it out', key=("data", "tags"))


def _says_nothing(key: str, value: object) -> bool:
    """Whether a key of one's own files is absent or as it would be if it were."""
    if key in _PLAIN and isinstance(value, dict):
        plain = _PLAIN[key]
        return all(plain.get(name) == given for name, given in cast("Table", value).items())
    return value in (None, 0, "off", "auto") or (key == "label_separator" and value == ",")


def _batch_fits(data: Table) -> Iterator[Problem]:
    batch = table_in(data, "batch")
    size, most = as_number(batch.get("size", 32)), _most_sequences(data)
    for name in ("micro_size", "accumulation"):
        value = as_number(batch.get(name))
        if size is not None and value is not None and most is not None and value > size * most > 0:
            unit = "row" if most == 1 else "sequence"
            what = (
                f"`batch.{name}` is {value:g}, more than the {counted(int(size * most), unit)} of a step (`batch.size`)"
            )
            yield Problem(what, hint=f"use at most {size * most:g}, or a larger batch.size", key=("batch", name))
    tokens, length = as_number(batch.get("max_tokens")), as_number(table_in(data, "data").get("max_length", 128))
    if tokens is not None and length is not None and tokens < length:
        what = f"`batch.max_tokens` is {tokens:g}, but one row may have {length:g} tokens (`data.max_length`)"
        yield Problem(what, hint=f"use at least {length:g}", key=("batch", "max_tokens"))


def _most_sequences(data: Table) -> int | None:
    """How many sequences a row has at most; None where that shows only in the data, as of sentences in windows."""
    task = table_in(data, "task")
    kind = task.get("kind", "classification")
    if kind not in ("classification", "regression"):
        return None
    return 2 if task.get("symmetric") is True else 1


def one_cut(layer: Table) -> Iterator[Problem]:
    """Two ways to cut a step in one layer; over several layers the later one wins."""
    batch = table_in(layer, "batch")
    given = [name for name in ("micro_size", "max_tokens", "accumulation") if as_number(batch.get(name)) is not None]
    if len(given) > 1:
        both = " and ".join(f"`batch.{name}` = {batch[name]}" for name in given[:2])
        yield Problem(f"{both}: a step is cut in one way", hint="keep one of them", key=("batch", given[1]))


def _metrics_fit(data: Table) -> Iterator[Problem]:
    evaluate, task = table_in(data, "evaluate"), _task_name(data)
    known, own = METRICS.get(task), evaluate.get("factory", "off") != "off"  # which metrics it has shows when it runs
    metrics, best = evaluate.get("metrics", "auto"), evaluate.get("best", "auto")
    listed = [str(name) for name in cast("list[object]", metrics)] if isinstance(metrics, list | tuple) else []
    given = [(name, ("evaluate", "metrics", number)) for number, name in enumerate(listed)]
    given += [(best, ("evaluate", "best"))] if isinstance(best, str) and best not in ("auto", "loss") else []
    for name, key in given:
        if known is not None and not own and name not in known:
            names = known if key[1] == "metrics" else ("loss", *known)
            hint = f"{metric_meant(name, names)}there are {', '.join(names)}"
            yield Problem(f"there is no metric `{name}` for {task}", hint=hint, key=key)
    wanted = best_metric(best, task) if isinstance(best, str) else best
    if listed and wanted != "loss" and wanted not in listed:
        what = f'`evaluate.best` is "{wanted}", which `evaluate.metrics` ({", ".join(listed)}) leaves out'
        yield Problem(what, hint=f'add "{wanted}" to evaluate.metrics', key=("evaluate", "metrics"))


def _task_name(data: Table) -> str:
    task = table_in(data, "task")
    kind = str(task.get("kind", "classification"))
    return "multilabel" if kind == "classification" and task.get("multi_label") is True else kind


def _stages_have_one_point(data: Table) -> Iterator[Problem]:
    stages = table_in(data, "freeze").get("stages", [])
    for index, stage in enumerate(cast("list[Any]", stages) if isinstance(stages, list | tuple) else []):
        at = table_in(cast("Table", stage), "at") if isinstance(stage, dict) else {}
        if at and len(at) != 1:
            key = ("freeze", "stages", index, "at")
            yield Problem(f"a stage begins at one point, not at {' and '.join(at)}", hint="keep one of them", key=key)


def _patterns_compile(data: Table) -> Iterator[Problem]:
    for key, pattern in _patterns(data):
        try:
            re.compile(pattern)
        except re.error as error:
            yield Problem(f"`{pattern}` is not a regular expression: {error}", key=key)


def _patterns(data: Table) -> Iterator[tuple[tuple[str | int, ...], str]]:
    freeze, optimizer = table_in(data, "freeze"), table_in(data, "optimizer")
    for index, pattern in enumerate(_items(freeze, "patterns")):
        yield ("freeze", "patterns", index), pattern
    for number, stage in enumerate(_items(freeze, "stages")):
        for name in ("unfreeze", "freeze"):
            for index, pattern in enumerate(_items(stage, name)):
                yield ("freeze", "stages", number, name, index), pattern
    for number, group in enumerate(_items(optimizer, "groups")):
        if isinstance(group, dict) and isinstance(group.get("match"), str):  # pyright: ignore[reportUnknownMemberType]
            yield ("optimizer", "groups", number, "match"), cast("str", group["match"])


def split_in_vain(layer: Table, other: object) -> Iterator[Problem]:
    """Ways to split that one layer names where nothing is split: by its own strategy, or by `other`, that of the rest.

    Beside "ddp" itself the defaults may stand, for a run's recipe has all keys.
    """
    table = table_in(layer, "distributed")
    strategy = table.get("strategy", other)
    for key in (key for key in SPLIT_KEYS if key in table and strategy in (None, "ddp")):
        if "strategy" in table and table[key] == DistributedSection.model_fields[key].default:
            continue
        known = "" if strategy is None else f', and it is "{strategy}"'
        what = f'`distributed.{key}` goes with `distributed.strategy = "fsdp"`{known}'
        yield Problem(what, hint='set distributed.strategy = "fsdp", or leave it out', key=("distributed", key))


def _processes_fit(data: Table) -> Iterator[Problem]:
    table = table_in(data, "distributed")
    if table.get("strategy") != "fsdp":
        return
    if table.get("offload") is True and table.get("sharding") == "stage1":
        what = "`distributed.offload` keeps split weights on the host, but stage1 leaves weights whole"
        yield Problem(what, hint='use sharding = "stage3", or no offload', key=("distributed", "offload"))
    if table_in(data, "train").get("compile") is True and table.get("sharding") != "stage1":
        what = "steps can't be compiled where weights are split"
        yield Problem(what, hint='leave it out, or use sharding = "stage1"', key=("train", "compile"))


def _items(table: Any, name: str) -> list[Any]:
    value = cast("Table", table).get(name) if isinstance(table, dict) else None
    items = cast("list[Any]", value) if isinstance(value, list | tuple) else []
    return [item for item in items if isinstance(item, str | dict)]


_CHECKS: tuple[Callable[[Table], Iterator[Problem]], ...] = (
    _data_named_or_given,
    _batch_fits,
    _metrics_fit,
    losses_fit,
    _stages_have_one_point,
    _patterns_compile,
    code_is_named_well,
    _processes_fit,
)
