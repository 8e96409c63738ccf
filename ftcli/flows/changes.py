"""What a resumed run may change, in which way each change acts, and why the rest would make it another run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from ftcli.errors import Problem
from ftcli.runtime.rundir import RunDir
from ftcli.spec.document import Key
from ftcli.spec.dump import toml_value
from ftcli.spec.problems import dot
from ftcli.spec.processes import SPLIT_KEYS
from ftcli.spec.run import RunSpec
from ftcli.train.assemble import Parts
from ftcli.train.events import Change, RecipeChanged
from ftcli.train.fitting import limits_of
from ftcli.train.optim import rules_for
from ftcli.train.schedules import multiplier

Kind = Literal["free", "re-derives", "layout"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a change of the keys under `key` acts: its kind and what it does, or (kind None) why it can't be made."""

    key: Key
    kind: Kind | None
    text: str


_RULES = (
    Rule(("run", "name"), "free", "a name"),
    Rule(("run", "device"), "layout", "the same steps on another device"),
    Rule(("run", "seed"), None, "every later step would have other rows and other dropout"),
    Rule(("run", "code"), "free", "where the recipe's own code is looked for"),
    Rule(("run", "dir"), None, "a run stays in its folder"),
    Rule(("data",), None, "the rows, and so the steps, would be others"),
    Rule(("task",), None, "the model's outputs would mean something else"),
    Rule(("model",), None, "it would be another model"),
    Rule(("freeze", "cache"), "layout", "the same steps, with or without stored states of the frozen layers"),
    Rule(("freeze", "cache_dtype"), None, "later steps would start from rounded states, or no longer"),
    Rule(("freeze",), None, "what was trained so far would not follow from the recipe any more"),
    Rule(("optimizer", "kind"), None, "the optimizer's state is of the old kind"),
    Rule(("optimizer",), "re-derives", "in force from the next step on"),
    Rule(("schedule",), "re-derives", "the new schedule, at the step the run has reached"),
    Rule(("batch", "size"), None, "every step would have other rows, and progress counts steps"),
    Rule(("batch", "window"), None, "every step would have other rows"),
    Rule(("batch", "seed"), None, "every later step would have other rows"),
    Rule(("batch", "drop_last"), None, "every later step would have other rows"),
    Rule(("batch",), "layout", "the same rows a step, cut in another way"),
    Rule(("precision",), "layout", "the same steps in another arithmetic"),
    Rule(("train", "compile"), "layout", "the same steps by other kernels"),
    Rule(("train", "recompute"), "layout", "the same steps, with some values computed again"),
    Rule(("train", "deterministic"), "layout", "the same steps by other kernels"),
    Rule(("train", "stop_after"), "free", "for this invocation alone"),
    Rule(("train",), "re-derives", "from the next step on"),
    Rule(("evaluate", "best"), None, "the best checkpoint so far was chosen by the old one"),
    Rule(("evaluate", "better"), None, "the best checkpoint so far was chosen the old way"),
    Rule(("evaluate", "metrics"), None, "later evaluations could not be compared with earlier ones"),
    Rule(("evaluate",), "free", "how often and how it is evaluated"),
    Rule(("checkpoint",), "free", "how often it is saved, and how much is kept"),
    Rule(("log",), "free", "how often it is logged"),
    Rule(("distributed",), "layout", "the same steps, shared out in another way"),
)
"""The first rule whose key a changed key begins with holds."""


def rule_for(key: Key) -> Rule:
    """How a change of this key acts."""
    return next(rule for rule in _RULES if key[: len(rule.key)] == rule.key)


def forbidden_changes(before: RunSpec, after: RunSpec, *, folder: RunDir) -> Iterator[Problem]:
    """One problem for each change that would make it another run, with the reason and the way to do it."""
    for key in differences(before, after):
        rule = rule_for(key)
        if rule.kind is None:
            what = f"`{dot(key)}` can't change in the middle of a run: {rule.text}"
            hint = f"start a new run from its weights: ftcli train RECIPE --init-from {folder.path}/last"
            yield Problem(what, hint=hint, key=key)


def differences(before: RunSpec, after: RunSpec) -> Iterator[Key]:
    """The keys whose values differ. Where a table's kind differs, the kind alone; how to split not where nothing is."""

    def compare(left: Any, right: Any, key: Key) -> Iterator[Key]:
        if isinstance(left, dict) and isinstance(right, dict):
            left_table, right_table = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
            names = {**left_table, **right_table}
            if left_table.get("kind") != right_table.get("kind"):
                names = {"kind": None}
            if right_table.get("strategy") == "ddp":
                names = {name: None for name in names if name not in SPLIT_KEYS}
            for name in names:
                yield from compare(left_table.get(name), right_table.get(name), (*key, name))
        elif left != right:
            yield key

    return compare(before.model_dump(mode="json"), after.model_dump(mode="json"), ())


def changes_of(before: RunSpec, parts: Parts, *, step: int, old_world_size: int | None) -> RecipeChanged | None:
    """What differs in a run that goes on after `step` steps, and its rates before and after; None if nothing does."""
    after, world = parts.spec, parts.world
    changes = [
        Change(dot(key), _value(before, key), _value(after, key), str(rule_for(key).kind), rule_for(key).text)
        for key in differences(before, after)
    ]
    if old_world_size not in (None, world.size):
        text = "the same rows a step, dealt to other processes"
        changes.append(Change("processes", str(old_world_size), str(world.size), "layout", text))
    if not changes:
        return None
    rates: tuple[tuple[str, float, float], ...] = ()
    if any(change.kind == "re-derives" for change in changes):
        old, new = _rates(before, parts, step), _rates(after, parts, step)
        both = ((group, old.get(group, 0.0), new.get(group, 0.0)) for group in {**old, **new})
        rates = tuple((group, before, after) for group, before, after in both if before != after)
    return RecipeChanged(step, tuple(changes), rates)


def _value(spec: RunSpec, key: Key) -> str:
    value: Any = spec.model_dump(mode="json")
    for part in key:
        value = value[part]
    return toml_value(value)


def _rates(spec: RunSpec, parts: Parts, step: int) -> dict[str, float]:
    """The highest rate of each group in the step after `step`."""
    limits = limits_of(spec, parts.prepared.facts.splits["train"].rows, step)
    factor = multiplier(spec.schedule, min(step, limits.total_steps - 1), limits.total_steps)
    highest: dict[str, float] = {}
    for rule in rules_for(spec.optimizer, parts.loaded.model):
        highest[rule.group] = max(highest.get(rule.group, 0.0), rule.lr * factor)
    return highest
