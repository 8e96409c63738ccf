"""`ftcli export`: a checkpoint as a folder for tools that know nothing of ftcli, checked before it counts."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ftcli.errors import ParityError
from ftcli.flows.checks import check_export
from ftcli.flows.exporting.card import leave_out_places, write_readme
from ftcli.flows.exporting.formats import ExportFormat, attempts, reader_of, scores_of
from ftcli.flows.exporting.hub import check_repository, upload
from ftcli.flows.exporting.parity import LARGEST_DIFFERENCE, Parity, Side, compare, refusal_of, timed
from ftcli.flows.exporting.rows import trial_rows
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.modeling.exporting.files import PARITY
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.files import write_json

PARITY_ROWS = 200


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported folder, how its answers are beside the checkpoint's, and where it was uploaded."""

    folder: Path
    parity: Parity
    url: str | None = None


def export(
    checkpoint: Path,
    *,
    format: ExportFormat = "hf",
    output: Path | None = None,
    min_agreement: float | None = None,
    num_rows: int = PARITY_ROWS,
    code: Path | None = None,
    push: str | None = None,
    force: bool = False,
) -> Working[Exported]:
    """Write a checkpoint in another format, and hold its answers against the checkpoint's.

    Once it is written, and before it is read back, an activity "compare" is reported.

    Args:
        checkpoint: A checkpoint of a run.
        format: `hf`: config.json and model.safetensors, for plain transformers. `onnx`: model.onnx; `onnx-int8`: the
            same with 8-bit weights. `pt2`: model.pt2, by torch.export. Each with the tokenizer and ftcli.json.
        output: The folder; RUN/export/FORMAT if not given.
        min_agreement: The share of labels that must be the same; all if not given, 0.99 with 8-bit weights.
        num_rows: Rows to compare on.
        code: Where code of the user's own is, if not where it was.
        push: A repository of the Hugging Face hub to upload the folder to.
        force: Replace an export that is in the folder, once the new one is whole.

    Raises:
        CheckpointError: the checkpoint can't be used.
        ParityError: the exported model answers differently; nothing is left of it.
        UsageError: the folder is in use, the model can't be had in this format, something isn't installed, or the hub
            can't be written to.
    """
    folder = check_export(checkpoint, output, format=format, force=force)
    if push is not None:
        check_repository(push)
    predictor = open_predictor(checkpoint, device="cpu", code=code)
    with _whole_or_not_at_all(folder) as partial:
        trying = _Trying(format, predictor, checkpoint, partial, num_rows, min_agreement)
        parity = yield from trying.first_alike()
        write_json(partial / PARITY, parity.as_dict())
        write_readme(partial, format, predictor.card, parity, checkpoint)
        if push is not None:
            leave_out_places(partial)
    return Exported(folder, parity, upload(folder, push) if push is not None else None)


@dataclass(frozen=True, slots=True)
class _Trying:
    """What is written where, and what its answers are held against."""

    format: ExportFormat
    predictor: Predictor
    checkpoint: Path
    folder: Path
    num_rows: int
    min_agreement: float | None

    def first_alike(self) -> Working[Parity]:
        """Write and compare until the answers are the same, and only then take the time.

        Raises:
            ParityError: the last attempt answers otherwise.
        """
        trial = trial_rows(self.predictor, self.num_rows)
        scores = (yield from self.predictor.score(self.predictor.split(trial.rows), name="the checkpoint")).scores
        ours = Side(self.predictor, self.checkpoint, scores)
        refusal: ParityError | None = None
        yield Activity("write", 0)
        with closing(attempts(self.format, self.predictor, self.checkpoint, self.folder)) as written:
            for bits in written:
                yield Activity("compare", 0, self.num_rows)
                reader = reader_of(self.format, self.predictor, self.folder)
                theirs = Side(reader, self.folder, scores_of(self.format, reader, self.folder, trial.rows))
                parity = replace(compare(trial, ours, theirs), activation_bits=bits)
                yield Activity("compare", self.num_rows, self.num_rows)
                if (refusal := self._refusal(parity)) is None:
                    return (yield from timed(parity, trial, self.predictor, reader))
        assert refusal is not None
        raise refusal

    def _refusal(self, parity: Parity) -> ParityError | None:
        is_exact = self.format != "onnx-int8"
        least = (1.0 if is_exact else 0.99) if self.min_agreement is None else self.min_agreement
        return refusal_of(parity, min_agreement=least, largest_difference=LARGEST_DIFFERENCE if is_exact else None)


@contextmanager
def _whole_or_not_at_all(folder: Path) -> Generator[Path]:
    """The place of a folder that takes its name when the block is done, and is gone when it fails."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
