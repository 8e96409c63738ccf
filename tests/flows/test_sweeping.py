"""What a sweep's scores come to, and how a run's log is followed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats

from ftcli.cli.sweepscreen import sweep_view
from ftcli.flows.sweeping.grid import Setting
from ftcli.flows.sweeping.plan import PlannedRun, SweepPlan
from ftcli.flows.sweeping.process import gpu_of
from ftcli.flows.sweeping.progress import LogFollower, RunState, first_state
from ftcli.flows.sweeping.results import Results, results_of
from ftcli.flows.sweeping.wording import cells_of, sentences_of
from ftcli.runtime.journal import Journal
from ftcli.runtime.rundir import RunDir
from ftcli.train.events import Evaluated, RunFinished, StepDone, as_record

SETTINGS = tuple(Setting(f"lr={lr}", (("optimizer.lr", lr),)) for lr in ("0.1", "0.2", "0.3"))


def plan_of(folder: Path, *, metric: str = "accuracy", better: str = "higher", seeds: int = 4) -> SweepPlan:
    runs = [
        PlannedRun(setting, seed, RunDir(folder / "runs" / f"{setting.name},seed={seed}"), (), 10)
        for seed in range(seeds)
        for setting in SETTINGS
    ]
    return SweepPlan(folder, Path("tiny.toml"), SETTINGS, tuple(range(seeds)), tuple(runs), metric, better)


def found(plan: SweepPlan, scores: dict[str, list[float | None]]) -> Results:
    """The results where runs have these scores by setting and seed; None of a run that has failed."""
    states: dict[str, RunState] = {}
    for run in plan.runs:
        score = scores[run.setting.name][run.seed]
        states[run.name] = RunState("finished" if score is not None else "failed", 10, error="error[memory]: too much")
        if score is not None:
            run.folder.path.mkdir(parents=True)
            test = {"loss": 0.5, plan.metric: score - 0.01, "rows": 11}
            run.folder.metrics.write_text(json.dumps({"best": {"value": score}, "test": test}))
    return results_of(plan, states)


SCORES: dict[str, list[float | None]] = {
    "lr=0.1": [0.80, 0.70, 0.60, 0.90],
    "lr=0.2": [0.82, 0.74, 0.63, 0.95],
    "lr=0.3": [0.70, 0.80, 0.60, None],
}


def test_settings_are_compared_seed_by_seed(tmp_path: Path) -> None:
    results = found(plan_of(tmp_path), SCORES)
    assert [each.setting for each in results.settings] == ["lr=0.2", "lr=0.1", "lr=0.3"]
    assert results.best == "lr=0.2"
    second = results.settings[1].difference
    assert second is not None
    assert second.difference == pytest.approx(-0.035)
    expected = stats.ttest_rel(SCORES["lr=0.1"], SCORES["lr=0.2"]).confidence_interval(0.95)
    assert second.interval is not None
    assert (second.interval.low, second.interval.high) == pytest.approx((expected.low, expected.high))
    assert results.settings[1].verdict == ("lr=0.1 is worse by 3.5 points of accuracy, 95 % interval 1.4 to 5.6: shown")
    third = results.settings[2].difference
    assert third is not None
    assert third.difference == pytest.approx(-0.03), "over the three seeds that both have"
    assert str(results.settings[2].verdict).endswith(": not shown")


def test_a_setting_with_fewer_seeds_is_not_the_best(tmp_path: Path) -> None:
    results = found(plan_of(tmp_path), {**SCORES, "lr=0.3": [0.99, 0.99, 0.99, None]})
    assert results.best == "lr=0.2"
    assert results.settings[-1].mean is not None
    assert results.settings[-1].mean.n == 3


def test_a_lower_loss_is_better(tmp_path: Path) -> None:
    assert found(plan_of(tmp_path, metric="loss", better="lower"), SCORES).best == "lr=0.1"


def test_a_metric_of_ones_own_that_is_better_when_lower_is_worse_when_higher(tmp_path: Path) -> None:
    results = found(plan_of(tmp_path, metric="wrong_rate", better="lower"), SCORES)
    assert results.best == "lr=0.1"
    assert str(results.settings[1].verdict).startswith("lr=0.2 is worse by 0.0350 of wrong_rate, 95 % interval ")


def test_the_test_score_is_that_of_the_best_alone(tmp_path: Path) -> None:
    results = found(plan_of(tmp_path), SCORES)
    assert results.test is not None
    assert results.test["accuracy"].mean == pytest.approx(0.785 - 0.01)
    said = list(sentences_of(results))
    assert sum("test accuracy" in line for line in said) == 1
    expected = stats.ttest_1samp([0.81, 0.73, 0.62, 0.94], 0).confidence_interval(0.95)
    assert f"test accuracy 0.7750, 95 % interval {expected.low:.4f} to {expected.high:.4f} (4 seeds)" in said
    assert any("lr=0.2 was chosen as the best by these very scores" in line for line in said)
    assert said[-1] == f"failed: lr=0.3, seed 3: error[memory]: too much ({tmp_path}/runs/lr=0.3,seed=3)"


def test_one_seed_shows_nothing(tmp_path: Path) -> None:
    results = found(plan_of(tmp_path, seeds=1), SCORES)
    assert results.settings[1].verdict == (
        "lr=0.1 is worse by 2.0 points of accuracy; there is no interval, for there is one seed only: not shown"
    )
    assert cells_of(results)[0] == ("lr=0.2", "1", "0.8200", "", "", "best", "")


def scored(step: int, value: float) -> Evaluated:
    return Evaluated(step, 1.0, "validation", 21, 0.5, {"accuracy": value}, 0.1)


def stepped(step: int) -> StepDone:
    return StepDone(step, 0.1, 0.7, 0.7, {}, 1.0, 1.0, 1.0, 0.0)


def test_a_log_is_followed_while_it_is_written_and_begun_anew(tmp_path: Path) -> None:
    folder = RunDir(tmp_path)
    assert first_state(folder, metric="accuracy", total_steps=10) == RunState("waiting", 10)
    folder.recipe.touch()
    journal = Journal(folder.journal)
    follower = LogFollower(folder, "accuracy", RunState("running", 10))
    assert follower.look().step == 0
    for step in (1, 2, 3):
        journal.write(as_record(stepped(step)))
    journal.write(as_record(scored(3, 0.75)))
    with folder.journal.open("ab") as file:
        file.write(b'{"event":"step_done","st')
    state = follower.look()
    assert (state.step, state.score, state.scored_at) == (3, 0.75, 3)
    journal.keep(lambda record: record["step"] <= 2)
    journal.write(as_record(stepped(3)))
    assert follower.look().step == 3
    assert first_state(folder, metric="accuracy", total_steps=10).phase == "stopped"
    journal.write(as_record(RunFinished(10, 10, "finished", 1.0, "accuracy", 0.75, 3, str(tmp_path))))
    assert first_state(folder, metric="accuracy", total_steps=10).phase == "finished"


def test_the_table_fits_the_terminal_and_shows_what_runs_first(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, seeds=20)
    states = {run.name: RunState("finished", 10, step=10, score=0.5) for run in plan.runs}
    states["lr=0.3,seed=19"] = RunState("running", 10, step=4, score=0.625, scored_at=4, seconds_left=90)
    states["lr=0.2,seed=19"] = RunState("failed", 10, step=2, error="error[memory]: too much")
    states["lr=0.1,seed=19"] = RunState("waiting", 10)
    console = Console(width=60, height=15, record=True, force_terminal=False)
    console.print(sweep_view(plan, states, jobs=1, width=60, height=15))
    text = console.export_text()
    lines = text.splitlines()
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 60
    assert "lr=0.3     19  running    4/10    0.6250   1:30" in text
    assert "failed" in text
    assert lines[-1].startswith("57 of 60 runs ")
    assert lines[-1].endswith(" 1 running  1 failed  eta 4:00")


@pytest.mark.parametrize(("given", "expected"), [("3,5", ["3", "5", "3"]), ("3", [None] * 3), ("", [None] * 3)])
def test_each_of_several_runs_gets_one_of_several_gpus(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: list[str | None]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert [gpu_of(slot).get("CUDA_VISIBLE_DEVICES") for slot in range(3)] == expected
