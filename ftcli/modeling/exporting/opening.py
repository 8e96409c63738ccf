"""Folders of exported graphs, told by the file that holds the model."""

from __future__ import annotations

from pathlib import Path

from ftcli.errors import UsageError
from ftcli.modeling.exporting.files import MODEL, PROGRAM
from ftcli.modeling.exporting.onnx_file import OnnxModel
from ftcli.modeling.outputs import Outputs


def exported_model(folder: Path, outputs: Outputs) -> OnnxModel:
    """The model of such a folder.

    Raises:
        CheckpointError: its file is damaged, or its outputs are others.
        UsageError: onnxruntime is missing, or only torch reads the file, which may run code that is in it.
    """
    if not (folder / MODEL).is_file():
        what = f"{folder / PROGRAM} is not run here: what torch reads of such a file may be code"
        raise UsageError(what, hint="use the checkpoint, or export it with --format onnx")
    return OnnxModel(folder, outputs)
