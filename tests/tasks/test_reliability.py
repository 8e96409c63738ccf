"""Reliability: bins over probabilities, and the mean distance between what is said and what is so."""

from __future__ import annotations

import pytest
import torch
from sklearn.calibration import calibration_curve

from ftcli.tasks.reliability import Answers, reliability


def test_the_bins_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    said = torch.rand(3000, generator=generator).double() * 0.7 + 0.2
    is_so = torch.rand(3000, generator=generator) < said**2
    found = reliability(Answers(said, is_so), num_bins=10)
    share, probability = calibration_curve(is_so, said, n_bins=10)
    assert [each.share for each in found.bins] == pytest.approx(share)
    assert [each.probability for each in found.bins] == pytest.approx(probability)
    assert sum(each.count for each in found.bins) == 3000
    assert (found.bins[0].low, found.bins[-1].high) == (0.2, 0.9)
    by_hand = sum(each.count * abs(each.share - each.probability) for each in found.bins) / 3000
    assert found.ece == pytest.approx(by_hand)


def test_certainty_has_a_place_in_the_last_bin() -> None:
    found = reliability(Answers(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([False, True, False])))
    assert [(each.low, each.count, each.share) for each in found.bins] == [(0.0, 1, 0.0), (0.9, 2, 0.5)]
    assert found.ece == pytest.approx(1 / 3)


def test_no_answers_are_not_off() -> None:
    assert reliability(Answers(torch.empty(0), torch.empty(0, dtype=torch.bool))).ece == 0.0
