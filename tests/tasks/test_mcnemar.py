"""McNemar's test equals the exact binomial test of SciPy, for few rows and for many."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import binomtest

from ftcli.tasks.mcnemar import mcnemar


def test_its_p_value_is_that_of_a_fair_coin() -> None:
    for only_first in range(12):
        for only_second in range(12):
            first = torch.tensor([True] * only_first + [False] * only_second + [True, False])
            second = torch.tensor([False] * only_first + [True] * only_second + [True, False])
            found = mcnemar(first, second)
            assert (found.only_first, found.only_second) == (only_first, only_second)
            tosses = only_first + only_second
            expected = binomtest(only_first, tosses).pvalue if tosses else 1.0
            assert found.p_value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_random_answers_of_two_models(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.rand(20_000, generator=generator) < share for share in (0.8, 0.805))
    found = mcnemar(first, second)
    expected = binomtest(found.only_first, found.only_first + found.only_second).pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-8)
