"""An export answers as its checkpoint does, through `predict` and `eval`, for every task and head."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from ftcli.errors import ParityError
from ftcli.flows.export import Exported, ExportFormat, export
from ftcli.runtime.activity import Activity, Working
from tests.conftest import Ftcli
from tests.laws.rig import TASKS, spec_for

BOUNDS = {"probability": 1e-5, "value": 1e-4}
CASES: dict[str, tuple[str, ...]] = {
    "pairs": (),
    "mean of tokens": ("model.head=mean",),
    "first token": ("model.head=cls",),
    "symmetric pairs": ("task.symmetric=true", "model.head=max"),
    **{name: TASKS[name] for name in ("multi-label", "regression", "tagging in windows", "tagging with a CRF")},
}


def answers(ftcli: Ftcli, folder: Path | str, *options: object) -> list[dict[str, Any]]:
    done = ftcli("predict", "--ckpt", folder, "--input", "test.jsonl", *options)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def assert_same(expected: object, found: object, *, within: float = 0.0) -> None:
    """Labels, words and numbers of the input are equal, probabilities almost."""
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert list(expected) == list(found)
        for name, value in expected.items():
            bound = 1e-5 if name == "probabilities" else BOUNDS.get(name, within)
            assert_same(value, found[name], within=bound)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=within, rel=0)
    else:
        assert expected == found


def train(project: Path, ftcli: Ftcli, *settings: str) -> None:
    spec_for(project, *settings)
    options = [part for each in (*settings, "train.steps=6", "optimizer.lr=1e-2") for part in ("--set", each)]
    done = ftcli("train", "tiny.toml", *options)
    assert done.code == 0, done.err


def metrics(ftcli: Ftcli, folder: Path | str) -> dict[str, Any]:
    done = ftcli("eval", "--ckpt", folder, "--data", next(Path("data").glob("*/dataset.json")).parent, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_predictions_of_an_onnx_folder_are_those_of_the_checkpoint(
    project: Path, ftcli: Ftcli, settings: tuple[str, ...]
) -> None:
    train(project, ftcli, *settings)
    done = ftcli("export", "--ckpt", "run/best", "--format", "onnx")
    assert done.code == 0, done.err
    assert re.search(
        r": ([\d,]+) of \1 labels are the same on 21 validation rows and 179 made-up ones, logits ", done.out
    )
    folder = project / "run/export/onnx"
    expected, found = answers(ftcli, "run/best"), answers(ftcli, folder)
    assert len(found) == 11
    for row, other in zip(expected, found, strict=True):
        assert_same(row, other)
    ours, theirs = metrics(ftcli, "run/best"), metrics(ftcli, folder)
    # A rank correlation of numbers that hardly differ turns on their last digits.
    assert_same(ours["metrics"], theirs["metrics"], within=0.02)
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-4)
    parity = json.loads((folder / "parity.json").read_text())
    assert (parity["rows"], parity["labelled_rows"], parity["label_agreement"]) == (200, 21, 1.0)
    assert 0 < parity["largest_logit_difference"] < 1e-4
    assert set(parity["latency_ms"]) == {"1", "32"}
    assert all(5 <= each["export"]["calls"] <= 200 for each in parity["latency_ms"].values())


@pytest.mark.parametrize("format", ["onnx-int8", "pt2"])
@pytest.mark.parametrize("name", ["pairs", "tagging with a CRF"])
def test_other_graphs_answer_as_the_checkpoint_or_nearly(project: Path, ftcli: Ftcli, format: str, name: str) -> None:
    train(project, ftcli, *CASES[name])
    done = ftcli("export", "--ckpt", "run/best", "--format", format, "--min-agreement", 90)
    assert done.code == 0, done.err
    parity = json.loads(Path(f"run/export/{format}/parity.json").read_text())
    assert parity["label_agreement"] >= (0.9 if format == "onnx-int8" else 1.0)
    if format == "onnx-int8":
        expected, found = answers(ftcli, "run/best"), answers(ftcli, f"run/export/{format}")
        assert [list(row) for row in found] == [list(row) for row in expected]


def test_a_head_of_ones_own_is_in_the_graph_and_its_code_is_needed_no_more(project: Path, ftcli: Ftcli) -> None:
    own = project / "heads.py"
    own.write_text(
        "from torch import nn\n"
        "class Deep(nn.Module):\n"
        "    def __init__(self, config, outputs):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Linear(config.hidden_size, 8), nn.GELU(), nn.Linear(8, outputs.size))\n"
        "    def forward(self, hidden, attention_mask):\n"
        "        weights = attention_mask[..., None].to(hidden.dtype)\n"
        "        return self.layers((hidden * weights).sum(1) / weights.sum(1))\n"
    )
    train(project, ftcli, "model.head=custom", "model.head_factory=heads:Deep")
    done = ftcli("export", "--ckpt", "run/best", "--format", "onnx")
    assert done.code == 0, done.err
    expected = answers(ftcli, "run/best")
    own.unlink()
    for row, other in zip(expected, answers(ftcli, "run/export/onnx"), strict=True):
        assert_same(row, other)


def wait_until_written(work: Working[Exported]) -> None:
    while next(work).name != "compare":
        pass


def spoil_largest_weight(path: Path) -> None:
    """What a fault of an exporter or of a disk may do: one tensor of a graph has other values."""
    model = onnx.load(path)
    largest = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    values = torch.tensor(numpy_helper.to_array(largest))
    largest.CopyFrom(numpy_helper.from_array((values.flip(0) * -3).numpy(), largest.name))
    onnx.save(model, path)


def spoil_head(path: Path) -> None:
    """The same of a graph in 8 bits: its head says of one label what it should say of another."""
    model = onnx.load(path)
    bias = next(each for each in model.graph.initializer if each.name.endswith("classifier.bias"))
    weights = [each for each in model.graph.initializer if each.data_type == onnx.TensorProto.INT8][-1]
    for each in (bias, weights):
        each.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(each), 1, axis=-1), each.name))
    onnx.save(model, path)


def spoil_program(path: Path) -> None:
    """The same of a program of torch."""
    program = torch.export.load(path)
    largest = max(program.state_dict.values(), key=torch.numel)
    with torch.no_grad():
        largest.copy_(largest.flip(0) * -3)
    torch.export.save(program, path)


def spoiling(work: Working[Exported], spoil: Callable[[Path], None]) -> Iterator[Activity]:
    """The work, with every graph spoilt as soon as it is written."""
    for activity in work:
        if (activity.name, activity.done) == ("compare", 0):
            (written,) = Path("run/export").glob(".*.partial/model.*")
            spoil(written)
        yield activity


SPOIL = {"onnx": spoil_largest_weight, "onnx-int8": spoil_head, "pt2": spoil_program}


@pytest.mark.parametrize("format", SPOIL)
@pytest.mark.parametrize("settings", [(), TASKS["tagging with a CRF"]], ids=["pairs", "crf"])
def test_a_graph_that_is_damaged_before_it_is_checked_is_refused_and_nothing_is_left(
    project: Path, ftcli: Ftcli, settings: tuple[str, ...], format: ExportFormat
) -> None:
    train(project, ftcli, *settings)
    work = export(Path("run/best"), format=format)
    with pytest.raises(ParityError, match=r"gives other labels for|logits differ by up to") as raised:
        list(spoiling(work, SPOIL[format]))
    assert raised.value.exit_code == 1
    assert not any(Path("run/export").iterdir())


def test_an_earlier_export_stays_until_the_new_one_is_whole(project: Path, ftcli: Ftcli) -> None:
    train(project, ftcli)
    command = ("export", "--ckpt", "run/best", "--format", "onnx", "--output", "kept")
    assert ftcli(*command).code == 0
    earlier = Path("kept/earlier.txt")
    earlier.touch()
    work = export(Path("run/best"), format="onnx", output=Path("kept"), force=True)
    wait_until_written(work)
    spoil_largest_weight(Path(".kept.partial/model.onnx"))
    with pytest.raises(ParityError):
        list(work)
    assert earlier.exists()
    assert ftcli(*command, "--force").code == 0
    assert not earlier.exists()
    assert Path("kept/parity.json").is_file()


def test_scores_of_a_crf_that_are_damaged_are_found_by_the_tags_that_the_graph_gives(
    project: Path, ftcli: Ftcli
) -> None:
    train(project, ftcli, *TASKS["tagging with a CRF"], "data.max_length=32")
    work = export(Path("run/best"), format="onnx")
    wait_until_written(work)
    (written,) = Path("run/export").rglob("model.onnx")
    model = onnx.load(written)
    (steps,) = [each for each in model.graph.initializer if each.name == "crf.steps"]
    values = torch.tensor(numpy_helper.to_array(steps))
    steps.CopyFrom(numpy_helper.from_array((-100 * torch.eye(len(values))).numpy(), "crf.steps"))
    onnx.save(model, written)
    with pytest.raises(ParityError, match=r"gives other labels for [\d,]+ of [\d,]+ words"):
        list(work)
