"""What a checkpoint folder holds, and back: safetensors, JSON and TOML, so any of it can be read without running it.

config.json model.safetensors tokenizer files    plain transformers
ftcli.json                                       what predicting needs: task, labels, columns, max_length, head
recipe.toml                                      the resolved recipe
state/optimizer.safetensors                      keyed by parameter name
state/progress.json state/scaler.json            what has happened
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import orjson
import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from ftcli.data.tags import Scheme
from ftcli.errors import CheckpointError
from ftcli.modeling.backbone import save_model
from ftcli.modeling.tokenizer import Tokenizer
from ftcli.runtime.codefiles import CodeFile
from ftcli.runtime.files import write_json
from ftcli.spec.base import Section
from ftcli.spec.calibration import Calibration
from ftcli.spec.card import Columns, Reading
from ftcli.spec.choices import TaskChoice
from ftcli.spec.sections import HeadName
from ftcli.train.progress import Progress
from ftcli.train.run import Run
from ftcli.train.saving import Snapshot

CARD = "ftcli.json"
OPTIMIZER = "state/optimizer.safetensors"
PROGRESS = "state/progress.json"
SCALER = "state/scaler.json"
RECIPE = "recipe.toml"
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


def take_snapshot(run: Run) -> Snapshot:
    """Copy what a checkpoint holds; the time of these copies is all that saving costs the loop."""
    return Snapshot(
        step=run.progress.step,
        weights=_copied(run.model.state_dict()),
        optimizer=_copied(run.optimizer.state()),
        scaler=run.precision.state(),
        progress=run.progress.as_dict(),
    )


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the host; tensors that were one (tied weights) stay one, for that is how they are told when written."""
    copies: dict[tuple[int, torch.Size], Tensor] = {}
    for tensor in tensors.values():
        key = (tensor.data_ptr(), tensor.shape)
        if key not in copies:
            copies[key] = tensor.detach().to("cpu", copy=True)
    return {name: copies[tensor.data_ptr(), tensor.shape] for name, tensor in tensors.items()}


@dataclass(frozen=True, slots=True)
class Writer:
    """Fills checkpoint folders of one run. `model` gives the architecture; the weights are a snapshot's."""

    model: nn.Module
    card: ModelCard
    recipe: str
    tokenizer: Tokenizer

    def __call__(self, snapshot: Snapshot, folder: Path) -> None:
        """Write everything but the manifest.

        Raises:
            OSError: the disk is full or can't be written.
        """
        try:
            self._fill(snapshot, folder)
        except SafetensorError as error:  # what safetensors makes of a full disk
            raise OSError(str(error)) from error

    def _fill(self, snapshot: Snapshot, folder: Path) -> None:
        save_model(self.model, folder, weights=snapshot.weights)
        self.tokenizer.save(folder)
        card = self.card.model_copy(update={"step": snapshot.step})
        write_json(folder / CARD, card.model_dump(mode="json"))
        (folder / RECIPE).write_text(self.recipe, encoding="utf-8")
        (folder / "state").mkdir()
        save_file(snapshot.optimizer, folder / OPTIMIZER)
        write_json(folder / PROGRESS, snapshot.progress)
        write_json(folder / SCALER, snapshot.scaler)


def read_card(folder: Path) -> ModelCard:
    """Read ftcli.json.

    Raises:
        CheckpointError: it is missing, of another version of ftcli, or not of this kind.
    """
    path = folder / CARD
    if not path.is_file():
        hint = "a checkpoint of ftcli is RUN/best, RUN/last or a folder that `ftcli export` wrote"
        raise CheckpointError(f"{folder} is no checkpoint of ftcli: it has no {CARD}", hint=hint)
    try:
        content = cast("object", _read(path))
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


def load_state(run: Run, folder: Path) -> None:
    """Bring optimizer and scaler of a run to where a checkpoint left them."""
    run.optimizer.load_state(load_file(folder / OPTIMIZER))
    run.precision.load_state(_read(folder / SCALER))


def read_progress(folder: Path) -> Progress:
    """What had happened when a checkpoint was saved."""
    return Progress(**_read(folder / PROGRESS))


def read_step(folder: Path) -> int:
    """The step after which a checkpoint was saved."""
    return read_progress(folder).step


def _read(path: Path) -> dict[str, Any]:
    return orjson.loads(path.read_bytes())
