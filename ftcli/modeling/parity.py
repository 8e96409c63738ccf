"""What plain transformers says of texts, without any of ftcli's own code in between."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from ftcli.errors import CheckpointError
from ftcli.modeling.outputs import Outputs

Sequences = Iterable[tuple[dict[str, Tensor], Tensor]]
"""Inputs [1, length] of one sequence each, and where its words have their first pieces."""


def plain_scores(
    folder: Path,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    *,
    max_length: int,
    dtype: torch.dtype | Literal["auto"] = "auto",
) -> Tensor:
    """Logits [rows, labels] of a folder's model, row by row as a user of transformers would get them.

    Args:
        folder: What transformers loads.
        texts: The first text of each row.
        pairs: The second texts, if rows have them.
        max_length: Tokens at which a row is cut.
        dtype: The arithmetic; "auto" is what the folder says, as transformers takes it.

    Raises:
        CheckpointError: transformers finds tensors missing or left over.
    """
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = _plain_model(AutoModelForSequenceClassification, folder, dtype)
    logits: list[Tensor] = []
    with torch.inference_mode():
        for number, text in enumerate(texts):
            pair = pairs[number] if pairs else None
            inputs: Any = tokenizer(text, pair, truncation=True, max_length=max_length, return_tensors="pt")
            logits.append(model(**inputs).logits)
    return _joined(logits, dtype)


def plain_word_scores(folder: Path, sequences: Sequences, *, dtype: torch.dtype | Literal["auto"] = "auto") -> Tensor:
    """Logits [words, labels] of a folder's model at words' first pieces, sequence by sequence.

    Raises:
        CheckpointError: transformers finds tensors missing or left over.
    """
    model = _plain_model(AutoModelForTokenClassification, folder, dtype)
    logits: list[Tensor] = []
    with torch.inference_mode():
        for inputs, positions in sequences:
            logits.append(model(**inputs).logits[0, positions])
    return _joined(logits, dtype)


def plain_model(folder: Path, outputs: Outputs, *, dtype: torch.dtype | Literal["auto"] = "auto") -> nn.Module:
    """A folder's model as transformers alone loads it, in eval mode.

    Raises:
        CheckpointError: transformers finds tensors missing or left over.
    """
    auto_class = AutoModelForSequenceClassification if outputs.per == "row" else AutoModelForTokenClassification
    return _plain_model(auto_class, folder, dtype)


def _plain_model(auto_class: Any, folder: Path, dtype: torch.dtype | Literal["auto"]) -> Any:
    model: Any
    report: Any
    model, report = auto_class.from_pretrained(folder, output_loading_info=True, dtype=dtype)
    lost = [*report["missing_keys"], *report["unexpected_keys"]]
    if lost:
        raise CheckpointError(f"transformers does not find or know {lost[0]} in {folder}")
    return model.eval()


def _joined(logits: list[Tensor], dtype: torch.dtype | Literal["auto"]) -> Tensor:
    scores = torch.cat(logits)
    return scores.float() if dtype == "auto" else scores


def plain_encoder(folder: Path) -> dict[str, Tensor]:
    """The encoder's tensors that transformers alone finds in a folder, by its own names."""
    model: Any
    report: Any
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    missing = set(report["missing_keys"])
    return {name: value.detach() for name, value in model.named_parameters() if name not in missing}
