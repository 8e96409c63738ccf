from __future__ import annotations

import subprocess
import sys

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.runtime.seeding import deterministic, seed_for, seed_step

CPU = torch.device("cpu")


def draw(seed: int = 1, *, step: int = 2, rank: int = 0) -> list[float]:
    seed_step(seed, step=step, rank=rank, device=CPU)
    return torch.rand(4).tolist()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31 - 1), st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4))
def test_a_seed_fits_63_bits_and_depends_on_its_arguments_alone(seed: int, purpose: list[int | str]) -> None:
    assert 0 <= seed_for(seed, *purpose) < 2**63
    assert seed_for(seed, *purpose) == seed_for(seed, *purpose)


def test_different_purposes_give_different_seeds() -> None:
    asked = [(s, p, n, r) for s in range(3) for p in ("epoch", "step", "window") for n in range(30) for r in range(3)]
    assert len({seed_for(*each) for each in asked}) == len(asked)
    assert seed_for(1, 11) != seed_for(11, 1)


def test_seeds_are_the_same_in_every_process_and_version() -> None:
    code = "from ftcli.runtime.seeding import seed_for; print(seed_for(42, 'epoch', 0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == seed_for(42, "epoch", 0) == 2131211689690215551


def test_what_a_step_draws_depends_on_seed_step_and_rank_only() -> None:
    first = draw()
    torch.rand(17)
    assert draw() == first
    assert len({tuple(drawn) for drawn in (first, draw(2), draw(step=3), draw(rank=1))}) == 4


def test_only_kernels_that_repeat_their_bits_are_allowed_within_the_block_and_only_there() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    with deterministic(wanted=True):
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before
    with deterministic(wanted=False):
        assert torch.are_deterministic_algorithms_enabled() == before
