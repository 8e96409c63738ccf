"""How well entities are found: precision, recall and F1, counted sentence by sentence.

An entity is found where type, begin and end are right. `strict` counts only those that are spelled as the scheme
demands (seqeval's mode "strict"), `lenient` whatever conlleval would (seqeval's default). A ratio with nothing below
the line is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ftcli.data.tags import Scheme, entities_of
from ftcli.spec.wording import counted
from ftcli.tasks.breakdown import ClassRow
from ftcli.tasks.metrics import ClassScores, ratio, sums_by

Matching = Literal["strict", "lenient"]
MATCHINGS: tuple[Matching, ...] = ("strict", "lenient")


_Places = tuple[Tensor, Tensor]
"""Of entities, the numbers of their types and of their sentences, [entities] each."""


@dataclass(slots=True)
class _Found:
    """Entities as their types and the numbers of their sentences: there, predicted, and right."""

    gold: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    predicted: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    right: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def table(self) -> EntityTable:
        """The same in numbers."""
        types = sorted({kind for kind, _ in (*self.gold, *self.predicted)})
        numbers = {kind: number for number, kind in enumerate(types)}
        return EntityTable(types, *(_places(each, numbers) for each in (self.right, self.predicted, self.gold)))


def _places(entities: Sequence[tuple[str, int]], numbers: Mapping[str, int]) -> _Places:
    types = torch.tensor([numbers[kind] for kind, _ in entities], dtype=torch.int64)
    return types, torch.tensor([sentence for _, sentence in entities], dtype=torch.int64)


@dataclass(frozen=True, slots=True)
class EntityTable:
    """All entities of some sentences: those that are rightly found, that are predicted, and that are there."""

    types: list[str]
    right: _Places
    predicted: _Places
    gold: _Places

    def scores(self, weights: Tensor) -> EntityScores:
        """The scores where sentences count by weights [sentences, cases]."""
        counts = (
            sums_by(types, len(self.types), weights[sentences]).T
            for types, sentences in (self.right, self.predicted, self.gold)
        )
        return EntityScores(self.types, *counts)


@dataclass(frozen=True, slots=True)
class EntityScores:
    """How many entities of each type are rightly found, are predicted, and are there: [cases, types] each."""

    types: list[str]
    right: Tensor
    predicted: Tensor
    gold: Tensor

    @property
    def by_type(self) -> ClassScores:
        """Each type's score [cases, types]; types that are there or were predicted, sorted."""
        return ClassScores.of(self.right, self.predicted, self.gold)

    @property
    def micro(self) -> ClassScores:
        """The score of all entities together [cases]."""
        return ClassScores.of(self.right.sum(1), self.predicted.sum(1), self.gold.sum(1))

    @property
    def macro(self) -> ClassScores:
        """The mean [cases] of the types' scores, each that is there or was predicted counting the same."""
        each, is_met = self.by_type, self.predicted + self.gold > 0
        means = (ratio((part * is_met).sum(1), is_met.sum(1)) for part in (each.precision, each.recall, each.f1))
        return ClassScores(*means, support=each.support.sum(1))


class EntityCounts:
    """Counts the entities of sentences as they are added."""

    def __init__(self, scheme: Scheme) -> None:
        """Read tags by this scheme."""
        self._scheme: Scheme = scheme
        self._found: dict[Matching, _Found] = {matching: _Found() for matching in MATCHINGS}
        self._num_sentences = 0

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence.

        Raises:
            ValueError: There isn't one predicted tag for each word.
        """
        if len(gold) != len(predicted):
            raise ValueError(f"{counted(len(predicted), 'predicted tag')} for {counted(len(gold), 'word')}")
        number = self._num_sentences
        for matching, found in self._found.items():
            there = set(entities_of(gold, self._scheme, lenient=matching == "lenient"))
            said = set(entities_of(predicted, self._scheme, lenient=matching == "lenient"))
            found.gold += [(entity.type, number) for entity in there]
            found.predicted += [(entity.type, number) for entity in said]
            found.right += [(entity.type, number) for entity in there & said]
        self._num_sentences += 1

    def tables(self) -> dict[Matching, EntityTable]:
        """What has been counted, for scores under weights."""
        return {matching: found.table() for matching, found in self._found.items()}

    def scores(self, matching: Matching) -> EntityScores:
        """The scores, every sentence counting once: a single case."""
        return self._found[matching].table().scores(torch.ones(self._num_sentences, 1, dtype=torch.float64))

    def rows(self) -> list[ClassRow]:
        """Each type's strict score and those of all entities, then the lenient ones."""
        rows: list[ClassRow] = []
        for matching in MATCHINGS:
            scores = self.scores(matching)
            suffix = "" if matching == "strict" else f" ({matching})"
            rows += scores.by_type.rows([f"{kind}{suffix}" for kind in scores.types])
            rows += scores.micro.rows([f"micro ({matching})"])
            rows += scores.macro.rows([f"macro ({matching})"])
        return rows


def entity_metrics(tables: Mapping[Matching, EntityTable], weights: Tensor) -> dict[str, Tensor]:
    """Every metric [cases] by name, of sentences that count by weights [sentences, cases].

    Those without "macro" are of all entities together.
    """
    values: dict[str, Tensor] = {}
    for matching, table in tables.items():
        scores = table.scores(weights)
        micro, macro = scores.micro, scores.macro
        values |= {
            f"precision_{matching}": micro.precision,
            f"recall_{matching}": micro.recall,
            f"f1_{matching}": micro.f1,
            f"precision_macro_{matching}": macro.precision,
            f"recall_macro_{matching}": macro.recall,
            f"f1_macro_{matching}": macro.f1,
        }
    return values
