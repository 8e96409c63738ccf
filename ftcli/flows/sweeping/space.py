"""What a search may choose from: ranges and lists of values of a recipe's keys."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ftcli.errors import Location, UsageError
from ftcli.flows.sweeping.grid import Setting, parse_values, setting_of, some_of, way_without
from ftcli.spec.dump import toml_value
from ftcli.spec.reference import types_of

FLAG = "--search"
Values = dict[str, Any]
"""One value of each key."""

_RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*(\S+?)(\s+log)?\s*")
_EXAMPLE = "--search 'optimizer.lr=1e-5..1e-3 log', or a list: --search 'batch.size=[16, 32]'"
_MOST_CORNERS = 256


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `low` to `high`, whole ones if `is_whole`; with `is_log` each power of ten is as likely."""

    low: float
    high: float
    is_whole: bool
    is_log: bool

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.is_whole else int | float):
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low} to {self.high}{', by its logarithm' if self.is_log else ''}"

    @property
    def ends(self) -> list[Any]:
        """What a recipe has to bear for the rest to be likely to."""
        return [self.low, self.high]

    @property
    def all(self) -> Sequence[Any] | None:
        """Every value, or None if there is no end of them."""
        return range(int(self.low), int(self.high) + 1) if self.is_whole else None

    def rounded(self, value: Any) -> Any:
        """A value in three digits, as one would write it; not where that leads out of the range."""
        short = value if self.is_whole else float(f"{value:.3g}")
        return short if self.low <= short <= self.high else value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, of any type."""

    values: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return f"one of {', '.join(map(toml_value, self.values))}"

    @property
    def ends(self) -> list[Any]:
        """All of them: one says nothing of the others."""
        return list(self.values)

    @property
    def all(self) -> Sequence[Any]:
        """Every value."""
        return self.values

    def rounded(self, value: Any) -> Any:
        """The value as it is."""
        return value


@dataclass(frozen=True, slots=True)
class Space:
    """What each key may be."""

    axes: dict[str, Range | Choice]

    @property
    def size(self) -> float:
        """How many settings there are; infinite where a range has fractions."""
        return math.prod(math.inf if axis.all is None else len(axis.all) for axis in self.axes.values())

    def corners(self) -> list[Setting]:
        """The settings at the ends of ranges, with every value of lists: what a recipe is checked with beforehand."""
        ends = itertools.product(*(axis.ends for axis in self.axes.values()))
        settings = [self.setting(dict(zip(self.axes, values, strict=True))) for values in ends]
        return some_of(settings, _MOST_CORNERS)

    def all(self) -> Iterator[Values]:
        """Every setting of a finite space."""
        for values in itertools.product(*(axis.all or () for axis in self.axes.values())):
            yield dict(zip(self.axes, values, strict=True))

    def rounded(self, values: Values) -> Values:
        """Numbers in few digits."""
        return {key: axis.rounded(values[key]) for key, axis in self.axes.items()}

    def setting(self, values: Values) -> Setting:
        """Values as a setting, in the order of the keys."""
        return setting_of({key: values[key] for key in self.axes}, flag=FLAG)

    def holds(self, values: Values) -> bool:
        """Whether these are values of just these keys, and all within."""
        return values.keys() == self.axes.keys() and all(values[key] in axis for key, axis in self.axes.items())

    def sentences(self) -> list[str]:
        """What is searched."""
        return [f"search {key}: {axis}" for key, axis in self.axes.items()]


def parse_searches(searches: Sequence[str]) -> Space:
    """The space of `key=low..high`, `key=low..high log` and `key=[values]`.

    Raises:
        UsageError: one of them is nothing of that, or two are of the same key.
    """
    axes: dict[str, Range | Choice] = {}
    for search in searches:
        where, (key, _, text) = Location(f"{FLAG} {search}"), search.partition("=")
        key = key.strip()
        if way := way_without(key):
            raise UsageError(f"`{key}` can't be searched", where=where, hint=way)
        if key in axes:
            raise UsageError(f"`{key}` is searched twice", where=where, hint="put all of its values into one --search")
        axis = _parse_range(key, text, where) or _parse_choice(text, where)
        if not key or axis is None:
            raise UsageError("a search is a key and a range or a list of its values", where=where, hint=_EXAMPLE)
        axes[key] = axis
    return Space(axes)


def _parse_choice(text: str, where: Location) -> Choice | None:
    values = parse_values(text, where)
    return Choice(tuple(values)) if values else None


def _parse_range(key: str, text: str, where: Location) -> Range | None:
    found = _RANGE.fullmatch(text)
    low, high = (_number(found[1]), _number(found[2])) if found else (None, None)
    if found is None or low is None or high is None:
        return None
    types, are_whole = types_of(key), isinstance(low, int) and isinstance(high, int)
    if types and types.isdisjoint({"integer", "number"}):
        raise UsageError(f"`{key}` is no number", where=where, hint=f"name its values: {FLAG} '{key}=[...]'")
    is_whole = "number" not in types and (are_whole or "integer" in types)
    if is_whole and not are_whole:
        raise UsageError(f"`{key}` is a whole number", where=where, hint="give the range whole ends: 8..64")
    if low >= high:
        way = f"the lower end goes first: {found[2]}..{found[1]}" if low > high else f"use --set {key}={found[1]}"
        raise UsageError("there is nothing in this range", where=where, hint=way)
    if found[3] and low <= 0:
        raise UsageError("a log range begins above 0", where=where, hint="raise its low end, or leave `log` out")
    as_needed = int if is_whole else float
    return Range(as_needed(low), as_needed(high), is_whole, bool(found[3]))


def _number(text: str) -> int | float | None:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None
