"""The commands beside training, on a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.conftest import Ftcli

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture
def trained(project: Path, ftcli: Ftcli) -> Path:
    done = ftcli("train", "tiny.toml", "--run-dir", "run")
    assert done.code == 0, done.err
    return project


def test_a_gpu_answers_and_scores_as_a_cpu_does(trained: Path, ftcli: Ftcli) -> None:
    answers: dict[str, list[str]] = {}
    scores: dict[str, dict[str, float]] = {}
    for device in ("cpu", "cuda"):
        predicted = ("--input", "test.jsonl", "--output", f"{device}.jsonl")
        done = ftcli("predict", "--ckpt", "run/best", *predicted, "--device", device)
        assert done.code == 0, done.err
        done = ftcli("eval", "--ckpt", "run/best", "--input", "test.jsonl", "--device", device, "--json")
        assert done.code == 0, done.err
        rows = [json.loads(line) for line in (trained / f"{device}.jsonl").read_text().splitlines()]
        answers[device] = [row["label"] for row in rows]
        scores[device] = json.loads(done.out)["metrics"]
    assert answers["cuda"] == answers["cpu"]
    assert scores["cuda"] == pytest.approx(scores["cpu"], rel=1e-4)


def test_what_was_trained_on_a_gpu_is_exported(trained: Path, ftcli: Ftcli) -> None:
    pytest.importorskip("onnxscript")
    done = ftcli("export", "--ckpt", "run/best", "--output", "out", "--format", "onnx")
    assert done.code == 0, done.err


def test_a_compiled_step_is_tried_and_judged(project: Path, ftcli: Ftcli) -> None:
    done = ftcli("train", "tiny.toml", "--run-dir", "run", "--set", "train.compile=true", "--set", "freeze.cache=off")
    assert done.code == 0, done.err
    assert "x as fast over" in done.err
