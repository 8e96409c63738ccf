"""The rows that an export is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


def trial_rows(predictor: Predictor, count: int) -> TrialRows:
    """So many rows, spread over the validation split; where it has fewer, or is gone, made-up ones come after them."""
    rows = _validation_rows(Path(predictor.card.data_folder), count)
    by_word = predictor.task.outputs.per == "token"
    texts = predictor.card.columns.texts
    made_up = [_made_up(number, texts, by_word=by_word) for number in range(count - len(rows))]
    return TrialRows([*rows, *made_up], len(rows))


def _validation_rows(folder: Path, count: int) -> list[Fields]:
    try:
        prepared = open_prepared(folder)
        rows = prepared.rows(_SPLIT)
    except DataError:
        return []
    total = {str(name): facts.rows for name, facts in prepared.facts.splits.items()}[_SPLIT]
    chosen = {number * total // count for number in range(count)} if total > count else set(range(total))
    return [row for number, row in enumerate(rows) if number in chosen]


def _made_up(number: int, columns: Sequence[str], *, by_word: bool) -> Fields:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    chosen = {column: words[: 1 + (number * 7 + place) % 10] for place, column in enumerate(columns)}
    return {column: each if by_word else " ".join(each) for column, each in chosen.items()}
