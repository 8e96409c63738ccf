"""Law 4: what a stage does not train keeps its bytes through it; what a later stage opens changes from then on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ftcli.flows.laws.bench import Bench
from ftcli.flows.laws.check import Check, exact, unchecked
from ftcli.flows.laws.measure import is_key_bias
from ftcli.flows.laws.short_run import Prints
from ftcli.modeling.freezing import Stage
from ftcli.runtime.activity import Working


def check(bench: Bench) -> Working[list[Check]]:
    """Look at the short run's parameters where its stages begin, and at its end."""
    yield from ()
    run, prints = bench.whole.run, bench.whole.prints
    stages = run.freezing.stages
    names = list(prints[0])
    frozen = [name for name in names if any(name not in stage.trainable for stage in stages)]
    if not frozen:
        return [unchecked("frozen", "bytes of frozen tensors", "nothing is frozen")]
    changed = exact(
        "frozen", "frozen tensors that changed", moved_though_frozen(stages, prints), note=f"of {len(frozen)}"
    )
    opened = opened_later(stages)
    if not opened:
        return [changed]
    what = "opened ones that did not"
    if run.progress.num_overflows:
        return [changed, unchecked("frozen", what, f"fp16 skipped {run.progress.num_overflows} of the steps")]
    still = {rule.name for rule in bench.still.rules if rule.lr == 0}
    stuck = [name for name in opened_but_still(stages, prints) if name not in still and not is_key_bias(name)]
    return [changed, exact("frozen", what, stuck, note=f"of {len(opened)}")]


def moved_though_frozen(stages: Sequence[Stage], prints: Sequence[Prints]) -> list[str]:
    """The tensors that changed within a stage that does not train them."""
    return sorted({name for stage, moved in _moves(stages, prints) for name in moved - stage.trainable})


def opened_later(stages: Sequence[Stage]) -> set[str]:
    """The tensors that the first stage does not train and a later one does."""
    return set[str]().union(*(stage.trainable for stage in stages[1:])) - stages[0].trainable


def opened_but_still(stages: Sequence[Stage], prints: Sequence[Prints]) -> list[str]:
    """The tensors that a later stage opened and no stage that trains them changed."""
    changed = {name for stage, moved in _moves(stages, prints) for name in moved & stage.trainable}
    return sorted(opened_later(stages) - changed)


def _moves(stages: Sequence[Stage], prints: Sequence[Prints]) -> Iterator[tuple[Stage, set[str]]]:
    """Each stage, and the tensors that changed within it."""
    for stage, (before, after) in zip(stages, pairwise(prints), strict=True):
        yield stage, {name for name, print_before in before.items() if after[name] != print_before}
