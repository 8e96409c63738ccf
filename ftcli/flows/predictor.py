"""A checkpoint, or an exported graph, brought to life for rows: verified, loaded, and asked for scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from ftcli.data.targets import LabelFacts, targets_of
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import CheckpointError, DataError, RecipeError, UsageError
from ftcli.flows.checks import check_graph
from ftcli.modeling.exporting.files import is_exported
from ftcli.modeling.exporting.opening import exported_model
from ftcli.modeling.tokenizer import Tokenizer, load_tokenizer
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.code import leave_code_folder, look_in
from ftcli.runtime.codefiles import absent_code, changed_code
from ftcli.runtime.device import choose_device, own_memory
from ftcli.runtime.encoding import EncodeRows, Fields
from ftcli.runtime.interrupt import Interrupt
from ftcli.runtime.launch import launched_size
from ftcli.runtime.world import World
from ftcli.spec.choices import card_task
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.build import build_task
from ftcli.tasks.calibration import calibrated
from ftcli.train.card import ModelCard, open_card
from ftcli.train.encoding import row_encoder
from ftcli.train.evaluate import Scores, score_split
from ftcli.train.models import restored

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Predictor:
    """A model, its tokenizer and its card, ready to score rows, whose fields have the names of the card's columns."""

    card: ModelCard
    model: nn.Module
    tokenizer: Tokenizer
    encode: EncodeRows
    task: Task
    world: World
    batch_size: int | Literal["auto"]

    @property
    def label_facts(self) -> LabelFacts:
        """What makes numbers of the rows' labels."""
        return label_facts_of(self.card)

    def split(self, rows: Sequence[Fields], *, with_labels: bool = False) -> TokenizedSplit:
        """Rows as the model reads them."""
        return TokenizedSplit.of(self.encode(rows), targets_of(rows, self.label_facts) if with_labels else None)

    def read(self, rows: Iterable[Fields], *, total: int | None) -> Working[TokenizedSplit]:
        """Labelled rows, however many, as the model reads them.

        Raises:
            DataError: there are none.
        """
        parts: list[TokenizedSplit] = []
        done = 0
        iterator: Iterator[Fields] = iter(rows)
        while chunk := list(islice(iterator, _ROWS_AT_ONCE)):
            parts.append(self.split(chunk, with_labels=True))
            done += len(chunk)
            yield Activity("tokenize", done, total)
        if not parts:
            raise DataError("there are no rows to evaluate")
        return TokenizedSplit.joined(parts)

    def score(
        self,
        split: TokenizedSplit,
        *,
        name: str = "rows",
        interrupt: Interrupt | None = None,
        scored: list[Tensor] | None = None,
    ) -> Working[Scores]:
        """What the model says of a split; `scored` are the scores of batches so far, which is added to.

        Raises:
            StopAsked: between two batches, when the `interrupt` was asked to stop.
        """
        return (
            yield from score_split(
                self.model,
                split,
                name=name,
                task=self.task,
                world=self.world,
                pad_id=self.tokenizer.pad_id,
                batch_size=self.batch_size,
                interrupt=interrupt,
                scored=scored,
            )
        )


def label_facts_of(card: ModelCard) -> LabelFacts:
    """What a checkpoint knows of labels."""
    return LabelFacts(card_task(card.task), card.columns.label, tuple(card.labels), card.scheme, card.columns.text)


def open_predictor(
    folder: Path,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    code: Path | None = None,
    as_trained: bool = False,
) -> Predictor:
    """Load a checkpoint, or a folder that `ftcli export` wrote, for scoring rows.

    Args:
        folder: The checkpoint.
        device: "auto", "cpu" or "cuda".
        batch_size: Sequences that are scored at once.
        code: Where code of the user's own is, if not where it was.
        as_trained: Leave out what was fitted to it later.

    Raises:
        CheckpointError: it is missing or damaged.
        UsageError: it was started as several processes, or what an exported graph needs is not installed.
    """
    if launched_size() > 1:
        raise UsageError("this command runs in one process; start it without torchrun")
    card = open_card(folder)
    if as_trained:
        card = card.model_copy(update={"calibration": None})
    _find_code(card, folder, code)
    is_graph = is_exported(folder)
    check_graph(folder, device=device)
    chosen = choose_device("cpu" if is_graph else device)
    task = build_task(card.task, label_facts_of(card), EvaluateSection(factory=card.evaluate_factory))
    tokenizer = _tokenizer_of(folder)
    encoder = row_encoder(tokenizer, task=card.task, columns=card.columns, max_length=card.max_length)
    return Predictor(
        card=card,
        model=exported_model(folder, task.outputs) if is_graph else restored(folder, card, task.outputs).to(chosen),
        tokenizer=tokenizer,
        encode=encoder.encode,
        task=calibrated(task, card.calibration),
        world=World(device=chosen, gpu_bytes=own_memory(chosen)),
        batch_size=batch_size or card.batch_size,
    )


def _find_code(card: ModelCard, folder: Path, code: Path | None) -> None:
    """Have the code that a checkpoint needs found, and make sure that it is there; in `code`, whatever it holds.

    Raises:
        CheckpointError: it is missing, or no longer what it was.
    """
    if not card.code:
        return
    if code is None and not Path(card.code_folder).is_dir():
        leave_code_folder()
    else:
        look_in(str(code or card.code_folder))
    if missing := absent_code(card.code):
        what = f"{folder} needs code of its own, `{missing[0].module}`, which was in {missing[0].file}"
        raise CheckpointError(what, hint="say where it is now: --code DIR")
    if code is None and (changed := changed_code(card.code)):
        _, path = changed[0]
        what = f"the code that {folder} needs has changed since it was trained: {path}"
        hint = f"say where it is as it was, or that it will do as it is: --code {path.parent}"
        raise CheckpointError(what, hint=hint)


def _tokenizer_of(folder: Path) -> Tokenizer:
    try:
        return load_tokenizer(str(folder))
    except RecipeError as error:
        problem = error.problems[0]
        raise CheckpointError(problem.what, hint=problem.hint) from error
