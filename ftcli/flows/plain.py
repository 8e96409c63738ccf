"""A checkpoint's scores beside those of transformers alone, on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ftcli.data.tokens import TokenizedSplit
from ftcli.flows.predictor import Predictor
from ftcli.modeling.parity import plain_scores, plain_word_scores
from ftcli.modeling.spelled import SpecialNames
from ftcli.runtime.activity import finish
from ftcli.runtime.encoding import Fields
from ftcli.tasks.base import collate
from ftcli.train.encoding import both_orders


def own_scores(predictor: Predictor, rows: Sequence[Fields]) -> Tensor:
    """What ftcli's model scores: [sequences, outputs], a symmetric pair being two sequences, or [words, tags]."""
    return finish(predictor.score(predictor.split(rows))).scores


def scores_of_transformers(
    predictor: Predictor, folder: Path, rows: Sequence[Fields], *, dtype: torch.dtype | Literal["auto"] = "auto"
) -> Tensor:
    """The same by transformers alone, of the model in `folder`: texts by its own tokenizer, words as they are cut.

    Raises:
        CheckpointError: transformers finds tensors missing or left over.
    """
    card = predictor.card
    if predictor.task.outputs.per == "token":
        return plain_word_scores(folder, _one_by_one(predictor.split(rows), predictor.tokenizer.pad_id), dtype=dtype)
    # What spells a special token is one to transformers, unless it is told otherwise.
    names = SpecialNames.of(predictor.tokenizer.inner)
    texts = [names.as_letters(str(row[card.columns.text])) for row in rows]
    pairs = [names.as_letters(str(row[card.columns.pair])) for row in rows] if card.columns.pair else None
    if pairs is not None and getattr(card.task, "symmetric", False):
        texts, pairs = both_orders(texts, pairs)
    return plain_scores(folder, texts, pairs, max_length=card.max_length, dtype=dtype)


def _one_by_one(split: TokenizedSplit, pad_id: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    for number in range(split.num_sequences):
        batch = collate(split, torch.tensor([number]), pad_id=pad_id)
        assert batch.words is not None
        yield batch.inputs, batch.words.positions[0]
