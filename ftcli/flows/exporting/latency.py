"""How long a checkpoint and its export take for a batch, measured in turns so that both meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

import torch

from ftcli.data.tokens import TokenizedSplit
from ftcli.flows.predictor import Predictor
from ftcli.runtime.activity import Activity, Working, finish
from ftcli.runtime.encoding import Fields
from ftcli.spec.wording import counted

BATCHES = (1, 32)
"""Rows at once."""
_SECONDS, _CALLS, _FEWEST_CALLS = 3.0, 200, 5
"""How long, and how often, a batch is timed: until either is reached, but not less often than this."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that a batch takes: the median, what 95 of 100 batches stay below, and how many were timed."""

    p50: float
    p95: float
    calls: int


def latencies(one: Predictor, other: Predictor, rows: Sequence[Fields], count: int) -> Working[tuple[Latency, Latency]]:
    """How long two models take to score `count` tokenised rows at once; the first batch of each warms up."""
    splits = cycle(list(_splits(one, rows, count)))
    both = [_Timed(replace(each, batch_size=count)) for each in (one, other)]
    for timed in both:
        timed.warm_up(next(splits))
    name, done = f"time {counted(count)} at once", 0
    while not all(timed.is_enough for timed in both):
        split = next(splits)
        for timed in both:
            if not timed.is_enough:
                timed.call(split)
        done += count
        yield Activity(name, done)
    yield Activity(name, done, done)
    return both[0].latency, both[1].latency


def _splits(predictor: Predictor, rows: Sequence[Fields], count: int) -> Iterator[TokenizedSplit]:
    """The rows, `count` at a time, and none that are left over."""
    for first in range(0, len(rows) - count + 1, count):
        yield predictor.split(rows[first : first + count])


class _Timed:
    """One of the two, and how long its calls took."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._seconds: list[float] = []

    @property
    def is_enough(self) -> bool:
        calls = len(self._seconds)
        return calls >= _CALLS or (calls >= _FEWEST_CALLS and sum(self._seconds) >= _SECONDS)

    @property
    def latency(self) -> Latency:
        measured = torch.tensor(self._seconds) * 1000
        p50, p95 = (round(measured.quantile(share).item(), 3) for share in (0.5, 0.95))
        return Latency(p50, p95, len(self._seconds))

    def warm_up(self, split: TokenizedSplit) -> None:
        finish(self._predictor.score(split))

    def call(self, split: TokenizedSplit) -> None:
        started = time.perf_counter()
        finish(self._predictor.score(split))
        self._seconds.append(time.perf_counter() - started)
