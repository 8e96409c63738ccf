"""A signal stops a run between two steps, or in the middle of scoring; resumed, it ends as if there had been none."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ftcli.flows.train import resume, train
from ftcli.runtime.activity import Activity
from ftcli.train.events import Event, RunFinished
from tests.cli.terminal import on_terminal
from tests.conftest import make_rows, write_rows
from tests.laws.rig import spec_of
from tests.laws.test_resume import assert_same_bytes

SETTINGS = ("evaluate.batch_size=4", "model.dropout=0.1")
ANSWER = "stopping after this step; once more ends it at once"
LONG_STEPS = ("batch.size=3000", "batch.micro_size=1", "evaluate.every=never")


def asked_while(activity: str, events: Iterator[Event], *, number: int = 1) -> list[Event]:
    """The events of a run that is sent SIGTERM when this activity is reported for the `number`th time."""
    seen: list[Event] = []
    for event in events:
        seen.append(event)
        if isinstance(event, Activity) and event.name == activity:
            number -= 1
            if number == 0:
                signal.raise_signal(signal.SIGTERM)
    return seen


def metrics(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture
def whole(project: Path) -> Path:
    list(train(spec_of(project / "tiny.toml", *SETTINGS), run_dir=str(project / "whole")))
    return project / "whole"


@pytest.mark.parametrize("number", [2, 8], ids=["first epoch", "last epoch"])
def test_an_evaluation_is_left_and_made_up_for(project: Path, whole: Path, number: int) -> None:
    """21 rows are six batches."""
    run = project / "run"
    spec = spec_of(project / "tiny.toml", *SETTINGS)
    seen = asked_while("evaluate validation", train(spec, run_dir=str(run)), number=number)
    end = seen[-1]
    assert isinstance(end, RunFinished)
    assert (end.reason, end.exit_code, end.step) == ("signal", 143, 6 if number == 2 else 12)
    assert end.resume == f"ftcli resume {run}"
    assert sum(isinstance(event, Activity) and event.name == "evaluate validation" for event in seen) == number
    assert list(resume(run))[-1].reason == "finished"
    assert_same_bytes(run, whole)
    assert metrics(run) == metrics(whole)
    assert (run / "best").resolve().name == (whole / "best").resolve().name
    assert [event.reason for event in resume(run)] == ["already_finished"]


def test_a_prediction_is_left_and_made_anew(project: Path, whole: Path) -> None:
    run = project / "run"
    spec = spec_of(project / "tiny.toml", *SETTINGS)
    end = asked_while("evaluate test", train(spec, run_dir=str(run)))[-1]
    assert isinstance(end, RunFinished)
    assert (end.reason, end.exit_code) == ("signal", 143)
    assert not (run / "predictions/test.jsonl").exists()
    assert list(resume(run))[-1].reason == "finished"
    assert (run / "predictions/test.jsonl").read_bytes() == (whole / "predictions/test.jsonl").read_bytes()
    assert metrics(run) == metrics(whole)


def test_an_evaluation_at_the_start_is_left_and_made_anew(project: Path) -> None:
    run = project / "run"
    spec = spec_of(project / "tiny.toml", *SETTINGS, "evaluate.at_start=true")
    end = asked_while("evaluate validation", train(spec, run_dir=str(run)))[-1]
    assert isinstance(end, RunFinished)
    assert (end.reason, end.exit_code, end.step) == ("signal", 143, 0)
    assert list(resume(run))[-1].reason == "finished"
    assert metrics(run)["epochs"][0]["step"] == 0


def command(*settings: str, ranks: int = 1) -> list[str]:
    launcher = [sys.executable, "-m"]
    if ranks > 1:
        rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
        launcher += ["torch.distributed.run", "--nproc-per-node", str(ranks), *rendezvous, "-m"]
    return [*launcher, "ftcli", "train", "tiny.toml", *(part for text in settings for part in ("--set", text))]


def signalled(arguments: Sequence[str], signals: Sequence[tuple[str, int]]) -> tuple[int, list[str]]:
    """Start a process and send it each signal at the line that begins with its text; its code, and its lines."""
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    left, lines = list(signals), []
    with process.stderr as stream:
        for line in stream:
            lines.append(line.rstrip("\n"))
            if left and line.startswith(left[0][0]):
                process.send_signal(left.pop(0)[1])
    assert not left, lines
    return process.wait(), lines


def test_the_first_signal_is_answered_in_the_middle_of_a_step(project: Path) -> None:
    write_rows(project / "train.jsonl", make_rows(600, seed=1))
    code, lines = signalled(command(*LONG_STEPS), [("stage 1/1", signal.SIGINT)])
    assert code == 130
    answered = lines.index(ANSWER)
    assert lines[answered + 1].startswith("step 1/2")
    assert lines[-1].startswith("stopped by a signal: step 1/2")


@pytest.mark.parametrize(("second", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_second_signal_ends_it_at_once(project: Path, second: int, code: int) -> None:
    write_rows(project / "train.jsonl", make_rows(3000, seed=1))
    ended, lines = signalled(command(*LONG_STEPS), [("stage 1/1", signal.SIGINT), (ANSWER, second)])
    assert ended == code
    last = "stopped at once; go on with: ftcli resume run" if second == signal.SIGINT else ANSWER
    assert lines[-1] == last


def test_a_second_ctrl_c_leaves_the_terminal_as_it_was(project: Path) -> None:
    write_rows(project / "train.jsonl", make_rows(3000, seed=1))
    stages = r"freeze.stages=[{at={step=1}, freeze=['embeddings']}]"
    output, awaited = "", [r"stage +step +0", ANSWER]
    process, chunks = on_terminal(command(*LONG_STEPS, stages))
    for chunk in chunks:
        output += chunk
        if awaited and re.search(awaited[0], re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", output)):
            awaited.pop(0)
            process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert not awaited
    assert "stopped by a signal" not in output
    assert "stopped at once; go on with: ftcli resume run" in output
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")


@pytest.mark.slow
def test_two_ranks_leave_an_evaluation_together(project: Path) -> None:
    write_rows(project / "validation.jsonl", make_rows(4000, seed=2))
    arguments = command("evaluate.batch_size=1", ranks=2)
    code, lines = signalled(arguments, [("epoch 1 done", signal.SIGTERM)])
    assert code != 0
    assert any(line.startswith("stopped by a signal: step 6/12") for line in lines), lines
    assert not any(line.startswith("evaluation at step 6") for line in lines)
    progress = json.loads((project / "run/last/state/progress.json").read_text())
    assert (progress["step"], progress["owes_evaluation"]) == (6, True)
