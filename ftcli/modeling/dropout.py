"""Dropout as a recipe asks for it: architectures spell their rates in different ways."""

from __future__ import annotations

from typing import Any

from ftcli.errors import RecipeError
from ftcli.modeling.outputs import Outputs
from ftcli.spec.sections import ModelSection

_RATES = ("classifier_dropout", "classifier_dropout_prob")
"""What the rate before the last layer is called: BERT and its kin, ALBERT."""
_ROW_RATES = (*_RATES, "seq_classif_dropout", "cls_dropout")
"""The same for heads that score rows: DistilBERT and DeBERTa-v2, too, whose heads for tokens have no rate."""


def set_dropout(config: Any, section: ModelSection, outputs: Outputs) -> None:
    """Put the section's rates into a config of transformers: `dropout` everywhere, then `head_dropout` for the head.

    Raises:
        RecipeError: the architecture has no rate of its own for its head.
    """
    if isinstance(section.dropout, float):
        for name, value in config.to_dict().items():
            if "dropout" in name and (value is None or isinstance(value, float)):
                setattr(config, name, section.dropout)
    if isinstance(section.head_dropout, float):
        rates = _ROW_RATES if outputs.per == "row" else _RATES
        is_own = section.head in {"auto", "crf"}
        known = [name for name in rates if hasattr(config, name)]
        if is_own and not known:
            what = f"the head of a {config.model_type} has no dropout rate of its own"
            raise RecipeError(what, hint="use model.dropout, or another model.head", key=("model", "head_dropout"))
        for name in known if is_own else _RATES[:1]:
            setattr(config, name, section.head_dropout)


def dropout_of(config: Any) -> float:
    """The rate before the last layer of a head that ftcli brings along."""
    for name in (*_RATES, "hidden_dropout_prob", "dropout"):
        rate = getattr(config, name, None)
        if isinstance(rate, float):
            return rate
    return 0.1
