"""run.json: where and with what a run was made."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ftcli import __version__
from ftcli.data.dataset import Prepared
from ftcli.modeling.places import resolve_path
from ftcli.runtime.files import sha256_of
from ftcli.runtime.launch import launch_agent, launch_id
from ftcli.runtime.world import World
from ftcli.spec.run import RunSpec

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "pydantic", "numpy")


def run_facts(spec: RunSpec, *, world: World, prepared: Prepared, identity: str) -> dict[str, Any]:
    """What tells the run from any other; versions, host, device, command line, and fingerprints of data and model."""
    return {
        "id": identity,
        "ftcli": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "device": _device_name(world.device),
        "world_size": world.size,
        "threads": torch.get_num_threads(),
        "launch": launch_facts(),
        "command": sys.argv,
        "working_directory": str(Path.cwd()),
        "commit": _commit(),
        "started": round(time.time(), 3),
        "data": {
            "name": prepared.facts.name,
            "folder": str(prepared.folder.resolve()),
            "rows_sha256": prepared.facts.rows_sha256,
        },
        "model": {"path": spec.model.path, "sha256": _weights_hash(Path(resolve_path(spec.model.path)))},
    }


def launch_facts() -> dict[str, str | None]:
    """What tells a restart by torchrun from another launch."""
    return {"id": launch_id(), "agent": launch_agent()}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({os.cpu_count()} cores)"


def _commit() -> str | None:
    """The commit of the working directory, where it is a git checkout."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _weights_hash(folder: Path) -> str | None:
    """The hash of a local model's weights; a hub's model is named by its id alone."""
    weights = folder / "model.safetensors"
    return sha256_of(weights) if weights.is_file() else None
