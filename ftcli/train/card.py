"""ftcli.json: what a checkpoint says of itself, which is read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import orjson
from pydantic import Field, ValidationError

from ftcli.data.tags import Scheme
from ftcli.errors import CheckpointError
from ftcli.runtime.codefiles import CodeFile
from ftcli.runtime.manifest import MANIFEST, verify
from ftcli.spec.base import Section
from ftcli.spec.calibration import Calibration
from ftcli.spec.card import Columns, Reading
from ftcli.spec.choices import TaskChoice
from ftcli.spec.sections import HeadName

CARD = "ftcli.json"
_FORMAT_VERSION = 3
_READABLE = (2, _FORMAT_VERSION)
"""Formats that can be read; one of format 2 does not say how its source files were read."""


class ModelCard(Section):
    """ftcli.json: all that evaluating and predicting need besides the weights; `scheme` is that of tags.

    `columns` are named as in the prepared data; `reading` says how the source files were read.
    `calibration` is what was fitted after training.
    `code` are the files of the user's own that it needs, which were in `code_folder`.
    """

    format_version: int = _FORMAT_VERSION
    task: TaskChoice
    labels: list[str]
    scheme: Scheme | None = None
    columns: Columns
    reading: Reading | None = None
    max_length: int
    head: HeadName
    batch_size: int | Literal["auto"]
    best_metric: str
    data: str
    data_folder: str
    rows_sha256: str
    head_factory: str = "off"
    head_options: Annotated[dict[str, Any], Field(default_factory=dict)]
    evaluate_factory: str = "off"
    code_folder: str = "auto"
    code: tuple[CodeFile, ...] = ()
    step: int = 0
    calibration: Calibration | None = None

    @property
    def source(self) -> Reading:
        """How the source files were read; where that is not known, as prepared rows are."""
        return self.reading or Reading(columns=self.columns, label_map={})

    @property
    def source_scheme(self) -> Scheme | None:
        """The scheme of the source files' tags; None where rows have none."""
        found = self.source.tags.scheme
        return self.scheme if self.scheme is None or found == "auto" else found


def open_card(folder: Path) -> ModelCard:
    """The card of a checkpoint that verifies, or of an export, which has no manifest.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    _check_exists(folder)
    if (folder / MANIFEST).exists() or (folder / "state").exists():
        verify(folder)
    return read_card(folder)


def _check_exists(folder: Path) -> None:
    if not folder.exists():
        raise CheckpointError(f"no such checkpoint: {folder}", hint="a run's checkpoints are RUN/best and RUN/last")


def read_card(folder: Path) -> ModelCard:
    """Read ftcli.json.

    Raises:
        CheckpointError: it is missing, of another version of ftcli, or not of this kind.
    """
    _check_exists(folder)
    path = folder / CARD
    if not path.is_file():
        hint = "a checkpoint of ftcli is RUN/best, RUN/last or a folder that `ftcli export` wrote"
        raise CheckpointError(f"{folder} is no checkpoint of ftcli: it has no {CARD}", hint=hint)
    try:
        content = cast("object", orjson.loads(path.read_bytes()))
        _check_version(content, folder)
        return ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckpointError(f"{path} can't be read: {error.errors()[0]['msg']}") from error
    except orjson.JSONDecodeError as error:
        raise CheckpointError(f"{path} can't be read: {error}") from error


def _check_version(card: object, folder: Path) -> None:
    found = cast("dict[str, object]", card).get("format_version", _FORMAT_VERSION) if isinstance(card, dict) else None
    if found not in _READABLE:
        what = f"{folder} was written in format {found}; format {_FORMAT_VERSION} is needed"
        raise CheckpointError(what, hint="use the version of ftcli that trained it")
