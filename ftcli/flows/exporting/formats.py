"""The formats of an export: what each one needs, writes, and answers with."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from torch import Tensor

from ftcli.flows.plain import own_scores, scores_of_transformers
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.modeling.exporting.files import PARITY
from ftcli.modeling.exporting.int8 import ACTIVATION_BITS, ActivationBits
from ftcli.modeling.exporting.onnx_file import write_int8, write_onnx
from ftcli.modeling.exporting.program_file import ProgramModel, write_program
from ftcli.modeling.exporting.tracing import traced
from ftcli.modeling.parity import plain_model
from ftcli.modeling.tagger import crf_of
from ftcli.runtime.encoding import Fields
from ftcli.runtime.files import write_json
from ftcli.train.card import CARD, ModelCard
from ftcli.train.models import restored

ExportFormat = Literal["hf", "onnx", "onnx-int8", "pt2"]
_LEFT_OUT = {"manifest.json", "recipe.toml", "README.md", PARITY, CARD}


def attempts(
    format: ExportFormat, predictor: Predictor, checkpoint: Path, folder: Path
) -> Generator[ActivationBits | None]:
    """Fill a new folder: the model, its tokenizer, config.json and ftcli.json.

    Yields:
        When the folder is whole, of `onnx-int8` the bits of its activations: 8, which is the fastest, and when it is
        asked for more, 16.

    Raises:
        UsageError: the model can't be had as a graph.
    """
    _copy(format, predictor.card, checkpoint, folder)
    if format == "hf":
        yield None
        return
    outputs, inputs = predictor.task.outputs, predictor.tokenizer.inner.model_input_names
    # All of the last layer, as the architecture has it: what other tools optimise is graphs that they know.
    model = restored(checkpoint, predictor.card, replace(outputs, logits_alone=False)).eval()
    program, crf = traced(model, outputs, has_types="token_type_ids" in inputs), crf_of(model)
    if format == "onnx-int8":
        with TemporaryDirectory(dir=folder.parent, prefix=".fp32-") as whole:
            write_onnx(program, Path(whole), outputs, crf)
            for bits in ACTIVATION_BITS:
                write_int8(Path(whole), folder, bits)
                yield bits
        return
    if format == "pt2":
        write_program(program, folder, crf)
    else:
        write_onnx(program, folder, outputs, crf)
    yield None


def _copy(format: ExportFormat, card: ModelCard, checkpoint: Path, folder: Path) -> None:
    """All but the weights of a graph, without the paths of this machine."""
    folder.mkdir(parents=True)
    for path in sorted(checkpoint.iterdir()):
        is_model = ".safetensors" in path.name
        if path.is_file() and path.name not in _LEFT_OUT and (format == "hf" or not is_model):
            shutil.copyfile(path, folder / path.name)
    card = card.model_copy(update={"data_folder": card.data})
    write_json(folder / CARD, (card if format == "hf" else _without_head_code(card)).model_dump(mode="json"))


def _without_head_code(card: ModelCard) -> ModelCard:
    """A graph holds what code of the user's own made of the head, and needs no more of it."""
    still_needed = card.task.kind == "custom" or getattr(card.task, "loss", "auto") != "auto"
    return card if still_needed or card.evaluate_factory != "off" else card.model_copy(update={"code": ()})


def reader_of(format: ExportFormat, predictor: Predictor, folder: Path) -> Predictor:
    """What reads an exported folder as its user would: onnxruntime, torch, or transformers alone."""
    if format == "hf":
        return replace(predictor, model=plain_model(folder, predictor.task.outputs))
    if format == "pt2":
        return replace(predictor, model=ProgramModel(folder, predictor.task.outputs))
    return open_predictor(folder, device="cpu")


def scores_of(format: ExportFormat, reader: Predictor, folder: Path, rows: Sequence[Fields]) -> Tensor:
    """What an exported folder says of rows: [sequences, outputs] or [words, outputs]."""
    return scores_of_transformers(reader, folder, rows) if format == "hf" else own_scores(reader, rows)
