"""A score in detail, in plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How well one label, or one type of entity, is told: precision, recall, F1, and how many there are."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A score in detail: each label, and where rows have exactly one the counts [gold][predicted]."""

    per_class: list[ClassRow]
    confusion: list[list[int]] | None = None


def most_confused(counts: Sequence[Sequence[int]], labels: Sequence[str], *, most: int) -> list[tuple[int, str, str]]:
    """How many rows of a label are predicted as which other one, the most frequent first: (count, gold, predicted)."""
    pairs = [
        (count, gold, predicted)
        for gold, row in zip(labels, counts, strict=True)
        for predicted, count in zip(labels, row, strict=True)
        if count and gold != predicted
    ]
    return sorted(pairs, key=lambda pair: -pair[0])[:most]
