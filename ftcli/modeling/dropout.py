"""Dropout as a recipe asks for it: architectures spell their rates in different ways."""

from __future__ import annotations

from typing import Any

from ftcli.errors import RecipeError
from ftcli.spec.sections import ModelSection

_HEAD_RATES = ("classifier_dropout", "classifier_dropout_prob", "seq_classif_dropout", "cls_dropout")
"""What the rate before the last layer is called: BERT and its kin, ALBERT, DistilBERT, DeBERTa-v2."""


def set_dropout(config: Any, section: ModelSection) -> None:
    """Put the section's rates into a config of transformers: `dropout` everywhere, then `head_dropout` for the head.

    Raises:
        RecipeError: the architecture has no rate of its own for its head.
    """
    if isinstance(section.dropout, float):
        for name, value in config.to_dict().items():
            if "dropout" in name and (value is None or isinstance(value, float)):
                setattr(config, name, section.dropout)
    if isinstance(section.head_dropout, float):
        known = [name for name in _HEAD_RATES if hasattr(config, name)]
        if not known and section.head == "auto":
            what = f"the head of a {config.model_type} has no dropout rate of its own"
            raise RecipeError(what, hint="use model.dropout, or another model.head", key=("model", "head_dropout"))
        for name in known or _HEAD_RATES[:1]:
            setattr(config, name, section.head_dropout)
