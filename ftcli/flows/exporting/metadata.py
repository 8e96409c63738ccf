"""What the hub reads of a model card: its front matter, and nothing of this machine."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, cast

from huggingface_hub import EvalResult, ModelCardData

from ftcli.flows.exporting.formats import ExportFormat
from ftcli.spec.choices import card_task
from ftcli.train.card import ModelCard

_LIBRARIES: dict[ExportFormat, str] = {"hf": "transformers", "onnx": "onnx", "onnx-int8": "onnx", "pt2": "pytorch"}
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
_QUOTED = re.compile(r"""(")((?:[^"\\\n]|\\.)*)"|(')([^'\n]*)'""")


def front_matter(format: ExportFormat, card: ModelCard, recipe: str, scores: Mapping[str, float], split: str) -> str:
    """The card's YAML between its lines of dashes.

    Args:
        format: Says which library reads the folder.
        card: What the model was trained for.
        recipe: The text of its recipe, empty if that is gone; what it began from is named if the hub has it.
        scores: By metric; one that is no number is left out.
        split: The rows that they are of.
    """
    kind = "token-classification" if card_task(card.task) == "tagging" else "text-classification"
    found = {name: round(value, 4) for name, value in scores.items() if math.isfinite(value)}
    results = [
        EvalResult(kind, card.data, card.data, name, value, dataset_split=split) for name, value in found.items()
    ]
    data = ModelCardData(
        base_model=base_model(recipe),
        eval_results=results or None,
        library_name=_LIBRARIES[format],
        metrics=list(found) or None,
        model_name=f"{card.data}-{card.task.kind}",
        pipeline_tag=kind,
        tags=["ftcli"],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def base_model(recipe: str) -> str | None:
    """The name that the hub has for what training began from; None where that is a folder, a package, or nothing."""
    model = cast("dict[str, Any]", tomllib.loads(recipe).get("model", {}))
    path = model.get("path", "scratch")
    return path if path != "scratch" and _HUB_ID.fullmatch(path) else None


def without_places(recipe: str) -> str:
    """A recipe's text with names of files and folders in place of their absolute paths on this machine."""
    return _QUOTED.sub(lambda found: _named(found[1] or found[3], found[2] or found[4] or ""), recipe)


def _named(quote: str, text: str) -> str:
    return f"{quote}{name_of(text)}{quote}"


def name_of(text: str) -> str:
    """The last part of an absolute path, and any other text as it is."""
    if PurePosixPath(text).is_absolute():
        return PurePosixPath(text).name
    return PureWindowsPath(text).name if PureWindowsPath(text).is_absolute() else text
