"""What only exports need, imported when it is needed."""

from __future__ import annotations

import importlib
from typing import Any

from ftcli.errors import UsageError

ONNX_HINT = "install it: pip install 'ftcli[onnx]'"


def onnx_module(name: str) -> Any:
    """A module of onnx, onnxruntime or onnxscript.

    Raises:
        UsageError: it isn't installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(f"ONNX needs {name.partition('.')[0]}, which is not installed", hint=ONNX_HINT) from None


def check_onnx() -> None:
    """Make sure that what writes and runs ONNX is installed.

    Raises:
        UsageError: it isn't.
    """
    for name in ("onnx", "onnxruntime", "onnxscript"):
        onnx_module(name)
