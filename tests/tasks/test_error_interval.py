"""The interval of a calibration error covers the true one, also where probabilities hold and chance alone makes one."""

from __future__ import annotations

import pytest
import torch

from ftcli.runtime.activity import finish
from ftcli.tasks.error_interval import error_interval
from ftcli.tasks.reliability import Answers, reliability


def drawn(count: int, temperature: float, generator: torch.Generator) -> Answers:
    """Answers whose odds are those that hold, to the power of 1 / temperature."""
    odds = 1.5 * torch.randn(count, generator=generator).double()
    return Answers((odds / temperature).sigmoid(), torch.rand(count, generator=generator) < odds.sigmoid())


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_it_covers_the_true_error(temperature: float) -> None:
    generator = torch.Generator().manual_seed(3)
    truth = reliability(drawn(1_000_000, temperature, generator)).ece if temperature != 1 else 0.0
    covered = 0
    for _ in range(60):
        found = finish(error_interval(drawn(400, temperature, generator), 400, resamples=300))
        assert found is not None
        covered += found.low <= truth <= found.high
    assert covered >= 52


def test_answers_of_a_row_are_drawn_together() -> None:
    """Each answer twice tells no more than once."""
    once = drawn(300, 0.5, torch.Generator().manual_seed(1))
    twice = Answers(once.probability.repeat_interleave(2), once.is_so.repeat_interleave(2))
    found, doubled = (finish(error_interval(each, 300, resamples=400)) for each in (once, twice))
    assert found is not None
    assert doubled is not None
    assert (found.low, found.high) == pytest.approx((doubled.low, doubled.high))


def test_answers_that_are_all_alike_have_none() -> None:
    alike = Answers(torch.full((50,), 0.5, dtype=torch.float64), torch.ones(50, dtype=torch.bool))
    assert finish(error_interval(alike, 50, resamples=100)) is None
