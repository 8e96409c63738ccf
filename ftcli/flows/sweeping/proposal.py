"""What to try next: a tree-structured Parzen estimator's proposal, by Optuna.

A proposal is a function of (space, what was tried, seed) and of nothing else: the study is made anew for each, in
memory, and so is the sampler. So there is no state of theirs to save, and a search that was killed proposes what it
would have proposed.
"""

from __future__ import annotations

import importlib.util
import random
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftcli.errors import UsageError
from ftcli.flows.sweeping.space import Choice, Range, Space, Values

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, slots=True)
class Trial:
    """Values that were tried, and their score. None: they have none, as they run yet or, if `has_failed`, for good."""

    values: Values
    score: float | None = None
    has_failed: bool = False


def check_installed(package: str = "optuna") -> None:
    """Raise UsageError unless what searches is here."""
    if importlib.util.find_spec(package) is None:
        raise UsageError(f"`--search` needs the package {package}", hint="install it: pip install 'ftcli[search]'")


def propose(space: Space, tried: Sequence[Trial], *, seed: int, lower_is_better: bool) -> Values:
    """Values that were not tried yet. The first ten are drawn at random; those that run are taken to score badly.

    Args:
        space: What to choose from.
        tried: What was tried, or is being tried, in order; fewer than there are in the space.
        seed: What is drawn depends on it, and on how many were tried.
        lower_is_better: Whether low scores are sought.
    """
    import optuna

    with _quiet():
        sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(sampler=sampler, direction="minimize" if lower_is_better else "maximize")
        distributions = {key: _distribution(axis) for key, axis in space.axes.items()}
        study.add_trials([_told(trial, space, distributions) for trial in tried])
        drawn = study.ask(distributions).params
    return _untried(space, {key: _value(axis, drawn[key]) for key, axis in space.axes.items()}, tried, seed)


def _untried(space: Space, drawn: Values, tried: Sequence[Trial], seed: int) -> Values:
    """The values in few digits, or else as they are, or else any others: none is worth a second run."""
    known = [trial.values for trial in tried]
    for values in (space.rounded(drawn), drawn):
        if values not in known:
            return values
    return random.Random(seed).choice([values for values in space.all() if values not in known])


@contextmanager
def _quiet() -> Generator[None]:
    """Keep Optuna from writing to the screen, which is not its own."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _distribution(axis: Range | Choice) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(axis, Choice):
        return CategoricalDistribution(range(len(axis.values)))  # values of any type, by their places
    if axis.is_whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.is_log)
    return FloatDistribution(axis.low, axis.high, log=axis.is_log)


def _value(axis: Range | Choice, drawn: Any) -> Any:
    return axis.values[drawn] if isinstance(axis, Choice) else drawn


def _told(trial: Trial, space: Space, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    params = {
        key: axis.values.index(trial.values[key]) if isinstance(axis, Choice) else trial.values[key]
        for key, axis in space.axes.items()
    }
    unscored = TrialState.FAIL if trial.has_failed else TrialState.RUNNING
    state = unscored if trial.score is None else TrialState.COMPLETE
    return create_trial(state=state, value=trial.score, params=params, distributions=distributions)
