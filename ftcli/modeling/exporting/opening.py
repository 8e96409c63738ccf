"""Folders of exported graphs, told by the file that holds the model."""

from __future__ import annotations

from pathlib import Path

from ftcli.modeling.exporting.onnx_file import OnnxModel
from ftcli.modeling.outputs import Outputs


def exported_model(folder: Path, outputs: Outputs) -> OnnxModel:
    """The model of such a folder.

    Raises:
        CheckpointError: its file is damaged, or its outputs are others.
        UsageError: onnxruntime is missing.
    """
    return OnnxModel(folder, outputs)
