"""What a run says of itself at its beginning: warnings as warnings, facts as facts, and what it will not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.errors import recipe
from tests.conftest import Ftcli

SLOW = "fp16 on a CPU is slower than fp32; it saves nothing here"
ONE_STEP = ("--set", "train.steps=1", "--set", "run.device=cpu")


def records(kind: str) -> list[dict]:
    found = map(json.loads, Path("run/log.jsonl").read_text().splitlines())
    return [record for record in found if record["event"] == kind]


def test_a_slow_choice_is_a_warning_and_new_weights_are_a_fact(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", "tiny.toml", *ONE_STEP, "--set", "precision.kind=fp16")
    assert result.code == 0, result.err
    assert f"warning: {SLOW}" in result.err.splitlines()
    assert (SLOW, "warning") in [(note["text"], note["level"]) for note in records("noted")]
    assert records("run_started")[0]["notes"] == ["new weights: classifier"]


def test_a_dry_run_tells_warnings_from_facts_too(project: Path, ftcli: Ftcli) -> None:
    lines = ftcli("train", "tiny.toml", "--dry-run", *ONE_STEP, "--set", "precision.kind=fp16").out.splitlines()
    assert f"warning: {SLOW}" in lines
    assert "note: new weights: classifier" in lines


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ((), None),
        (("evaluate.every=never",), "`evaluate.every` is never"),
        (("train.steps=3",), "`evaluate.every` is longer than the run's 3 steps"),
    ],
)
def test_a_run_that_evaluates_nothing_says_so(
    project: Path, ftcli: Ftcli, settings: tuple[str, ...], reason: str | None
) -> None:
    result = ftcli("train", "tiny.toml", "--dry-run", *(part for text in settings for part in ("--set", text)))
    assert result.code == 0, result.err
    expected = f"note: {reason}: nothing is evaluated, and best is the last checkpoint"
    assert (expected in result.out.splitlines()) == (reason is not None)
    assert ("nothing is evaluated" in result.out) == (reason is not None)


def test_a_run_without_a_validation_split_says_so(project: Path, ftcli: Ftcli) -> None:
    name = recipe(('validation = "validation.jsonl"\n', ""))
    result = ftcli("train", name, *ONE_STEP)
    assert result.code == 0, result.err
    said = "there is no validation split: nothing is evaluated, and best is the last checkpoint"
    assert said in result.err.splitlines()
    assert said in Path("run/out.log").read_text().splitlines()


def test_micro_batches_that_tokens_cut_are_not_counted(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", "tiny.toml", *ONE_STEP, "--set", "batch.max_tokens=64")
    assert result.code == 0, result.err
    assert (
        "(6 an epoch, micro-batches of at most 64 tokens, computed without padding)" in Path("run/out.log").read_text()
    )
    assert records("run_started")[0]["cut"] == "micro-batches of at most 64 tokens, computed without padding"


def test_layer_decay_shows_the_lowest_rate_beside_the_highest(project: Path, ftcli: Ftcli) -> None:
    settings = ("optimizer.layer_decay=0.5", "schedule.kind=constant", "schedule.warmup=0.0")
    result = ftcli("train", "tiny.toml", *ONE_STEP, *(part for text in settings for part in ("--set", text)))
    assert result.code == 0, result.err
    assert f"lr 1.0e-03 (base lowest {1e-3 / 2**4:.1e})" in result.err
    assert records("step_done")[0]["rates"] == pytest.approx({"base": 1e-3, "base lowest": 1e-3 / 2**4})
