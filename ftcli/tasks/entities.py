"""Entities found, counted type by type: strictly, and as leniently as the CoNLL-2000 scorer reads tags.

Both agree with seqeval: strict with its mode "strict", lenient with its default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ftcli.data.tags import Scheme, entities_of
from ftcli.tasks.breakdown import ClassRow


@dataclass(slots=True)
class _Counts:
    """By type: entities that are right, that were predicted, and that there are."""

    right: Counter[str] = field(default_factory=Counter[str])
    predicted: Counter[str] = field(default_factory=Counter[str])
    gold: Counter[str] = field(default_factory=Counter[str])

    def row(self, label: str, *types: str) -> ClassRow:
        """The scores of some types together."""
        right, predicted, gold = (
            sum(counts[kind] for kind in types) for counts in (self.right, self.predicted, self.gold)
        )
        return ClassRow(label, _ratio(right, predicted), _ratio(right, gold), _ratio(2 * right, predicted + gold), gold)


class EntityCounts:
    """Counts of entities over rows of tags, which are added one by one."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme: Scheme = scheme
        self._strict, self._lenient = _Counts(), _Counts()

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count a row's true and predicted tags."""
        for counts, lenient in ((self._strict, False), (self._lenient, True)):
            there = set(entities_of(gold, self._scheme, lenient=lenient))
            found = set(entities_of(predicted, self._scheme, lenient=lenient))
            counts.gold.update(entity.type for entity in there)
            counts.predicted.update(entity.type for entity in found)
            counts.right.update(entity.type for entity in there & found)

    def metrics(self) -> dict[str, float]:
        """Micro-averaged precision, recall and F1 and macro-averaged F1, each strict and lenient."""
        values: dict[str, float] = {}
        for name, counts in (("strict", self._strict), ("lenient", self._lenient)):
            types = _types(counts)
            together = counts.row("all", *types)
            values[f"f1_{name}"] = together.f1
            values[f"precision_{name}"] = together.precision
            values[f"recall_{name}"] = together.recall
            values[f"f1_macro_{name}"] = _mean([counts.row(kind, kind).f1 for kind in types])
        return values

    def rows(self) -> list[ClassRow]:
        """Each type's strict scores, then those of all types: micro and macro, strict, and micro, lenient."""
        types = _types(self._strict)
        each = [self._strict.row(kind, kind) for kind in types]
        lenient = self._lenient.row("micro, lenient", *_types(self._lenient))
        return [*each, self._strict.row("micro, strict", *types), _macro(each), lenient]


def _types(counts: _Counts) -> list[str]:
    return sorted({*counts.gold, *counts.predicted})


def _macro(rows: Sequence[ClassRow]) -> ClassRow:
    return ClassRow(
        "macro, strict",
        _mean([row.precision for row in rows]),
        _mean([row.recall for row in rows]),
        _mean([row.f1 for row in rows]),
        sum(row.support for row in rows),
    )


def _ratio(above: int, below: int) -> float:
    return above / below if below else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
