"""What a user reads when a checkpoint can not be exported, or an export not be used."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.cli.errors import refused
from tests.conftest import Ftcli

INSTALL = "help: install it: pip install 'ftcli[onnx]'\n"


def test_exporting_into_a_used_folder_is_refused(trained: Path, ftcli: Ftcli) -> None:
    export = trained / "run" / "export" / "hf"
    assert refused(ftcli("export", "--ckpt", "run/best"), 2) == (
        f"error[usage]: {export} holds an export\nhelp: replace it: --force; or name another folder: --output DIR\n"
    )
    error = refused(ftcli("export", "--ckpt", "run/best", "--output", "stopped", "--force"), 2)
    assert error == "error[usage]: the folder stopped is not empty\nhelp: name another one: --output DIR\n"


def test_exporting_under_torchrun_is_refused(trained: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    error = refused(ftcli("export", "--ckpt", "run/best"), 2)
    assert error == (
        "error[usage]: an export is written by one process\nhelp: without torchrun: ftcli export --ckpt run/best\n"
    )


@pytest.mark.parametrize("output", ["tiny.toml", "tiny.toml/below"])
def test_exporting_onto_a_file_is_refused(trained: Path, ftcli: Ftcli, output: str) -> None:
    error = refused(ftcli("export", "--ckpt", "run/best", "--output", output), 2)
    assert error == (
        f"error[usage]: {output} can't be a folder: there is a file in its place\nhelp: name another: --output DIR\n"
    )


def test_exporting_in_an_unknown_format_is_refused(trained: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("export", "--ckpt", "run/best", "--format", "onnxx"), 2)
    assert error == (
        "error[usage]: --format onnxx: there is no such export format\nhelp: formats: hf, onnx, onnx-int8, pt2\n"
    )


def test_a_head_that_transformers_does_not_know_can_not_be_exported(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "model.head=mean", "--set", "train.steps=1").code == 0
    error = refused(ftcli("export", "--ckpt", "run/best"), 2)
    assert error == (
        "error[usage]: transformers has no class for the head `mean`\n"
        "help: --format onnx has room for any head; the encoder alone loads from the checkpoint with AutoModel\n"
    )
    assert not Path("run/export").exists()


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_what_onnx_needs_is_named(
    trained: Path, tmp_path: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    done = ftcli("export", "--ckpt", "run/best", "--format", "onnx", "--output", tmp_path / "onnx")
    assert refused(done, 2) == f"error[usage]: ONNX needs {missing}, which is not installed\n{INSTALL}"
    assert not any(tmp_path.iterdir())


HARD_TO_TELL = {
    "plain transformers": ("hf", 0.0, r" gives other labels for \d+ of 200 rows \(\d+\.\d\d%\)\nhelp: .* it was 100"),
    "far away": ("hf", 100.0, r"'s logits differ by up to [\d.]+ from the checkpoint's\nhelp: .* another dtype .*"),
    "eight bits": ("onnx-int8", 0.0, r" gives other labels for \d+ of 200 rows \(\d+\.\d\d%\)\nhelp: .* it was 99"),
}


@pytest.mark.parametrize("case", HARD_TO_TELL.values(), ids=HARD_TO_TELL)
def test_an_export_that_answers_otherwise_is_refused_and_nothing_is_left(
    project: Path, tmp_path: Path, ftcli: Ftcli, case: tuple[str, float, str]
) -> None:
    format, bias, what = case
    assert ftcli("train", "tiny.toml", "--set", "train.steps=1").code == 0
    tmp_path /= "exports"
    assert ftcli("export", "--ckpt", "run/best", "--output", tmp_path / "hf").code == 0
    weights = load_file(tmp_path / "hf" / "model.safetensors")
    # What tells the two labels apart is less than bfloat16 can hold, in which only plain transformers would compute,
    # and less than an integer of 8 bits can.
    first = 1 + weights["classifier.weight"][0]
    weights["classifier.weight"] = torch.stack((first, first + 1e-4 * weights["classifier.weight"][1]))
    weights["classifier.bias"] = torch.tensor([0.0, bias])
    save_file(weights, tmp_path / "hf" / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((tmp_path / "hf" / "config.json").read_text()) | {"dtype": "bfloat16"}
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config))
    done = ftcli("export", "--ckpt", tmp_path / "hf", "--output", tmp_path / "again", "--format", format)
    assert re.fullmatch(rf"error\[parity\]: the exported model{what}\n", error := refused(done, 1)), error
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_a_head_that_torch_can_not_follow_is_refused(project: Path, ftcli: Ftcli) -> None:
    Path("heads.py").write_text(
        "from torch import nn\n"
        "class Asking(nn.Linear):\n"
        "    def __init__(self, config, outputs):\n"
        "        super().__init__(config.hidden_size, outputs.size)\n"
        "    def forward(self, hidden, attention_mask):\n"
        "        first = super().forward(hidden[:, 0])\n"
        "        return first if first.sum().item() > 0 else first * 2\n"
    )
    own = ("--set", "model.head=custom", "--set", "model.head_factory=heads:Asking", "--set", "train.steps=1")
    assert ftcli("train", "tiny.toml", *own).code == 0
    for format in ("onnx", "pt2"):
        error = refused(ftcli("export", "--ckpt", "run/best", "--format", format), 2)
        assert error.startswith("error[usage]: torch can't make a graph of this model: ")
        assert error.endswith(
            "help: a head of your own may only use operations that don't ask for the numbers in a batch\n"
        )
    assert not any(Path("run/export").iterdir())


@pytest.fixture(scope="module")
def graphs(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run's checkpoint as a folder of ONNX and as one of torch. Look, don't touch."""
    from ftcli.cli.main import run

    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        for format in ("onnx", "pt2"):
            assert run(["export", "--ckpt", "run/best", "--format", format, "--output", str(folder / format)]) == 0
    return folder


