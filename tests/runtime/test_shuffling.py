"""The order of an epoch is a permutation, part by part, and as random as one can tell."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import permutations, product
from math import factorial, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ftcli.runtime.shuffling import Shuffle

seeds = st.integers(0, 2**63 - 1)
LARGE = 1_000_000
SIGMAS = 4.5
"""Of a normal variable, which each statistic here nearly is; seeds are fixed, so that nothing comes and goes."""


def whole(num_rows: int, seed: int) -> Tensor:
    return Shuffle(num_rows, seed).part(0, num_rows)


def excess(counts: Tensor, expected: float, freedom: int) -> float:
    """Chi-square of counts that should all be alike, in standard deviations from what chance makes of it."""
    return (float(((counts - expected) ** 2 / expected).sum()) - freedom) / sqrt(2 * freedom)


def pairs(one: Tensor, other: Tensor, bins: int) -> Tensor:
    """How many pairs of rows fall in each cell of a table."""
    cells = one * bins // LARGE * bins + other * bins // LARGE
    return torch.bincount(cells, minlength=bins * bins).double()


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3000), seeds)
def test_every_row_has_one_place(num_rows: int, seed: int) -> None:
    rows = whole(num_rows, seed)
    assert rows.dtype == torch.int64
    assert torch.equal(rows.sort().values, torch.arange(num_rows))


@pytest.mark.parametrize("num_rows", [*range(1, 130), 2**16 - 1, 2**16, 2**16 + 1, LARGE])
def test_so_it_is_around_every_border(num_rows: int) -> None:
    assert torch.equal(whole(num_rows, 5).sort().values, torch.arange(num_rows))


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3000), seeds, st.data())
def test_a_part_is_that_of_the_whole(num_rows: int, seed: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, num_rows))
    stop = data.draw(st.integers(start, num_rows))
    assert torch.equal(Shuffle(num_rows, seed).part(start, stop), whole(num_rows, seed)[start:stop])


def test_any_part_of_very_many_rows_is_had_at_once() -> None:
    rows = Shuffle(2**40, 1).part(2**39, 2**39 + 1000)
    assert len(set(rows.tolist())) == 1000
    assert int(rows.max()) < 2**40
    assert int(rows.max()) > 2**39 > int(rows.min())


def test_the_order_is_the_same_in_every_process_and_version() -> None:
    code = "from ftcli.runtime.shuffling import Shuffle; print(Shuffle(20_000_000, 42).part(7, 10).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(Shuffle(20_000_000, 42).part(7, 10).tolist()) == "[14574822, 7621133, 8017903]"


@pytest.mark.parametrize("num_rows", [2, 3, 4, 5])
def test_of_few_rows_every_order_is_as_likely(num_rows: int) -> None:
    draws, orders = 2400, factorial(num_rows)
    found = Counter(tuple(whole(num_rows, seed).tolist()) for seed in range(draws))
    counts = torch.tensor([found[order] for order in permutations(range(num_rows))]).double()
    assert abs(excess(counts, draws / orders, orders - 1)) < SIGMAS


@pytest.mark.parametrize("num_rows", [6, 16, 45])
def test_every_row_is_as_likely_at_every_place_and_before_every_other(num_rows: int) -> None:
    draws = 1500
    at, before = torch.zeros(num_rows, num_rows).double(), torch.zeros(num_rows, num_rows).double()
    for seed in range(draws):
        rows = whole(num_rows, seed)
        at[torch.arange(num_rows), rows] += 1
        before[rows[:-1], rows[1:]] += 1
    neighbours = torch.tensor([float(before[i, j]) for i, j in product(range(num_rows), repeat=2) if i != j])
    assert abs(excess(at, draws / num_rows, (num_rows - 1) ** 2)) < SIGMAS
    assert abs(excess(neighbours, draws / num_rows, num_rows * (num_rows - 1) - 1)) < SIGMAS


def test_places_neighbours_and_epochs_tell_nothing_of_a_row() -> None:
    bins, places = 50, torch.arange(LARGE)
    one, other = whole(LARGE, 1), whole(LARGE, 2)
    lags = {lag: pairs(one[:-lag], one[lag:], bins) for lag in (1, 2, 32, 1001)}  # 1001 are the digits of a place
    for counts in (pairs(places, one, bins), pairs(one, other, bins), *lags.values()):
        assert abs(excess(counts, float(counts.sum()) / bins**2, bins**2 - 1)) < SIGMAS
    steps = (one[1:] - one[:-1]) % LARGE * 1000 // LARGE
    assert abs(excess(torch.bincount(steps, minlength=1000).double(), (LARGE - 1) / 1000, 999)) < SIGMAS


def test_about_one_row_stays_at_its_place() -> None:
    stay = [int((whole(500, seed) == torch.arange(500)).sum()) for seed in range(1000)]
    assert abs(sum(stay) / 1000 - 1) < SIGMAS / sqrt(1000)
