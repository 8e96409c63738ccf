"""What a search draws, by what was tried."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ftcli.flows.sweeping.plan import SweepPlan
from ftcli.flows.sweeping.progress import RunState
from ftcli.flows.sweeping.proposal import Trial, propose
from ftcli.flows.sweeping.search import plan_search, with_next_trial, write_trials
from ftcli.flows.sweeping.space import Space, parse_searches

LR = "optimizer.lr"
SPACE = parse_searches([f"{LR}=1e-6..1e-1 log", "batch.size=4..64", 'schedule.kind=["linear", "cosine"]'])


def score(values: dict[str, float]) -> float:
    """Best at a learning rate of 1e-3."""
    return -abs(math.log10(values[LR]) + 3)


def tried(number: int, *, sign: int = 1) -> list[Trial]:
    trials = list[Trial]()
    for place in range(number):
        values = propose(SPACE, trials, seed=place, lower_is_better=sign < 0)
        trials.append(Trial(values, sign * score(values)))
    return trials


@pytest.mark.parametrize("sign", [1, -1])
def test_proposals_gather_where_scores_are_good(sign: int) -> None:
    trials = tried(40, sign=sign)
    first, last = ([abs(score(trial.values)) for trial in part] for part in (trials[:10], trials[30:]))
    assert sum(last) < sum(first) / 2
    assert all(isinstance(trial.values["batch.size"], int) for trial in trials)
    assert {trial.values["schedule.kind"] for trial in trials} == {"linear", "cosine"}


def test_a_proposal_depends_on_what_was_tried_and_the_seed_alone(capfd: pytest.CaptureFixture[str]) -> None:
    trials = tried(14)
    again = propose(SPACE, trials, seed=7, lower_is_better=False)
    assert propose(SPACE, trials, seed=7, lower_is_better=False) == again
    assert propose(SPACE, trials, seed=8, lower_is_better=False) != again
    assert propose(SPACE, trials, seed=7, lower_is_better=True) != again
    unscored = [*trials[:12], Trial(trials[12].values), Trial(trials[13].values, has_failed=True)]
    assert SPACE.holds(propose(SPACE, unscored, seed=7, lower_is_better=False))
    assert capfd.readouterr() == ("", ""), "Optuna keeps quiet"


def test_nothing_is_tried_twice() -> None:
    space = parse_searches(["batch.size=[4, 8, 16]", "train.steps=1..2"])
    assert space.size == 6
    trials = list[Trial]()
    for place in range(6):
        trials.append(Trial(propose(space, trials, seed=place, lower_is_better=False), 1.0))
    assert sorted(map(str, (trial.values for trial in trials))) == sorted(map(str, space.all()))


def test_numbers_are_short_and_stay_within() -> None:
    narrow = parse_searches([f"{LR}=0.12341..0.12349"])
    values = propose(narrow, [], seed=0, lower_is_better=False)
    assert 0.12341 <= values[LR] <= 0.12349
    assert all(trial.values[LR] == float(f"{trial.values[LR]:.3g}") for trial in tried(5))


def planned(folder: Path, space: Space = SPACE, *, num_trials: int = 16) -> SweepPlan:
    work = plan_search(
        Path("tiny.toml"),
        options=["batch.micro_size=4"],
        space=space,
        num_trials=num_trials,
        num_seeds=2,
        folder=folder,
    )
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def states_of(plan: SweepPlan) -> dict[str, RunState]:
    """All runs of a plan as if they had been run."""
    for run in plan.runs:
        run.folder.path.mkdir(parents=True, exist_ok=True)
        value = score(run.setting.plain) + run.seed / 1000
        run.folder.metrics.write_text(json.dumps({"best": {"value": value}}))
    return {run.name: RunState("finished", 10) for run in plan.runs}


def test_a_search_is_gone_on_with_from_what_is_on_disk(project: Path) -> None:
    plan = planned(Path("sweep"))
    while (grown := with_next_trial(plan, states_of(plan), jobs=1)) is not None:
        plan = grown
        if len(plan.settings) == 13:
            write_trials(plan)
    assert plan.is_drawn
    assert len(plan.runs) == 32
    for run in plan.runs[26:]:
        run.folder.metrics.unlink()
        run.folder.path.rmdir()
    again = planned(Path("sweep"))
    assert again.settings == plan.settings[:13]
    while (grown := with_next_trial(again, states_of(again), jobs=1)) is not None:
        again = grown
    assert again == plan


def test_a_trial_waits_for_those_it_knows_of(project: Path) -> None:
    plan = planned(Path("sweep"))
    states = states_of(plan)
    first, second = (run.name for run in plan.runs)
    assert with_next_trial(plan, states | {second: RunState("running", 10)}, jobs=1) is None
    ended = with_next_trial(plan, states | {second: RunState("failed", 10)}, jobs=1)
    assert ended is not None
    begun = with_next_trial(plan, {name: RunState("running", 10) for name in (first, second)}, jobs=2)
    assert begun == with_next_trial(plan, states, jobs=2), "which of two runs is faster plays no part"
