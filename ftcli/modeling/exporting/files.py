"""What the files of an export are called, by which its folder is told."""

from __future__ import annotations

from pathlib import Path

MODEL = "model.onnx"
PROGRAM = "model.pt2"
PARITY = "parity.json"


def is_exported(folder: Path) -> bool:
    """Whether a folder holds an exported graph instead of a model's weights."""
    return any((folder / name).is_file() for name in (MODEL, PROGRAM))
