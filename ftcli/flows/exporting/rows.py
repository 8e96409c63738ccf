"""The rows that an export is tried on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from random import Random

from ftcli.data.dataset import open_prepared
from ftcli.errors import DataError
from ftcli.flows.predictor import Predictor
from ftcli.runtime.encoding import Fields

_SPLIT = "validation"


@dataclass(frozen=True, slots=True)
class TrialRows:
    """Rows, the first `num_labelled` of which are of the validation split, with their labels."""

    rows: list[Fields]
    num_labelled: int


def trial_rows(predictor: Predictor, num_rows: int) -> TrialRows:
    """So many rows, spread over the validation split; where it has fewer, or is gone, made-up ones come after them."""
    rows = _validation_rows(Path(predictor.card.data_folder), num_rows)
    by_word = predictor.task.outputs.per == "token"
    texts = predictor.card.columns.texts
    made_up = _made_up(predictor.tokenizer.words, predictor.card.max_length, texts, by_word=by_word)
    return TrialRows([*rows, *islice(made_up, num_rows - len(rows))], len(rows))


def _validation_rows(folder: Path, most: int) -> list[Fields]:
    try:
        prepared = open_prepared(folder)
        rows = prepared.rows(_SPLIT)
    except DataError:
        return []
    total = {str(name): facts.rows for name, facts in prepared.facts.splits.items()}[_SPLIT]
    chosen = {number * total // most for number in range(most)} if total > most else set(range(total))
    return [row for number, row in enumerate(rows) if number in chosen]


def _made_up(words: Sequence[str], longest: int, columns: Sequence[str], *, by_word: bool) -> Iterator[Fields]:
    """Rows of a vocabulary's words without end: of one word, of two, of as many as a row can have, and in between."""
    draw = Random(0)
    for number in count():
        lengths = [_length(number + place, longest, draw) for place in range(len(columns))]
        texts = {column: draw.choices(words, k=length) for column, length in zip(columns, lengths, strict=True)}
        yield {column: each if by_word else " ".join(each) for column, each in texts.items()}


def _length(turn: int, longest: int, draw: Random) -> int:
    return [1, 2, longest, draw.randint(1, longest)][turn % 4]
