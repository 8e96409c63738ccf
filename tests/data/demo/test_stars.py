from __future__ import annotations

from statistics import mean, pstdev
from typing import Any

import pytest

from tests.data.demo.making import made

Splits = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def stars() -> Splits:
    return made("demo-stars")


def test_it_is_as_big_as_it_says_and_scores_are_spread_over_the_whole_scale(stars: Splits) -> None:
    assert {split: len(rows) for split, rows in stars.items()} == {"train": 800, "validation": 200, "test": 200}
    for rows in stars.values():
        scores = [row["score"] for row in rows]
        assert (min(scores), max(scores)) == (1.0, 5.0)
        assert mean(scores) == pytest.approx(2.9, abs=0.2)
        assert pstdev(scores) == pytest.approx(1.0, abs=0.15)
        # Cut off at the ends are few.
        assert sum(score in (1.0, 5.0) for score in scores) < 0.12 * len(scores)


def test_scores_go_in_steps_of_a_tenth(stars: Splits) -> None:
    for rows in stars.values():
        assert all(isinstance(row["score"], float) and row["score"] == round(row["score"], 1) for row in rows)


def test_the_same_adjective_can_be_praise_and_blame(stars: Splits) -> None:
    def average(phrase: str) -> float:
        return mean(row["score"] for row in stars["train"] if phrase in row["review"])

    assert average("not at all good") + 0.5 < average("really good")
    assert average("really annoying") + 0.5 < average("not at all annoying")
