"""What can be said against a command before torch is loaded, which takes seconds: paths, formats, options, the task."""

from __future__ import annotations

from pathlib import Path

from ftcli.data.readers import TABLES, file_kind
from ftcli.errors import UsageError
from ftcli.flows.inputs import Input, Opened, RowFile, open_rows
from ftcli.flows.outputs import Output, form_of_predictions
from ftcli.modeling.exporting.extra import check_onnx
from ftcli.modeling.exporting.files import MODEL, PARITY, PROGRAM, is_exported
from ftcli.runtime.device_names import check_device
from ftcli.runtime.launch import under_torchrun
from ftcli.spec.choices import card_task
from ftcli.spec.probabilities import Probabilities
from ftcli.train.card import ModelCard, read_card


def check_predict(checkpoint: Path, source: Input, output: Output, asked: Probabilities, *, device: str) -> None:
    """Make sure that rows can be predicted so.

    Raises:
        CheckpointError: there is no such checkpoint.
        DataError: there is no such input, or nothing tells its format.
        UsageError: the output can't be written there, or doesn't go with the rest.
    """
    output.check()
    source.check()
    card = _check_scored(checkpoint, source, device=device)
    asked.check(card.task)
    if output.form == "conll":
        _check_columns(card, source, asked, checkpoint)


def check_eval(
    checkpoint: Path, file: RowFile | None, other: Path | None, *, device: str, forgets: bool = False
) -> None:
    """Make sure that a checkpoint can be scored so.

    Args:
        checkpoint: The checkpoint.
        file: Labelled rows, if they are not a split's.
        other: What it is to be compared with.
        device: "auto", "cpu" or "cuda".
        forgets: Whether what was fitted to it is to be forgotten.

    Raises:
        CheckpointError: there is no such checkpoint, here or to compare with.
        DataError: there is no such file of rows, or nothing tells its format.
        UsageError: there is nothing to compare with, or to forget.
    """
    if file is not None:
        file.check()
    if other is not None:
        _check_rival(other)
    card = _check_scored(checkpoint, file, device=device)
    if forgets and card.calibration is None:
        what = f"nothing that was fitted is kept in {checkpoint}"
        raise UsageError(what, hint="leave out --uncalibrate; --calibrate and --tune-threshold f1 fit it")


def _check_rival(other: Path) -> None:
    if other.is_file():
        form_of_predictions(other)
    elif other.exists():
        read_card(other)
    else:
        hint = "a checkpoint, an exported folder, or a file that `ftcli predict` wrote"
        raise UsageError(f"there is nothing to compare with: {other}", hint=hint)


def check_export(checkpoint: Path, output: Path | None, *, format: str, force: bool = False) -> Path:
    """Make sure that there is a checkpoint that can be had in a format, and room for the folder.

    Returns:
        The folder, RUN/export/FORMAT if none is given.

    Raises:
        CheckpointError: there is no such checkpoint.
        UsageError: it is an export itself, transformers has no class for its head, the folder is in use, what the
            format needs is not installed, or torchrun started this process.
    """
    if under_torchrun():
        hint = f"without torchrun: ftcli export --ckpt {checkpoint}"
        raise UsageError("an export is written by one process", hint=hint)
    card = read_card(checkpoint)
    if is_exported(checkpoint):
        what = f"{checkpoint} is a graph that was exported; its weights can't be had back"
        raise UsageError(what, hint="export the checkpoint that it was made of")
    if format == "hf" and card.head != "auto":
        what = f"transformers has no class for the head `{card.head}`"
        hint = "--format onnx has room for any head; the encoder alone loads from the checkpoint with AutoModel"
        raise UsageError(what, hint=hint)
    folder = output or _export_folder(checkpoint, format)
    _check_room(folder, force=force)
    if format.startswith("onnx"):
        check_onnx()
    return folder


def _export_folder(checkpoint: Path, format: str) -> Path:
    """RUN/export/FORMAT for RUN/best, RUN/last and RUN/checkpoints/step-N."""
    resolved = checkpoint.resolve()
    run = resolved.parent.parent if resolved.parent.name == "checkpoints" else resolved.parent
    return run / "export" / format


def _check_room(folder: Path, *, force: bool) -> None:
    if folder.is_file() or any(parent.is_file() for parent in folder.parents):
        raise UsageError(f"{folder} can't be a folder: there is a file in its place", hint="name another: --output DIR")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / PARITY).is_file():
        raise UsageError(f"the folder {folder} is not empty", hint="name another one: --output DIR")
    if not force:
        raise UsageError(f"{folder} holds an export", hint="replace it: --force; or name another folder: --output DIR")


def check_graph(checkpoint: Path, *, device: str) -> None:
    """Make sure that an exported graph, if it is one, can be run on a device.

    Raises:
        UsageError: it can't.
    """
    if not is_exported(checkpoint):
        return
    if device not in {"auto", "cpu"}:
        raise UsageError(f"--device {device}: an exported graph runs on the CPU here", hint="or use the checkpoint")
    if not (checkpoint / MODEL).is_file():
        what = f"{checkpoint / PROGRAM} is not run here: what torch reads of such a file may be code"
        raise UsageError(what, hint="use the checkpoint, or export it with --format onnx")


def _check_scored(checkpoint: Path, file: RowFile | None, *, device: str) -> ModelCard:
    check_device(device)
    card = read_card(checkpoint)
    check_graph(checkpoint, device=device)
    if file is not None:
        _check_delimiter(file, open_rows(file, card))
    return card


def _check_delimiter(file: RowFile, opened: Opened) -> None:
    kind = file_kind(opened.format, name=file.kind_name)
    if file.format.delimiter is not None and kind not in (*TABLES, "conll"):
        what = f"--delimiter is for tables and columns of words, and {file.name} is read as {kind}"
        raise UsageError(what, hint="--format csv, or no --delimiter")


def _check_columns(card: ModelCard, source: Input, asked: Probabilities, checkpoint: Path) -> None:
    if card_task(card.task) != "tagging":
        what = f"columns of words and tags are for taggers, and {checkpoint} is none"
        raise UsageError(what, hint="--output-format jsonl or csv")
    if source.keep_going:
        raise UsageError("columns have no place for a row's error", hint="--output-format jsonl, or no --keep-going")
    if asked.fields:
        what = f"columns have no place for probabilities ({asked.options})"
        raise UsageError(what, hint="--output-format jsonl or csv")
