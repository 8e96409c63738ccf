"""Schedules: a climb to exactly 1, a way down that ends just after the last step, and nothing to save."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.errors import RecipeError
from ftcli.spec.choices import Constant, Cosine, Linear, Polynomial, ScheduleChoice
from ftcli.train.schedules import multiplier, warmup_steps

KINDS = (Linear, Cosine, Polynomial, Constant)
warmups = st.one_of(st.floats(0, 0.999), st.integers(1, 300).map(float))


@given(kind=st.sampled_from(KINDS), warmup=warmups, total=st.integers(1, 300))
@settings(deadline=None, max_examples=150)
def test_every_schedule_climbs_to_one_and_never_rises_again_nor_reaches_zero(
    kind: type[Linear], warmup: float, total: int
) -> None:
    schedule = kind(warmup=warmup)
    if warmup > total:
        with pytest.raises(RecipeError, match="is longer than the run"):
            warmup_steps(schedule, total)
        return
    steps = warmup_steps(schedule, total)
    curve = [multiplier(schedule, step, total) for step in range(total)]
    climb, rest = curve[:steps], curve[steps:]
    assert climb == pytest.approx([(step + 1) / (steps + 1) for step in range(steps)])
    assert all(0 < value < 1 for value in climb)
    assert not rest or rest[0] == 1
    assert all(later <= earlier for earlier, later in pairwise(rest))
    assert all(value > 0 for value in curve)


@pytest.mark.parametrize(
    ("warmup", "total", "steps"),
    [(0.0, 10, 0), (0.1, 10, 1), (0.1, 14, 1), (0.1, 16, 2), (0.999, 10, 10), (1.0, 10, 1), (10.0, 10, 10)],
)
def test_below_one_the_warm_up_is_a_fraction_of_the_run(warmup: float, total: int, steps: int) -> None:
    assert warmup_steps(Linear(warmup=warmup), total) == steps


def test_a_linear_schedule_to_the_digit() -> None:
    curve = [multiplier(Linear(warmup=2.0), step, 6) for step in range(6)]
    assert curve == pytest.approx([1 / 3, 2 / 3, 1, 3 / 4, 2 / 4, 1 / 4])


def test_a_cosine_schedule_to_the_digit() -> None:
    curve = [multiplier(Cosine(), step, 4) for step in range(4)]
    assert curve == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Polynomial(power=2.0), [1, 9 / 16, 4 / 16, 1 / 16]),
        (Polynomial(power=1.0), [1, 3 / 4, 2 / 4, 1 / 4]),
        (Polynomial(power=1.0, end=0.5), [1, 7 / 8, 6 / 8, 5 / 8]),
        (Polynomial(end=1.0), [1, 1, 1, 1]),
        (Constant(), [1, 1, 1, 1]),
    ],
)
def test_other_schedules_to_the_digit(schedule: ScheduleChoice, expected: list[float]) -> None:
    assert [multiplier(schedule, step, 4) for step in range(4)] == pytest.approx(expected)


def test_a_warm_up_as_long_as_the_run_is_all_there_is() -> None:
    assert [multiplier(Linear(warmup=3.0), step, 3) for step in range(3)] == pytest.approx([1 / 4, 2 / 4, 3 / 4])


def test_a_warm_up_that_is_too_long_is_an_error_at_its_key() -> None:
    with pytest.raises(RecipeError, match="the warm-up of 11 steps is longer than the run's 10 steps") as caught:
        warmup_steps(Linear(warmup=11.0), 10)
    assert caught.value.problems[0].key == ("schedule", "warmup")
