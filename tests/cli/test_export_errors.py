"""What a user reads when a checkpoint can not be exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.errors import refused
from tests.conftest import Ftcli


def test_exporting_into_a_used_folder_is_refused(trained: Path, ftcli: Ftcli) -> None:
    for options, folder in (([], trained / "run" / "export" / "hf"), (["--output", "stopped"], "stopped")):
        error = refused(ftcli("export", "--ckpt", "run/best", *options), 2)
        assert error == f"error[usage]: the folder {folder} is not empty\nhelp: name another one: --output DIR\n"


@pytest.mark.parametrize("output", ["tiny.toml", "tiny.toml/below"])
def test_exporting_onto_a_file_is_refused(trained: Path, ftcli: Ftcli, output: str) -> None:
    error = refused(ftcli("export", "--ckpt", "run/best", "--output", output), 2)
    assert error == (
        f"error[usage]: {output} can't be a folder: there is a file in its place\nhelp: name another: --output DIR\n"
    )


def test_exporting_in_an_unknown_format_is_refused(trained: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("export", "--ckpt", "run/best", "--format", "onnxx"), 2)
    assert error == "error[usage]: --format onnxx: there is no such export format\nhelp: formats: hf\n"


def test_a_head_that_transformers_does_not_know_can_not_be_exported(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "model.head=mean", "--set", "train.steps=1").code == 0
    error = refused(ftcli("export", "--ckpt", "run/best"), 2)
    assert error == (
        "error[usage]: transformers has no class for the head `mean`\n"
        "help: train with model.head = auto; the encoder alone loads from the checkpoint with AutoModel\n"
    )
    assert not Path("run/export").exists()
