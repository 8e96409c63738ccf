"""What plain transformers says of texts, without any of ftcli's own code in between."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def plain_scores(folder: Path, texts: Sequence[str], pairs: Sequence[str] | None, *, max_length: int) -> Tensor:
    """Logits [rows, labels] of a folder's model, row by row as a user of transformers would get them."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForSequenceClassification.from_pretrained(folder)
    model.eval()
    logits: list[Tensor] = []
    with torch.inference_mode():
        for number, text in enumerate(texts):
            pair = pairs[number] if pairs else None
            inputs: Any = tokenizer(text, pair, truncation=True, max_length=max_length, return_tensors="pt")
            logits.append(model(**inputs).logits.float())
    return torch.cat(logits)
