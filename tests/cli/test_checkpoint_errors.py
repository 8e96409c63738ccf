"""What a user reads when a checkpoint can not be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.errors import flip, on_every_command, refused
from tests.conftest import Ftcli


@on_every_command
def test_a_checkpoint_that_is_not_there_is_named(trained: Path, ftcli: Ftcli, command: list[str]) -> None:
    error = refused(ftcli(*command, "--ckpt", "run/none"), 6)
    assert error == (
        "error[checkpoint]: no such checkpoint: run/none\nhelp: a run's checkpoints are RUN/best and RUN/last\n"
    )


@on_every_command
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "state/optimizer.safetensors"])
def test_one_flipped_bit_is_found_before_anything_is_computed(
    copied: Path, ftcli: Ftcli, command: list[str], file: str
) -> None:
    shutil.rmtree(copied / "export", ignore_errors=True)  # of another test, which would be refused first
    flip(copied / "best" / file)
    error = refused(ftcli(*command, "--ckpt", copied / "best"), 6)
    assert error == f"error[checkpoint]: checkpoint {copied / 'best'} is damaged: {file} does not match its hash\n"


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("model.safetensors", b"short", "model.safetensors has 5 bytes instead of "),
        ("manifest.json", b"{}", "manifest.json can't be read"),
        ("manifest.json", b"[", "manifest.json can't be read"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
    ],
)
def test_a_checkpoint_with_a_bad_file_says_which(
    copied: Path, ftcli: Ftcli, file: str, content: bytes | None, what: str
) -> None:
    path = copied / "best" / file
    path.unlink() if content is None else path.write_bytes(content)
    error = refused(ftcli("eval", "--ckpt", copied / "best"), 6)
    assert error.startswith(f"error[checkpoint]: checkpoint {copied / 'best'} is damaged: {what}")


@on_every_command
def test_a_folder_of_another_tool_is_no_checkpoint(
    trained: Path, ftcli: Ftcli, command: list[str], model_folder: Path
) -> None:
    error = refused(ftcli(*command, "--ckpt", model_folder), 6)
    assert error == (
        f"error[checkpoint]: {model_folder} is no checkpoint of ftcli: it has no ftcli.json\n"
        "help: a checkpoint of ftcli is RUN/best, RUN/last or a folder that `ftcli export` wrote\n"
    )


@on_every_command
def test_a_checkpoint_of_another_version_is_refused(copied: Path, ftcli: Ftcli, command: list[str]) -> None:
    folder = copied / "export" / "hf"
    card = json.loads((folder / "ftcli.json").read_text())
    (folder / "ftcli.json").write_text(json.dumps({**card, "format_version": 1, "task": "classification"}))
    error = refused(ftcli(*command, "--ckpt", folder), 6)
    assert error == (
        f"error[checkpoint]: {folder} was written in format 1; format 3 is needed\n"
        "help: use the version of ftcli that trained it\n"
    )


@pytest.mark.parametrize("content", ['{"task": "classification"}', '{"task": {"kind": "parsing"}}', "{"])
def test_a_card_that_is_none_is_named(copied: Path, ftcli: Ftcli, content: str) -> None:
    folder = copied / "export" / "hf"
    (folder / "ftcli.json").write_text(content)
    error = refused(ftcli("eval", "--ckpt", folder), 6)
    assert error.startswith(f"error[checkpoint]: {folder / 'ftcli.json'} can't be read: ")


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("model.safetensors", None, "can't read {}/model.safetensors: "),
        ("model.safetensors", b"short", "can't read {}/model.safetensors: "),
        ("config.json", None, "can't load {}: "),
        ("tokenizer.json", None, "can't load a tokenizer from {}: "),
    ],
)
def test_an_exported_folder_with_a_bad_file_says_which(
    copied: Path, ftcli: Ftcli, file: str, content: bytes | None, what: str
) -> None:
    folder = copied / "export" / "hf"
    path = folder / file
    path.unlink() if content is None else path.write_bytes(content)
    error = refused(ftcli("eval", "--ckpt", folder, "--input", "validation.jsonl"), 6)
    assert error.startswith(f"error[checkpoint]: {what.format(folder)}")


@on_every_command
def test_a_config_with_other_labels_than_the_card_is_refused(copied: Path, ftcli: Ftcli, command: list[str]) -> None:
    folder = copied / "export" / "hf"
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": {"0": "yes", "1": "no"}, "label2id": {"yes": 0, "no": 1}}
    (folder / "config.json").write_text(json.dumps(config))
    assert refused(ftcli(*command, "--ckpt", folder), 6) == (
        f"error[checkpoint]: the config.json of {folder} lists the labels yes, no, but it is used for no, yes\n"
        "help: one of the two was changed since it was trained\n"
    )
