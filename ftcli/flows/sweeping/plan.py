"""Which runs a sweep has, how long each is, and whether they can be compared; nothing is run yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftcli.data.dataset import Prepared
from ftcli.errors import UsageError
from ftcli.flows.changes import differences
from ftcli.flows.continuation import read_run
from ftcli.flows.data import place_for, prepared_for
from ftcli.flows.sweeping.grid import Setting, open_recipes
from ftcli.flows.sweeping.space import Space
from ftcli.runtime.activity import Working
from ftcli.runtime.rundir import RunDir
from ftcli.spec.choices import card_task
from ftcli.spec.metrics import best_metric, better_values
from ftcli.spec.problems import dot
from ftcli.spec.recipe import anchored
from ftcli.spec.run import RunSpec
from ftcli.spec.wording import counted, verb
from ftcli.train.fitting import limits_of

_AT_THE_END = "evaluate.at_least=1"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a sweep: its setting, seed and folder, the `--set` options that make it, and its steps.

    `is_scored_late` where the recipe would not have it evaluated at all, and it is at its end.
    """

    setting: Setting
    seed: int
    folder: RunDir
    options: tuple[str, ...]
    total_steps: int
    is_scored_late: bool = False

    @property
    def name(self) -> str:
        """What it is called, and its folder."""
        return self.folder.path.name


