"""What a model is to say of rows, as numbers: the labels that stand in prepared rows, as tensors.

classification  int64   [rows]          the label's number
multilabel      uint8   [rows, labels]  1 where the row has the label
regression      float32 [rows]
tagging         int64   [words]         the tags' numbers, row by row
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

import torch
from torch import Tensor

from ftcli.data.readers import label_text
from ftcli.data.tags import Scheme
from ftcli.runtime.encoding import Fields


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """What is known of a data set's labels: the card's `task`, their column, their list, and the scheme of tags.

    `text` is the column of what they are said of: texts, or lists of words.
    """

    task: str
    column: str | None
    labels: tuple[str, ...]
    scheme: Scheme | None = None
    text: str = "text"


def targets_of(rows: Sequence[Fields], facts: LabelFacts) -> Tensor | None:
    """The rows' labels as a tensor; None where they have none.

    Raises:
        KeyError: a label is not in the list.
    """
    values = [row.get(facts.column) if facts.column else None for row in rows]
    if not _is_labelled(values):
        return None
    numbers = {label: number for number, label in enumerate(facts.labels)}
    match facts.task:
        case "regression":
            return torch.tensor([float(cast("float", value)) for value in values], dtype=torch.float32)
        case "multilabel":
            return _multi_hot([cast("list[str]", value) for value in values], numbers)
        case "tagging":
            tags = chain.from_iterable(cast("list[list[str]]", values))
            return torch.tensor([numbers[tag] for tag in tags], dtype=torch.int64)
        case _:
            return torch.tensor([numbers[label_text(value) or ""] for value in values], dtype=torch.int64)


def _is_labelled(values: Sequence[object]) -> bool:
    """A split is labelled wholly or not at all; of a text, nothing but space is no label."""
    first = values[0] if values else None
    return first is not None and (not isinstance(first, str) or label_text(first) is not None)


def _multi_hot(values: Sequence[Sequence[str]], numbers: dict[str, int]) -> Tensor:
    target = torch.zeros(len(values), len(numbers), dtype=torch.uint8)
    for place, labels in enumerate(values):
        for label in labels:
            target[place, numbers[label]] = 1
    return target
