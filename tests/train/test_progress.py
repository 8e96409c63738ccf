"""When things are due, and what counts as the best."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.spec.sections import Cadence, EpochCadence
from ftcli.train.progress import Due, Limits, Progress, due_every


def due_steps(cadence: Cadence, *, per_epoch: int, total: int) -> list[int]:
    due = due_every(cadence, per_epoch)
    return [step for step in range(total + 1) if due.after(step)]


@pytest.mark.parametrize(
    ("cadence", "steps"),
    [
        (1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (5, [5, 10]),
        (13, []),
        ("never", []),
        (EpochCadence(epochs=1), [6, 12]),
        (EpochCadence(epochs=0.5), [3, 6, 9, 12]),
        (EpochCadence(epochs=2.0), [12]),
        (EpochCadence(epochs=0.25), [2, 3, 5, 6, 8, 9, 11, 12]),
        (EpochCadence(epochs=0.01), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ],
)
def test_a_cadence_is_steps_or_epochs_or_never(cadence: Cadence, steps: list[int]) -> None:
    assert due_steps(cadence, per_epoch=6, total=12) == steps


@given(every=st.integers(1, 9), delay=st.integers(1, 30), start=st.integers(0, 30), stop=st.integers(0, 30))
@settings(deadline=None)
def test_nothing_is_due_before_its_delay(every: int, delay: int, start: int, stop: int) -> None:
    due, plain = due_every(every, 6, delay=delay), due_every(every, 6)
    found = [step for step in range(31) if due.after(step)]
    assert found == [step for step in range(31) if plain.after(step) and step >= delay]
    assert due.times_between(start, max(start, stop)) == sum(start < step <= stop for step in found)
    assert due.falls_within(stop) == any(step <= stop for step in found)


@given(tenths=st.integers(1, 50), per_epoch=st.integers(1, 400))
@settings(deadline=None, max_examples=80)
def test_a_fraction_of_an_epoch_never_drifts(tenths: int, per_epoch: int) -> None:
    total = 3 * per_epoch
    period = max(Fraction(1), Fraction(tenths, 10) * per_epoch)
    exact = [step for step in range(1, total + 1) if step // period > (step - 1) // period]
    assert due_steps(EpochCadence(epochs=tenths / 10), per_epoch=per_epoch, total=total) == exact


@given(per_epoch=st.integers(1, 10_000), epoch=st.integers(1, 1000))
@settings(deadline=None, max_examples=80)
def test_every_epoch_means_at_every_epochs_last_step(per_epoch: int, epoch: int) -> None:
    due, last = due_every(EpochCadence(epochs=1.0), per_epoch), per_epoch * epoch
    assert due.after(last)
    assert due.after(last + 1) == (per_epoch == 1)


@pytest.mark.parametrize(("better", "best"), [("higher", (0.7, 2)), ("lower", (0.4, 4))])
def test_the_best_is_the_earliest_of_equals(better: str, best: tuple[float, int]) -> None:
    progress, improved = Progress(), []
    for progress.step, value in enumerate((0.5, 0.7, 0.7, 0.4, 0.4), start=1):
        improved.append(progress.record_score(value, better=better))
    assert (progress.best, progress.best_step) == best
    assert improved == ([True, True, False, False, False] if better == "higher" else [True, False, False, True, False])


def test_a_score_of_zero_counts_as_a_score() -> None:
    progress = Progress(step=1)
    assert progress.record_score(0.0, better="higher")
    assert not progress.record_score(-0.5, better="higher")


def test_progress_is_plain_values_that_survive_json() -> None:
    progress = Progress(step=7, stage=1, rows=56, epoch_loss=1.25, best=0.5, best_step=6, num_overflows=2)
    assert Progress(**json.loads(json.dumps(progress.as_dict()))) == progress


def test_epochs_end_at_multiples_of_their_steps() -> None:
    limits = Limits(12, 6, 12, log=Due(None), evaluate=Due(None), save=Due(None))
    assert [step for step in range(1, 13) if limits.epoch_ends(step)] == [6, 12]
    assert [limits.epoch_at(step) for step in (0, 3, 12)] == [0.0, 0.5, 2.0]
