"""A sweep whose settings are drawn one after another, each by what those before it have scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import cast

import orjson

from ftcli.errors import UsageError
from ftcli.flows.sweeping.grid import Setting, open_recipes, setting_of
from ftcli.flows.sweeping.plan import PlannedRun, Search, SweepPlan, check_folder, comparable, planned_run
from ftcli.flows.sweeping.progress import RunState
from ftcli.flows.sweeping.proposal import Trial, propose
from ftcli.flows.sweeping.results import best_score
from ftcli.flows.sweeping.space import Space, Values
from ftcli.runtime.activity import Working
from ftcli.runtime.files import write_json
from ftcli.runtime.seeding import seed_for

_OTHER_FOLDER = "name another folder: --sweep-dir DIR"


def plan_search(
    recipe: Path, *, options: Sequence[str], space: Space, num_trials: int, num_seeds: int, folder: Path
) -> Working[SweepPlan]:
    """Work out what a search has run so far, and its first trial. Prepares the data if need be.

    Args:
        recipe: The recipe.
        options: What is changed in all runs, as after `--set`.
        space: What settings are drawn from.
        num_trials: How many are drawn; all, where there are not so many.
        num_seeds: With how many seeds each is run; the first is the recipe's own.
        folder: The sweep's folder.

    Raises:
        RecipeError: a setting makes no recipe that can be used.
        UsageError: runs could not be compared, or the folder has others.
        DataError: the data can't be had.
    """
    specs = [each.spec for each in open_recipes(recipe, options, space.corners())]
    rows, metric, better = yield from comparable(specs)
    drawn = read_trials(folder, space)
    if len(drawn) > num_trials:
        what = f"{len(drawn)} trials were drawn in {folder} already, more than {num_trials}"
        raise UsageError(what, hint=f"ask for as many or more: --trials {len(drawn)}; or {_OTHER_FOLDER}")
    seeds = tuple(specs[0].run.seed + number for number in range(num_seeds))
    search = Search(space, int(min(num_trials, space.size)), tuple(options), rows)
    plan = SweepPlan(folder, recipe, (), seeds, (), metric, better, search, num_trials)
    for values in drawn or [_proposed(plan, space, [])]:
        plan = _with_trial(plan, search, values)
    check_folder(plan)
    return plan


def with_next_trial(plan: SweepPlan, states: Mapping[str, RunState], *, jobs: int) -> SweepPlan | None:
    """The plan with one more trial; None if there is none, or as long as too few trials have ended.

    A trial knows of all before it but the last few, which keep the other jobs busy while it is drawn: those are told
    as under way even if they have ended, so that it does not matter which of several runs is faster.
    """
    if plan.search is None or plan.is_drawn:
        return None
    ahead = -(-(jobs - 1) // len(plan.seeds))
    trials = [_trial(plan, setting, states) for setting in plan.settings]
    known, others = trials[: len(trials) - ahead], trials[len(trials) - ahead :]
    if any(trial.score is None and not trial.has_failed for trial in known):
        return None
    before = [*known, *(Trial(trial.values) for trial in others)]
    return _with_trial(plan, plan.search, _proposed(plan, plan.search.space, before))


def _proposed(plan: SweepPlan, space: Space, before: Sequence[Trial]) -> Values:
    seed = seed_for(plan.seeds[0], "search", len(before)) % 2**32
    return propose(space, before, seed=seed, lower_is_better=plan.better == "lower")


def _with_trial(plan: SweepPlan, search: Search, values: Values) -> SweepPlan:
    setting = search.space.setting(values)
    [recipe] = open_recipes(plan.recipe, search.options, [setting])
    runs = [
        planned_run(setting, recipe.spec, seed=seed, options=search.options, rows=search.rows, folder=plan.folder)
        for seed in plan.seeds
    ]
    return replace(plan, settings=(*plan.settings, setting), runs=(*plan.runs, *runs))


def _trial(plan: SweepPlan, setting: Setting, states: Mapping[str, RunState]) -> Trial:
    """A setting's mean over seeds; it has failed where a seed has, or has no score."""
    runs = [run for run in plan.runs if run.setting == setting]
    if any(states[run.name].phase not in ("finished", "failed") for run in runs):
        return Trial(setting.plain)
    scores = [_score(run, states[run.name]) for run in runs]
    known = [score for score in scores if score is not None]
    is_whole = len(known) == len(scores)
    return Trial(setting.plain, fmean(known) if is_whole else None, has_failed=not is_whole)


def _score(run: PlannedRun, state: RunState) -> float | None:
    return best_score(run.folder) if state.phase == "finished" else None


def _file(folder: Path) -> Path:
    return folder / "trials.json"


def write_trials(plan: SweepPlan) -> None:
    """Keep which settings a search has drawn, in their order; their scores are in their runs' folders."""
    if plan.search is not None:
        write_json(_file(plan.folder), [setting.plain for setting in plan.settings])


def read_trials(folder: Path, space: Space) -> list[Values]:
    """The settings that were drawn before, in their order.

    Raises:
        UsageError: the file is damaged, or has what this search would not draw.
    """
    path = _file(folder)
    if not path.is_file():
        return []
    try:
        found = cast("list[Values]", orjson.loads(path.read_bytes()))
    except orjson.JSONDecodeError:
        raise UsageError(f"{path} is no list of trials", hint=_OTHER_FOLDER) from None
    for values in found:
        if not space.holds(values):
            what = f"{folder} is of another search: {setting_of(values).name} was tried there"
            raise UsageError(what, hint=f"search where that is within, or {_OTHER_FOLDER}")
    return found
