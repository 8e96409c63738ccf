"""A checkpoint brought to life for rows: verified, loaded, and asked for scores window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ftcli.data.tokens import UNLABELLED, TokenizedSplit
from ftcli.errors import CheckpointError, RecipeError, UsageError
from ftcli.flows.predictions import Fields
from ftcli.modeling.backbone import restore_model
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.tokenizer import Tokenizer, load_tokenizer
from ftcli.runtime.activity import finish
from ftcli.runtime.checkpoint import MANIFEST, verify
from ftcli.runtime.world import World, choose_device, launched_size
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.classification import build_classification
from ftcli.train.evaluate import Scores, score_split
from ftcli.train.snapshot import ModelCard, read_card


@dataclass(frozen=True, slots=True)
class Predictor:
    """A model, its tokenizer and its card, ready to score rows."""

    card: ModelCard
    model: nn.Module
    tokenizer: Tokenizer
    task: Task
    world: World
    batch_size: int

    def score(
        self,
        rows: Sequence[Fields],
        labels: Sequence[int] | None = None,
        *,
        columns: tuple[str, ...] | None = None,
    ) -> Scores:
        """Scores of rows, in their order; with label numbers also the mean loss. `columns` hold the texts."""
        texts, *pairs = ([str(row[name]) for row in rows] for name in columns or self.card.columns.texts)
        encoded = self.tokenizer.encoder(self.card.max_length)(texts, pairs[0] if pairs else None)
        split = TokenizedSplit.of(encoded, list(labels) if labels else [UNLABELLED] * len(rows))
        return finish(
            score_split(
                self.model,
                split,
                name="rows",
                task=self.task,
                world=self.world,
                pad_id=self.tokenizer.pad_id,
                batch_size=self.batch_size,
            )
        )


def open_predictor(folder: Path, *, device: str = "auto", batch_size: int | None = None) -> Predictor:
    """Load a checkpoint, or a folder that `ftcli export` wrote, for scoring rows.

    Raises:
        CheckpointError: it is missing, damaged, or of another task.
        UsageError: it was started as several processes.
    """
    if launched_size() > 1:
        raise UsageError("this command runs in one process; start it without torchrun")
    card = open_card(folder)
    chosen = choose_device(device)
    return Predictor(
        card=card,
        model=restore_model(folder, head=card.head, outputs=Outputs(tuple(card.labels))).to(chosen),
        tokenizer=_tokenizer_of(folder),
        task=build_classification(tuple(card.labels), EvaluateSection()),
        world=World(device=chosen),
        batch_size=batch_size or card.batch_size,
    )


def _tokenizer_of(folder: Path) -> Tokenizer:
    try:
        return load_tokenizer(str(folder))
    except RecipeError as error:
        problem = error.problems[0]
        raise CheckpointError(problem.what, hint=problem.hint) from error


def open_card(folder: Path) -> ModelCard:
    """The card of a checkpoint that verifies, or of an export, which has no manifest.

    Raises:
        CheckpointError: it is missing, damaged, or of another task.
    """
    if not folder.exists():
        raise CheckpointError(f"no such checkpoint: {folder}", hint="a run's checkpoints are RUN/best and RUN/last")
    if (folder / MANIFEST).exists() or (folder / "state").exists():
        verify(folder)
    return read_card(folder)
