"""Work that takes more than a moment says how far it has come, without knowing who listens.

Such a function is a generator of `Activity` that returns its result: `result = yield from work()`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Activity:
    """`done` of `total` units of one piece of work; `total` is None where it can't be known, or only `is_about` so.

    One that `is_idle` waits for others, and has nothing to count.
    """

    name: str
    done: int
    total: int | None = None
    unit: Literal["rows", "sequences", "bytes", "steps", "resamples"] = "rows"
    is_about: bool = False
    is_idle: bool = False


Working = Generator[Activity, None, T]
"""A generator that reports activities and returns a T."""


def finish(work: Working[T]) -> T:
    """Run `work` to its end for its result alone."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value
