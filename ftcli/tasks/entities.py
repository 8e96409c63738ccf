"""How well entities are found: precision, recall and F1, counted sentence by sentence.

An entity is found where type, begin and end are right. `strict` counts only those that are spelled as the scheme
demands (seqeval's mode "strict"), `lenient` whatever conlleval would (seqeval's default). A ratio with nothing below
the line is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ftcli.data.tags import Scheme, entities_of
from ftcli.spec.wording import counted
from ftcli.tasks.breakdown import ClassRow

Matching = Literal["strict", "lenient"]
MATCHINGS: tuple[Matching, ...] = ("strict", "lenient")


@dataclass(frozen=True, slots=True)
class EntityScore:
    """Precision, recall and F1, and how many entities there are to find."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(slots=True)
class _Found:
    """Entities by type: those that are there, those that were predicted, and those that were rightly so."""

    gold: Counter[str] = field(default_factory=Counter[str])
    predicted: Counter[str] = field(default_factory=Counter[str])
    right: Counter[str] = field(default_factory=Counter[str])

    @property
    def types(self) -> list[str]:
        return sorted(self.gold.keys() | self.predicted.keys())


class EntityCounts:
    """Counts the entities of sentences as they are added."""

    def __init__(self, scheme: Scheme) -> None:
        """Read tags by this scheme."""
        self._scheme: Scheme = scheme
        self._found: dict[Matching, _Found] = {matching: _Found() for matching in MATCHINGS}

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence.

        Raises:
            ValueError: There isn't one predicted tag for each word.
        """
        if len(gold) != len(predicted):
            raise ValueError(f"{counted(len(predicted), 'predicted tag')} for {counted(len(gold), 'word')}")
        for matching, found in self._found.items():
            there = set(entities_of(gold, self._scheme, lenient=matching == "lenient"))
            said = set(entities_of(predicted, self._scheme, lenient=matching == "lenient"))
            found.gold.update(entity.type for entity in there)
            found.predicted.update(entity.type for entity in said)
            found.right.update(entity.type for entity in there & said)

    def by_type(self, matching: Matching) -> dict[str, EntityScore]:
        """Each type's score; types that are there or were predicted, sorted."""
        found = self._found[matching]
        return {kind: _score(found.right[kind], found.predicted[kind], found.gold[kind]) for kind in found.types}

    def micro(self, matching: Matching) -> EntityScore:
        """The score of all entities together."""
        found = self._found[matching]
        return _score(found.right.total(), found.predicted.total(), found.gold.total())

    def macro(self, matching: Matching) -> EntityScore:
        """The mean of the types' scores, each counting the same."""
        scores = list(self.by_type(matching).values())
        count = max(len(scores), 1)
        return EntityScore(
            precision=sum(score.precision for score in scores) / count,
            recall=sum(score.recall for score in scores) / count,
            f1=sum(score.f1 for score in scores) / count,
            support=sum(score.support for score in scores),
        )

    def metrics(self) -> dict[str, float]:
        """Every metric by name; those without "macro" are of all entities together."""
        values: dict[str, float] = {}
        for matching in MATCHINGS:
            micro, macro = self.micro(matching), self.macro(matching)
            values |= {
                f"precision_{matching}": micro.precision,
                f"recall_{matching}": micro.recall,
                f"f1_{matching}": micro.f1,
                f"precision_macro_{matching}": macro.precision,
                f"recall_macro_{matching}": macro.recall,
                f"f1_macro_{matching}": macro.f1,
            }
        return values

    def rows(self) -> list[ClassRow]:
        """Each type's strict score and those of all entities, then the lenient ones."""
        rows: list[ClassRow] = []
        for matching in MATCHINGS:
            suffix = "" if matching == "strict" else f" ({matching})"
            rows += [_row(f"{kind}{suffix}", score) for kind, score in self.by_type(matching).items()]
            rows.append(_row(f"micro ({matching})", self.micro(matching)))
            rows.append(_row(f"macro ({matching})", self.macro(matching)))
        return rows


def _score(right: int, predicted: int, gold: int) -> EntityScore:
    precision, recall = right / predicted if predicted else 0.0, right / gold if gold else 0.0
    both = predicted + gold
    return EntityScore(precision, recall, 2 * right / both if both else 0.0, gold)


def _row(label: str, score: EntityScore) -> ClassRow:
    return ClassRow(label, score.precision, score.recall, score.f1, score.support)
