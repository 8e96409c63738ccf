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
from typing import Any

import orjson
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

from ftcli.errors import CheckpointError
from ftcli.modeling.backbone import Head, save_model
from ftcli.modeling.tokenizer import Tokenizer
from ftcli.runtime.files import write_json
from ftcli.spec.base import Section
from ftcli.spec.card import Columns
from ftcli.train.run import Run

CARD = "ftcli.json"
OPTIMIZER = "state/optimizer.safetensors"
PROGRESS = "state/progress.json"
SCALER = "state/scaler.json"
RECIPE = "recipe.toml"
_OTHER_FILES_BYTES = 16 * 2**20


class ModelCard(Section):
    """ftcli.json: all that evaluating and predicting need besides the weights."""

    format_version: int = 1
    task: str
    labels: list[str]
    columns: Columns
    max_length: int
    head: Head
    batch_size: int
    best_metric: str
    data: str
    data_folder: str
    rows_sha256: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class Writer:
    """Fills checkpoint folders of one run."""

    card: ModelCard
    recipe: str
    tokenizer: Tokenizer

    def __call__(self, run: Run, folder: Path) -> None:
        """Write everything but the manifest.

        Raises:
            OSError: the disk is full or can't be written.
        """
        try:
            self._fill(folder, run)
        except SafetensorError as error:  # what safetensors makes of a full disk
            raise OSError(str(error)) from error

    def _fill(self, folder: Path, run: Run) -> None:
        write_model(folder, run, self.card.model_copy(update={"step": run.progress.step}), self.tokenizer)
        (folder / RECIPE).write_text(self.recipe, encoding="utf-8")
        (folder / "state").mkdir()
        save_file(run.optimizer.state(), folder / OPTIMIZER)
        write_json(folder / PROGRESS, run.progress.as_dict())
        write_json(folder / SCALER, run.precision.state())


def snapshot_bytes(run: Run) -> int:
    """What a checkpoint will take on disk, tensors and a little for the rest."""
    tensors = (*run.model.state_dict().values(), *run.optimizer.state().values())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) + _OTHER_FILES_BYTES


def write_model(folder: Path, run: Run, card: ModelCard, tokenizer: Tokenizer) -> None:
    """The model, its tokenizer and its card."""
    save_model(run.model, folder)
    tokenizer.save(folder)
    write_json(folder / CARD, card.model_dump(mode="json"))


def read_card(folder: Path) -> ModelCard:
    """Read ftcli.json.

    Raises:
        CheckpointError: it is missing, or not of this kind.
    """
    path = folder / CARD
    if not path.is_file():
        hint = "a checkpoint of ftcli is RUN/best, RUN/last or a folder that `ftcli export` wrote"
        raise CheckpointError(f"{folder} is no checkpoint of ftcli: it has no {CARD}", hint=hint)
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckpointError(f"{path} can't be read: {error.errors()[0]['msg']}") from error
    if card.task != "classification":
        what = f"{folder} was trained for the task `{card.task}`; this command knows `classification`"
        raise CheckpointError(what, hint="use the version of ftcli that trained it")
    return card


def load_state(run: Run, folder: Path) -> None:
    """Bring optimizer, scaler and progress of a run to where a checkpoint left them."""
    run.optimizer.load_state(load_file(folder / OPTIMIZER))
    run.precision.load_state(_read(folder / SCALER))
    for name, value in _read(folder / PROGRESS).items():
        setattr(run.progress, name, value)


def read_step(folder: Path) -> int:
    """The step after which a checkpoint was saved."""
    return int(_read(folder / PROGRESS)["step"])


def _read(path: Path) -> dict[str, Any]:
    return orjson.loads(path.read_bytes())
