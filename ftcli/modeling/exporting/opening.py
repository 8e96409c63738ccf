"""Folders of exported graphs, told by the file that holds the model."""

from __future__ import annotations

from pathlib import Path

from ftcli.modeling.exporting.model import ExportedModel
from ftcli.modeling.exporting.onnx_file import MODEL, OnnxModel
from ftcli.modeling.exporting.program_file import PROGRAM, ProgramModel
from ftcli.modeling.outputs import Outputs


def is_exported(folder: Path) -> bool:
    """Whether a folder holds an exported graph instead of a model's weights."""
    return any((folder / name).is_file() for name in (MODEL, PROGRAM))


def exported_model(folder: Path, outputs: Outputs) -> ExportedModel:
    """The model of such a folder.

    Raises:
        CheckpointError: its file is damaged, or its outputs are others.
        UsageError: onnxruntime is missing.
    """
    return OnnxModel(folder, outputs) if (folder / MODEL).is_file() else ProgramModel(folder, outputs)