@pytest.mark.parametrize("missing", ["onnxruntime", "onnx"])
def test_predicting_without_onnxruntime_says_what_to_install(
    trained: Path, graphs: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    done = ftcli("predict", "--ckpt", graphs / "onnx", "--input", "test.jsonl")
    if missing == "onnx":  # only a CRF is read from the file
        assert done.code == 0
    else:
        assert refused(done, 2) == f"error[usage]: ONNX needs onnxruntime, which is not installed\n{INSTALL}"


def test_a_graph_is_not_exported_again(trained: Path, graphs: Path, ftcli: Ftcli) -> None:
    assert refused(ftcli("export", "--ckpt", graphs / "onnx"), 2) == (
        f"error[usage]: {graphs / 'onnx'} is a graph that was exported; its weights can't be had back\n"
        "help: export the checkpoint that it was made of\n"
    )


def test_a_graph_runs_on_the_cpu(trained: Path, graphs: Path, ftcli: Ftcli) -> None:
    done = ftcli("predict", "--ckpt", graphs / "onnx", "--input", "test.jsonl", "--device", "cuda")
    assert refused(done, 2) == (
        "error[usage]: --device cuda: an exported graph runs on the CPU here\nhelp: or use the checkpoint\n"
    )


def test_a_damaged_graph_is_named(trained: Path, graphs: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    for path in (graphs / "onnx").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 2000 if path.name == "model.onnx" else None])
    error = refused(ftcli("predict", "--ckpt", tmp_path, "--input", "test.jsonl"), 6)
    assert error.startswith(f"error[checkpoint]: can't load {tmp_path / 'model.onnx'}: ")


def test_a_program_of_torch_is_not_read(trained: Path, graphs: Path, ftcli: Ftcli) -> None:
    program = graphs / "pt2" / "model.pt2"
    for command in (["eval"], ["predict", "--input", "test.jsonl"]):
        assert refused(ftcli(*command, "--ckpt", graphs / "pt2"), 2) == (
            f"error[usage]: {program} is not run here: what torch reads of such a file may be code\n"
            "help: use the checkpoint, or export it with --format onnx\n"
        )
