"""What a sweep has found: each setting's mean over seeds, what sets it apart from the best, and the best one's test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, cast

import orjson

from ftcli.flows.compare import Difference, verdict
from ftcli.flows.sweeping.grid import Setting
from ftcli.flows.sweeping.plan import PlannedRun, SweepPlan
from ftcli.flows.sweeping.progress import RunState
from ftcli.runtime.rundir import RunDir
from ftcli.tasks.intervals import Interval
from ftcli.tasks.student import t_interval


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a score over `n` seeds, their standard deviation, and the mean's 95 % interval.

    `spread` and `interval` are None of a single seed, `interval` also where all seeds score the same.
    """

    n: int
    mean: float
    spread: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class SettingResult:
    """A setting's scores on the validation split, by seed, and how they compare with the best setting's.

    `difference` is to the best, over the seeds that both have; `verdict` says it in a sentence. Both are None of the
    best itself, and where there is nothing to compare.
    """

    setting: str
    values: dict[str, Any]
    scores: dict[str, float]
    mean: Mean | None
    difference: Difference | None = None
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run: where it is, how it ended, and its best score on the validation split."""

    run: str
    setting: str
    seed: int
    phase: str
    score: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Results:
    """All that results.json holds. `settings` are in order, the best by the validation split first.

    `best` is chosen among the settings with the most finished seeds. `test` has the best one's scores on the test split
    and is None until all runs have ended; no other setting's test scores are read.
    """

    metric: str
    is_complete: bool
    best: str | None
    settings: list[SettingResult]
    test: dict[str, Mean] | None
    runs: list[RunResult]


def results_of(plan: SweepPlan, states: Mapping[str, RunState]) -> Results:
    """What the finished runs come to; `states` are by the runs' names."""
    scores = {run.name: best_score(run.folder) for run in plan.runs if states[run.name].phase == "finished"}
    found = [_of_setting(setting, plan.runs, scores) for setting in plan.settings]
    ranked = sorted(found, key=lambda each: _rank(each, plan.better))
    best = ranked[0] if ranked[0].mean else None
    is_complete = plan.is_drawn and all(state.phase in ("finished", "failed") for state in states.values())
    return Results(
        metric=plan.metric,
        is_complete=is_complete,
        best=best.setting if best else None,
        settings=[_compared(each, best, plan) if best else each for each in ranked],
        test=_test(plan, best.setting, scores) if best and is_complete else None,
        runs=[
            RunResult(
                str(run.folder.path),
                run.setting.name,
                run.seed,
                states[run.name].phase,
                scores.get(run.name),
                states[run.name].error,
            )
            for run in plan.runs
        ],
    )


def _rank(result: SettingResult, better: str) -> tuple[int, float]:
    if result.mean is None:
        return 0, 0.0
    return -result.mean.n, result.mean.mean if better == "lower" else -result.mean.mean


def _of_setting(setting: Setting, runs: Sequence[PlannedRun], scores: Mapping[str, float | None]) -> SettingResult:
    known = {
        str(run.seed): score for run in runs if run.setting == setting and (score := scores.get(run.name)) is not None
    }
    return SettingResult(setting.name, setting.plain, known, mean_of(list(known.values())))


def mean_of(values: Sequence[float]) -> Mean | None:
    """The mean of some scores, and how sure it is; None of none."""
    if not values:
        return None
    return Mean(len(values), fmean(values), stdev(values) if len(values) > 1 else None, t_interval(values))


def _compared(result: SettingResult, best: SettingResult, plan: SweepPlan) -> SettingResult:
    """The result with its difference to the best: seed by seed, so that what a seed does to both is no difference."""
    both = [seed for seed in result.scores if seed in best.scores]
    if result is best or not both:
        return result
    apart = [result.scores[seed] - best.scores[seed] for seed in both]
    ours, other = (fmean(each.scores[seed] for seed in both) for each in (best, result))
    found = Difference(ours, other, fmean(apart), t_interval(apart))
    why = f"for {'there is one seed only' if len(both) == 1 else 'all seeds give the same'}: not shown"
    said = verdict(result.setting, plan.metric, found, better=plan.better, without=why)
    return SettingResult(result.setting, result.values, result.scores, result.mean, found, said)


def best_score(folder: RunDir) -> float | None:
    """A finished run's best score on the validation split."""
    best = _metrics(folder).get("best")
    return None if best is None else best["value"]


def _test(plan: SweepPlan, best: str, scores: Mapping[str, object]) -> dict[str, Mean] | None:
    """The best setting's scores on the test split, if there is a labelled one."""
    tested = [_metrics(run.folder).get("test") for run in plan.runs if run.setting.name == best and run.name in scores]
    tests = [cast("dict[str, float | None]", test) for test in tested if test]
    names = [name for name in (tests[0] if tests else {}) if name != "rows"]
    means = {name: mean_of([value for test in tests if (value := test.get(name)) is not None]) for name in names}
    return {name: mean for name, mean in means.items() if mean} or None


def _metrics(folder: RunDir) -> dict[str, Any]:
    return orjson.loads(folder.metrics.read_bytes()) if folder.metrics.is_file() else {}
