"""A sweep that is stopped, killed, gone on with, and widened by a setting that fails."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ftcli.cli.main import run
from tests.conftest import make_project

pytestmark = pytest.mark.slow

FROZEN = r"['^bert\.embeddings', '^bert\.encoder\.layer\.[01]\.']"
SETTINGS = ("--set", f"freeze.patterns={FROZEN}", "--set", "freeze.cache=disk", "--set", "train.epochs=8")
GRID, WIDER = "optimizer.lr=[1e-3, 1e-2]", "optimizer.lr=[1e-3, 1e-2, 1e30]"
FIRST, SECOND = "lr=0.001,seed=42", "lr=0.01,seed=42"
SCORED = re.compile(r"(\S+): accuracy 0\.\d{4} at step \d+ of 48")


def sweep(grid: str, *, jobs: int = 1) -> list[str]:
    return ["sweep", "tiny.toml", "--grid", grid, "--seeds", "2", "--jobs", str(jobs), *SETTINGS]


def signalled(arguments: list[str], number: int) -> tuple[int, list[str]]:
    """Start a sweep and send it a signal when each of its first runs has been scored; its code and lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ftcli", *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    lines, scored = list[str](), set[str]()
    with process.stderr as stream:
        for line in stream:
            lines.append(line.rstrip("\n"))
            if (found := SCORED.fullmatch(lines[-1])) and len(scored) < int(arguments[arguments.index("--jobs") + 1]):
                scored.add(found[1])
                if len(scored) == int(arguments[arguments.index("--jobs") + 1]):
                    process.send_signal(number)
    return process.wait(), lines


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path("sweep/runs") / name / "log.jsonl").read_text().splitlines()]


def times(pattern: str) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path().glob(pattern)}


STORED = ("data/*/tokens/*/meta.json", "data/*/prefix/*/*.states")


@dataclass(frozen=True)
class Seen:
    """What was there after each step: codes, lines, times of files, and the results."""

    codes: list[int]
    lines: list[list[str]]
    stored: list[dict[str, int]]
    finished: list[dict[str, int]]
    results: list[dict[str, Any]]
    said: list[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[Seen]:
    """Two runs at a time, stopped by Ctrl-C; one at a time, killed; to the end; and with a setting that explodes."""
    folder = make_project(tmp_path_factory.mktemp("sweep"), model_folder)
    seen = Seen([], [], [], [], [], [])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for step in range(4):
            lines = list[str]()
            if step < 2:
                kind = (signal.SIGINT, signal.SIGKILL)[step]
                code, lines = signalled(sweep(GRID, jobs=2 - step), kind)
            else:
                code = run(sweep(GRID if step == 2 else WIDER, jobs=2))
            seen.codes.append(code)
            seen.lines.append(lines)
            seen.stored.append({name: time for pattern in STORED for name, time in times(pattern).items()})
            seen.finished.append(times("sweep/runs/*/report.html") | times("sweep/runs/*/run.json"))
            if step == 0:
                seen.said.extend(path.read_text() for path in Path("sweep/logs").iterdir())
            if step != 1:
                seen.results.append(json.loads(Path("sweep/results.json").read_text()))
        yield seen


def test_ctrl_c_saves_all_runs_and_says_how_to_go_on(seen: Seen) -> None:
    assert seen.codes[0] == 130
    assert "stopping: runs under way save first; once more ends them at once" in seen.lines[0]
    assert seen.lines[0][-1] == "stopped: 0 of 4 runs are finished; the same command goes on"
    stopped = [line for line in seen.lines[0] if re.fullmatch(r"\S+: stopped at step \d+ of 48", line)]
    assert len(stopped) == 2
    first = seen.results[0]
    assert (first["is_complete"], first["best"], first["test"]) == (False, None, None)


def test_what_a_killed_sweep_has_left_is_gone_on_with(seen: Seen) -> None:
    assert seen.codes == [130, -signal.SIGKILL, 0, 1]
    assert any(line.startswith(f"{FIRST}: goes on at step ") for line in seen.lines[1])
    starts = [record["step"] for record in records(FIRST) if record["event"] == "run_started"]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[1] > 0, "what Ctrl-C had stopped was saved"
    assert starts[2] > starts[1], "the run of a sweep that is killed saves, too"
    for name in (FIRST, SECOND):
        steps = [record["step"] for record in records(name) if record["event"] == "step_done"]
        assert steps == list(range(1, 49)), "every step is taken once"


def test_tokens_and_frozen_layers_are_computed_once(seen: Seen) -> None:
    assert len(seen.stored[0]) == 3, "one token store; states of train and validation"
    assert len(seen.said) == 2
    for activity in ("tokenize train: ", "compute the frozen layers: train: "):
        assert sum(text.count(f"\n{activity}") for text in seen.said) == 1, "by one of the two that began together"
    assert seen.stored[0] == seen.stored[1] == seen.stored[2] == seen.stored[3]


def test_results_tell_mean_spread_interval_and_the_test_of_the_best_alone(seen: Seen) -> None:
    results = seen.results[1]
    assert results["is_complete"]
    assert results["metric"] == "accuracy"
    best, other = results["settings"]
    assert results["best"] == best["setting"]
    assert {best["setting"], other["setting"]} == {"lr=0.001", "lr=0.01"}
    assert (best["difference"], best["verdict"]) == (None, None)
    assert other["verdict"].startswith(f"{other['setting']} ")
    for each in results["settings"]:
        assert set(each["scores"]) == {"42", "43"}
        assert each["mean"]["n"] == 2
        assert each["mean"]["mean"] == pytest.approx(sum(each["scores"].values()) / 2)
        runs = [f"sweep/runs/{each['setting']},seed={seed}/metrics.json" for seed in each["scores"]]
        assert [json.loads(Path(path).read_text())["best"]["value"] for path in runs] == list(each["scores"].values())
    assert results["test"]["accuracy"]["n"] == 2


def test_a_run_that_fails_hurts_no_other_and_stands_in_the_table(seen: Seen) -> None:
    assert all(seen.finished[3][name] == time for name, time in seen.finished[2].items()), "finished runs are kept"
    results = seen.results[2]
    failed = [each for each in results["runs"] if each["phase"] == "failed"]
    assert [(each["setting"], each["seed"]) for each in failed] == [("lr=1e+30", 42), ("lr=1e+30", 43)]
    assert all(each["error"].startswith("error[loss]: the ") for each in failed)
    assert results["settings"][:2] == seen.results[1]["settings"]
    assert (results["settings"][2]["mean"], results["best"]) == (None, seen.results[1]["best"])
    said = Path("sweep/results.md").read_text()
    assert "| lr=1e+30 | 0 |  |  |  |  |  |\n" in said
    assert f"- failed: lr=1e+30, seed 42: {failed[0]['error']} (sweep/runs/lr=1e+30,seed=42)\n" in said


def test_each_run_is_an_ordinary_one(seen: Seen) -> None:
    assert run(["eval", "--ckpt", f"sweep/runs/{FIRST}/best"]) == 0
    assert run(["report", f"sweep/runs/{FIRST}", f"sweep/runs/{SECOND}", "--output", "both.html"]) == 0