@dataclass(frozen=True, slots=True)
class Search:
    """What a sweep's settings are drawn from, one after another: `num_trials` of them in the end.

    `options` are changed in all runs, and `rows` is how many rows they train on.
    """

    space: Space
    num_trials: int
    options: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """All runs of a sweep in their order: every setting with the first seed, then every one with the next.

    `metric` is what the validation split decides by, `better` whether "higher" or "lower" values are. Of a search,
    settings and runs are those drawn so far, trial by trial. `asked` is how many settings the user wants, if said.
    """

    folder: Path
    recipe: Path
    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]
    metric: str
    better: str
    search: Search | None = None
    asked: int | None = None

    @property
    def total_steps(self) -> int:
        """The steps of all runs together; those of runs not drawn yet are guessed to be as many as the others'."""
        known = sum(run.total_steps for run in self.runs)
        return known if self.is_drawn else round(known / len(self.runs) * self.num_runs)

    @property
    def num_settings(self) -> int:
        """How many settings there will have been."""
        return self.search.num_trials if self.search else len(self.settings)

    @property
    def num_runs(self) -> int:
        """How many runs there will have been."""
        return self.num_settings * len(self.seeds)

    @property
    def is_drawn(self) -> bool:
        """Whether all settings are known."""
        return len(self.settings) == self.num_settings

    @property
    def size(self) -> str:
        """How much is to be run, in words."""
        settings = counted(self.num_settings, "trial" if self.search else "setting")
        about = "" if self.is_drawn else "about "
        return (
            f"{counted(self.num_runs, 'run')} ({settings} x {counted(len(self.seeds), 'seed')}),"
            f" {about}{counted(self.total_steps, 'step')} in all"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know beforehand, in sentences."""
        late = dict.fromkeys(counted(run.total_steps, "step") for run in self.runs if run.is_scored_late)
        return (
            *(self.search.space.sentences() if self.search else ()),
            *self._all_tried(),
            *(
                f"runs of {steps} would end before they are evaluated: they are at their end ({_AT_THE_END})"
                for steps in late
            ),
        )

    def _all_tried(self) -> Iterator[str]:
        if self.asked is not None and self.asked > self.num_settings:
            few = f"there {verb(self.num_settings, 'is', 'are')} only {counted(self.num_settings, 'setting')}"
            yield f"{few}, fewer than --trials {self.asked}: {verb(self.num_settings, 'it is', 'all are')} tried"


def plan_sweep(
    recipe: Path,
    *,
    options: Sequence[str],
    settings: Sequence[Setting],
    num_seeds: int,
    folder: Path,
    asked: int | None = None,
) -> Working[SweepPlan]:
    """Work out the runs of a sweep. Prepares the data if need be: that is done once for all of them.

    Args:
        recipe: The recipe.
        options: What is changed in all runs, as after `--set`.
        settings: The settings.
        num_seeds: With how many seeds each is run; the first is the recipe's own.
        folder: The sweep's folder.
        asked: How many settings the user wants, if said.

    Raises:
        RecipeError: a setting makes no recipe that can be used.
        UsageError: runs could not be compared, or the folder has others.
        DataError: the data can't be had.
    """
    specs = [each.spec for each in open_recipes(recipe, options, settings)]
    rows, metric, better = yield from comparable(specs)
    seeds = tuple(specs[0].run.seed + number for number in range(num_seeds))
    runs = [
        planned_run(setting, spec, seed=seed, options=options, rows=rows, folder=folder)
        for seed in seeds
        for setting, spec in zip(settings, specs, strict=True)
    ]
    found = SweepPlan(folder, recipe, tuple(settings), seeds, tuple(runs), metric, better, asked=asked)
    check_folder(found)
    return found


def planned_run(
    setting: Setting, spec: RunSpec, *, seed: int, options: Sequence[str], rows: int, folder: Path
) -> PlannedRun:
    """The run of a setting, whose recipe `spec` is, with a seed; `rows` is how many rows it trains on.

    Raises:
        UsageError: it would stop before its end.
    """
    if spec.train.stop_after != "never":
        raise UsageError("a sweep's runs go to their end", hint="leave train.stop_after out; shorter: train.steps")
    limits = limits_of(spec, rows, 0)
    is_late = not limits.evaluate.falls_within(limits.total_steps)
    chosen = (*options, *setting.options, f"run.seed={seed}", *([_AT_THE_END] if is_late else []))
    place = RunDir(folder / "runs" / f"{setting.name},seed={seed}")
    return PlannedRun(setting, seed, place, chosen, limits.total_steps, is_late)


def comparable(specs: Sequence[RunSpec]) -> Working[tuple[int, str, str]]:
    """How many rows all of these train on, the metric they are compared by, and whether higher or lower is better.

    Prepares the data if need be.

    Raises:
        UsageError: they have several data sets or metrics, or no validation split.
        DataError: the data can't be had.
    """
    prepared = yield from _prepared(specs)
    return prepared.facts.splits["train"].rows, *_metric(specs)


def _prepared(specs: Sequence[RunSpec]) -> Working[Prepared]:
    places = {place.folder: place for place in map(place_for, specs)}
    if len(places) > 1:
        names = ", ".join(sorted(place.card.name for place in places.values()))
        hint = "sweep over each data set by itself, with its own --sweep-dir"
        raise UsageError(f"settings are compared on the same rows, and these have several: {names}", hint=hint)
    prepared = yield from prepared_for(next(iter(places.values())))
    if "validation" not in prepared.facts.splits:
        what = "settings are compared by the validation split, and there is none"
        raise UsageError(what, hint="name one: data.validation, or hold rows out of train: data.holdout = 0.1")
    return prepared


def _metric(specs: Sequence[RunSpec]) -> tuple[str, str]:
    named = [(best_metric(spec.evaluate.best, card_task(spec.task)), spec.evaluate.better) for spec in specs]
    found = {(name, better_values(better, name)) for name, better in named}
    if len(names := {name for name, _ in found}) > 1:
        what = f"settings are compared by one metric, and these have several: {', '.join(sorted(names))}"
        raise UsageError(what, hint="name one for all: --set evaluate.best=NAME")
    if len(found) > 1:
        what = f"some of these settings want {names.pop()} high, and some want it low"
        raise UsageError(what, hint="say which for all: --set evaluate.better=higher")
    return found.pop()


def check_folder(plan: SweepPlan) -> None:
    """Make sure that the sweep's folder has no runs but these, and none of these with other values.

    Raises:
        UsageError: it has.
    """
    if plan.folder.exists() and not plan.folder.is_dir():
        raise UsageError(f"{plan.folder} is a file, not a sweep's folder", hint="name another: --sweep-dir DIR")
    ours = {run.name for run in plan.runs}
    there = sorted(path.name for path in (plan.folder / "runs").glob("*"))
    if others := [name for name in there if name not in ours]:
        more = f" and {counted(len(others) - 1, 'more run')}" if len(others) > 1 else ""
        what = f"{plan.folder} is of another sweep: it has {others[0]}{more}"
        hint = (
            "ask for those, too (settings and seeds can be added to a sweep), or name another folder: --sweep-dir DIR"
        )
        raise UsageError(what, hint=hint)
    for run in plan.runs:
        if run.folder.recipe.is_file() and (changed := list(_changed(run, plan))):
            what = f"{run.folder.path} was run with other values of {', '.join(changed)}"
            raise UsageError(what, hint="ask for what it was run with, or name another folder: --sweep-dir DIR")


def _changed(run: PlannedRun, plan: SweepPlan) -> Iterator[str]:
    [wanted] = open_recipes(plan.recipe, run.options, [Setting("", ())])
    for key in differences(read_run(run.folder).spec, anchored(wanted.spec)):
        yield f"`{dot(key)}`"
