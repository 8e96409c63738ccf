"""What a run's predictions come to: how often each label is mistaken for which, and the worst mistakes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Generic, Literal, TypeVar, cast

import torch

from ftcli.data.readers import label_text
from ftcli.data.tags import Entity, Scheme, entities_of
from ftcli.flows.reporting.intervals import of_entities, of_label_sets, of_labels, of_numbers
from ftcli.flows.writing import read_rows_of
from ftcli.runtime.encoding import Fields
from ftcli.spec.choices import card_task
from ftcli.tasks.breakdown import ClassRow
from ftcli.tasks.entities import EntityCounts
from ftcli.tasks.metrics import RowMetrics, class_scores, confusion_matrix, label_scores
from ftcli.tasks.reliability import Answers
from ftcli.train.card import ModelCard

MOST_MISTAKES = 20
MOST_POINTS = 2000
"""More numbers than this are not drawn; every n-th is."""


_PREDICTION = {"classification": "label", "multilabel": "labels", "regression": "value", "tagging": "tags"}
"""What each task calls its prediction; a label of that name stands as `gold` beside it."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A row that is predicted wrongly: its number from 1, its texts, and how sure the model was, if it says so."""

    row: int
    texts: list[str]
    gold: str
    predicted: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TaggedMistake:
    """A sentence with entities that are missed or wrongly found."""

    row: int
    words: list[str]
    gold: list[Entity]
    predicted: list[Entity]

    @property
    def num_wrong(self) -> int:
        """Entities that are missed, and such as are no entities."""
        return len({*self.gold} ^ {*self.predicted})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a split's predictions come to. Which parts there are is up to the task.

    `scores` are those that can be told from predictions alone, `answers` what was said with which probability;
    `numbers` are (gold, predicted) of each row.
    """

    split: str
    num_rows: int
    num_wrong: int
    scores: RowMetrics
    labels: list[str] = field(default_factory=list[str])
    per_class: list[ClassRow] = field(default_factory=list[ClassRow])
    confusion: list[list[int]] | None = None
    answers: Answers | None = None
    numbers: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    mistakes: list[Mistake] = field(default_factory=list[Mistake])
    sentences: list[TaggedMistake] = field(default_factory=list[TaggedMistake])
    what_counts: Literal["label", "type of entity"] = "label"


T = TypeVar("T")


class Worst(Generic[T]):
    """Keeps the items with the highest values of all that are added."""

    def __init__(self, most: int = MOST_MISTAKES) -> None:
        self._most = most
        self._kept: list[tuple[float, int, T]] = []
        self._order = count(0, -1)
        self.num_added = 0

    def add(self, value: float, item: T) -> None:
        """Take in an item; of equals the earlier is kept."""
        self.num_added += 1
        heapq.heappush(self._kept, (value, next(self._order), item))
        if len(self._kept) > self._most:
            heapq.heappop(self._kept)

    @property
    def items(self) -> list[T]:
        """What was kept, the highest first."""
        return [item for _, _, item in sorted(self._kept, reverse=True, key=lambda kept: kept[:2])]


@dataclass(frozen=True, slots=True)
class _Case:
    """A predicted row: its number, what the model read, what is true, and all of its fields."""

    row: int
    texts: list[str]
    gold: object
    fields: Fields


def read_outcome(folder: Path, card: ModelCard) -> Outcome | None:
    """Read the predictions of the test split, or those of the validation split where that has no labels.

    Returns:
        None where neither is there with labels, or where a task of the user's own answers in its own way.
    """
    build = _READERS.get("custom" if card.task.kind == "custom" else card_task(card.task))
    for split in ("test", "validation"):
        path = folder / f"{split}.jsonl"
        if build is not None and path.is_file() and next(_cases(path, card), None) is not None:
            return build(split, _cases(path, card), card)
    return None


def _cases(path: Path, card: ModelCard) -> Iterator[_Case]:
    """The labelled rows of a file of predictions."""
    columns = card.columns
    name = "gold" if columns.label == _PREDICTION[card_task(card.task)] else columns.label
    for number, row in enumerate(read_rows_of(path), start=1):
        if name is not None and row.get(name) is not None:
            yield _Case(number, [str(row.get(text, "")) for text in columns.texts], row[name], row)


def _classified(split: str, cases: Iterable[_Case], card: ModelCard) -> Outcome:
    numbers, last = {label: number for number, label in enumerate(card.labels)}, card.labels[-1]
    worst: Worst[Mistake] = Worst()
    pairs: list[tuple[int, int]] = []
    confidences: list[tuple[float, bool]] = []
    for case in cases:
        gold, predicted = label_text(case.gold) or "", str(case.fields["label"])
        probability = cast("float", case.fields["probability"])
        pairs.append((numbers[gold], numbers[predicted]))
        if len(card.labels) == 2:  # as the task has it: of two labels, how sure it is of the last
            confidences.append((probability if predicted == last else 1 - probability, gold == last))
        else:
            confidences.append((probability, gold == predicted))
        if gold != predicted:
            worst.add(probability, Mistake(case.row, case.texts, gold, predicted, probability))
    golds, predictions = torch.tensor(pairs, dtype=torch.int64).unbind(1)
    confusion, answers = confusion_matrix(golds, predictions, len(card.labels)), _answers(confidences)
    return Outcome(
        split=split,
        num_rows=len(pairs),
        num_wrong=worst.num_added,
        scores=of_labels(golds, predictions, answers.probability, len(card.labels)),
        labels=card.labels,
        per_class=class_scores(confusion).rows(card.labels),
        confusion=cast("list[list[int]]", confusion.tolist()),
        answers=answers,
        mistakes=worst.items,
    )


def _multi_labelled(split: str, cases: Iterable[_Case], card: ModelCard) -> Outcome:
    worst: Worst[Mistake] = Worst()
    golds: list[list[bool]] = []
    decisions: list[list[bool]] = []
    confidences: list[tuple[float, bool]] = []
    for case in cases:
        gold, predicted = set(cast("list[str]", case.gold)), set(cast("list[str]", case.fields["labels"]))
        probabilities = cast("dict[str, float]", case.fields["probabilities"])
        golds.append([label in gold for label in card.labels])
        decisions.append([label in predicted for label in card.labels])
        confidences += [(probabilities[label], label in gold) for label in card.labels]
        if gold != predicted:
            sure = max(
                probabilities[label] if label in predicted else 1 - probabilities[label] for label in gold ^ predicted
            )
            worst.add(sure, Mistake(case.row, case.texts, _listed(gold, card), _listed(predicted, card), sure))
    gold_sets, decided, answers = torch.tensor(golds), torch.tensor(decisions), _answers(confidences)
    return Outcome(
        split=split,
        num_rows=len(golds),
        num_wrong=worst.num_added,
        scores=of_label_sets(gold_sets, decided, answers.probability.view(gold_sets.shape)),
        labels=card.labels,
        per_class=label_scores(gold_sets, decided).rows(card.labels),
        answers=answers,
        mistakes=worst.items,
    )


def _answers(confidences: list[tuple[float, bool]]) -> Answers:
    probabilities, are_so = zip(*confidences, strict=True)
    return Answers(torch.tensor(probabilities, dtype=torch.float64), torch.tensor(are_so))


def _listed(labels: set[str], card: ModelCard) -> str:
    return ", ".join(label for label in card.labels if label in labels) or "none"


def _numbered(split: str, cases: Iterable[_Case], card: ModelCard) -> Outcome:  # noqa: ARG001 - as of the others
    worst: Worst[Mistake] = Worst()
    numbers: list[tuple[float, float]] = []
    for case in cases:
        gold, predicted = float(cast("float", case.gold)), cast("float", case.fields["value"])
        numbers.append((gold, predicted))
        worst.add(abs(gold - predicted), Mistake(case.row, case.texts, f"{gold:g}", f"{predicted:.3f}"))
    scores = of_numbers(*torch.tensor(numbers, dtype=torch.float64).unbind(1))
    every = -(-len(numbers) // MOST_POINTS)
    return Outcome(split, len(numbers), len(numbers), scores, numbers=numbers[::every], mistakes=worst.items)


def _tagged(split: str, cases: Iterable[_Case], card: ModelCard) -> Outcome:
    scheme = cast("Scheme", card.scheme)
    counts, worst, num_rows = EntityCounts(scheme), Worst[TaggedMistake](), 0
    for case in cases:
        gold, tags = cast("list[str]", case.gold), cast("list[str]", case.fields["tags"])
        counts.add(gold, tags)
        num_rows += 1
        words = cast("list[str]", case.fields[card.columns.text])
        found = TaggedMistake(case.row, words, entities_of(gold, scheme), entities_of(tags, scheme, lenient=True))
        if found.num_wrong:
            worst.add(found.num_wrong, found)
    scores = of_entities(counts, num_rows)
    return Outcome(
        split=split,
        num_rows=num_rows,
        num_wrong=worst.num_added,
        scores=scores,
        per_class=counts.rows(),
        sentences=worst.items,
        what_counts="type of entity",
    )


_READERS: dict[str, Callable[[str, Iterable[_Case], ModelCard], Outcome]] = {
    "classification": _classified,
    "multilabel": _multi_labelled,
    "regression": _numbered,
    "tagging": _tagged,
}
