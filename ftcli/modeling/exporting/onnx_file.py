"""ONNX files: written from a traced model, quantised, and run by onnxruntime.

Inputs are int64: `input_ids`, `attention_mask` and perhaps `token_type_ids` [rows, length]; of a tagger also
`positions` [rows, words], where each word has its first piece, -1 beyond a row's words. Outputs are `logits`, fp32
[rows, labels] or [rows, words, labels], and of a tagger `tags`, int64 [rows, words].
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# onnx and onnxruntime are typed in part; their objects stop here.

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from ftcli.errors import CheckpointError, UsageError
from ftcli.modeling.crf import LinearChainCRF
from ftcli.modeling.exporting.decoding import OPSET, SCORES, add_decoder, decoder_alone
from ftcli.modeling.exporting.extra import onnx_module
from ftcli.modeling.exporting.files import MODEL
from ftcli.modeling.exporting.int8 import ActivationBits, quantise
from ftcli.modeling.exporting.model import ExportedModel
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.quiet import silenced

_AXES = {"positions": ("rows", "words"), "logits": ("rows", "words", "labels")}
_LARGEST_FILE = 1_800_000_000
"""A file of ONNX holds at most 2 GiB; the weights of a larger model lie beside it."""


def write_onnx(program: ExportedProgram, folder: Path, outputs: Outputs, crf: LinearChainCRF | None) -> None:
    """Write a traced model, with the decoder of a tagger, as model.onnx.

    Raises:
        UsageError: onnx or onnxscript is missing, or an operation of the model has no counterpart.
    """
    onnx, path = onnx_module("onnx"), folder / MODEL
    onnx_module("onnxscript")
    num_bytes = sum(value.numel() * value.element_size() for value in program.state_dict.values())
    with silenced("torch.onnx", "onnxscript", "onnx_ir"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made: Any = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, output_names=["logits"], verbose=False
            )
        except torch.onnx.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise UsageError(f"this model can't be written as ONNX: {reason}", hint="other formats: pt2") from error
        made.save(path, external_data=num_bytes > _LARGEST_FILE)
    model = onnx.load(path, load_external_data=False)
    _name_axes(model.graph, outputs)
    _leave_out_origins(model.graph)
    if outputs.per == "token":
        add_decoder(model, crf)
    onnx.save(model, path)


def _name_axes(graph: Any, outputs: Outputs) -> None:
    for value in (*graph.input, *graph.output):
        by_row = value.name == "logits" and outputs.per == "row"
        names = ("rows", "labels") if by_row else _AXES.get(value.name, ("rows", "length"))
        for axis, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
            if not axis.dim_value:
                axis.dim_param = name


def _leave_out_origins(graph: Any) -> None:
    """Leave out which line of Python each node was made of, and shapes in terms of what the axes were called before."""
    del graph.value_info[:]
    for each in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")


def write_int8(whole: Path, folder: Path, bits: ActivationBits) -> None:
    """Write the model.onnx of one folder to another with 8-bit weights, and so many bits for what flows between."""
    onnx = onnx_module("onnx")
    model = onnx.load(whole / MODEL)
    quantise(model, bits)
    (folder / MODEL).unlink(missing_ok=True)
    onnx.save(model, folder / MODEL)


class OnnxModel(ExportedModel):
    """A model.onnx, run by onnxruntime with as many threads as torch has."""

    def __init__(self, folder: Path, outputs: Outputs) -> None:
        session, by_word = _session(folder / MODEL), outputs.per == "token"
        _check_outputs(session, outputs, folder / MODEL)
        super().__init__(self._logits, by_word=by_word, crf=_crf_in(folder / MODEL) if by_word else None)
        self._session = session

    def _logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return _run(self._session, ["logits"], inputs)[0]

    def tags(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The tags that a tagger's graph gives by itself, int64 [rows, words]."""
        return _run(self._session, ["tags"], inputs)[0]


class _OnnxCrf(LinearChainCRF):
    """A CRF whose best chain is found by the graph's own decoder."""

    def __init__(self, model: Any) -> None:
        onnx = onnx_module("onnx")
        held = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer if each.name in SCORES}
        starts, ends, steps = (torch.tensor(held[name]) for name in SCORES)
        super().__init__(len(starts))
        self.take_scores(starts, ends, steps)
        self._decoder = _session(decoder_alone(model).SerializeToString())

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The most probable allowed labels, int64 [rows, length]; 0 under the padding."""
        positions = torch.zeros(mask.shape, dtype=torch.int64).masked_fill(~mask, -1)
        return _run(self._decoder, ["tags"], {"logits": emissions.float(), "positions": positions})[0]


def _crf_in(path: Path) -> LinearChainCRF | None:
    model = onnx_module("onnx").load(path, load_external_data=False)
    has_crf = {*SCORES} <= {each.name for each in model.graph.initializer}
    return _OnnxCrf(model) if has_crf else None


def _session(source: Path | bytes) -> Any:
    runtime = onnx_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        given = source if isinstance(source, bytes) else str(source)
        return runtime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no other ancestor
        raise CheckpointError(f"can't load {source}: {str(error).strip().splitlines()[0]}") from error


def _run(session: Any, names: list[str] | None, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    found = session.run(names, {name: np.asarray(value) for name, value in inputs.items()})
    return [torch.from_numpy(each) for each in found]


def _check_outputs(session: Any, outputs: Outputs, path: Path) -> None:
    """A score means the label at its place."""
    size = session.get_outputs()[0].shape[-1]
    if size != outputs.size:
        what = f"{path} has {size} outputs, but it is used for {', '.join(outputs.names)}"
        raise CheckpointError(what, hint="one of the two was changed since it was exported")
