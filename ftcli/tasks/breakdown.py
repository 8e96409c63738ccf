"""A score in detail, in plain values."""

from __future__ import annotations

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
