"""What a checkpoint folder holds, and back: safetensors, JSON and TOML, so any of it can be read without running it.

config.json model.safetensors tokenizer files    plain transformers
ftcli.json                                       what predicting needs: task, labels, columns, max_length, head
recipe.toml                                      the resolved recipe
state/optimizer.safetensors                      keyed by parameter name
state/trained.safetensors                        where the model's weights are a mean: those that training goes on from
state/progress.json state/scaler.json            what has happened
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from ftcli.modeling.backbone import save_model
from ftcli.modeling.tokenizer import Tokenizer
from ftcli.runtime.files import write_json
from ftcli.runtime.world import World
from ftcli.train.average import load_trained
from ftcli.train.card import CARD, ModelCard
from ftcli.train.progress import Progress
from ftcli.train.run import Run
from ftcli.train.saving import Snapshot

OPTIMIZER = "state/optimizer.safetensors"
TRAINED = "state/trained.safetensors"
PROGRESS = "state/progress.json"
SCALER = "state/scaler.json"
RECIPE = "recipe.toml"


def take_snapshot(run: Run) -> Snapshot | None:
    """Copy what a checkpoint holds; the time of these copies is all that saving costs the loop.

    All ranks are to call this, for each may hold a part of the state; those that write get the whole, the others None.
    """
    world = run.world
    if not (world.writes or world.is_apart):
        return None
    with run.averaged():
        weights = _copied(world, run.model.state_dict(keep_vars=True), keeps=world.writes)
    snapshot = Snapshot(
        step=run.progress.step,
        weights=weights,
        trained={} if run.average is None else _copied(world, run.average.trained(), keeps=world.writes),
        optimizer=world.united(_copied(world, run.optimizer.state(), keeps=world.writes or world.owners is not None)),
        scaler=run.precision.state(),
        progress=run.progress.as_dict(),
    )
    return snapshot if world.writes else None


def _copied(world: World, tensors: dict[str, Tensor], *, keeps: bool) -> dict[str, Tensor]:
    """Copies on the host; tensors that were one (tied weights) stay one, for that is how they are told when written."""
    copies: dict[int, Tensor] = {}
    for tensor in tensors.values():
        if id(tensor) not in copies:
            copies[id(tensor)] = world.copied(tensor, keeps=keeps)
    return {name: copies[id(tensor)] for name, tensor in tensors.items()}


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
        if snapshot.trained:
            save_file(snapshot.trained, folder / TRAINED)
        write_json(folder / PROGRESS, snapshot.progress)
        write_json(folder / SCALER, snapshot.scaler)


def load_state(run: Run, folder: Path) -> None:
    """Bring the weights, optimizer and scaler of a run to where a checkpoint left them."""
    if (folder / TRAINED).exists():
        load_trained(run.world, run.model, load_file(folder / TRAINED))
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
