"""No pickle, read or written: it is code, and whoever loads it runs it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.errors import refused
from tests.conftest import Ftcli


def read_text(path: Path) -> object:
    return path.read_text(encoding="utf-8")


READERS = {
    ".safetensors": load_file,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".jsonl": lambda path: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()],
    ".toml": lambda path: tomllib.loads(path.read_text(encoding="utf-8")),
    ".md": read_text,
    ".log": read_text,
    ".txt": read_text,
}


def test_every_file_of_a_run_folder_is_read_by_something_that_runs_nothing(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml").code == 0
    assert (
        ftcli(
            "train", "tiny.toml", "--run-dir", "failed", "--set", "optimizer.kind=sgd", "--set", "optimizer.lr=1e30"
        ).code
        == 5
    )
    files = [path for run in ("run", "failed") for path in (project / run).rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {
        "optimizer.safetensors",
        "model.safetensors",
        "postmortem.md",
        "manifest.json",
    }
    for path in files:
        READERS[path.suffix](path)


def test_weights_that_are_pickled_are_refused(project: Path, model_folder: Path, ftcli: Ftcli) -> None:
    pickled = project / "pickled"
    pickled.mkdir()
    for path in model_folder.iterdir():
        if path.suffix == ".json":
            (pickled / path.name).write_bytes(path.read_bytes())
    torch.save(load_file(model_folder / "model.safetensors"), pickled / "pytorch_model.bin")
    error = refused(ftcli("train", "tiny.toml", "--set", f"model.path={pickled}"), 2)
    assert "can't load" in error
    assert "safetensors" in error


@pytest.mark.parametrize("head", ["auto", "mean"])
def test_no_head_reads_them_either(project: Path, model_folder: Path, ftcli: Ftcli, head: str) -> None:
    pickled = project / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_bytes((model_folder / "config.json").read_bytes())
    torch.save(load_file(model_folder / "model.safetensors"), pickled / "pytorch_model.bin")
    settings = (
        "--set",
        f"model.path={pickled}",
        "--set",
        f"model.tokenizer={model_folder}",
        "--set",
        f"model.head={head}",
    )
    assert "can't load" in refused(ftcli("train", "tiny.toml", *settings), 2)
