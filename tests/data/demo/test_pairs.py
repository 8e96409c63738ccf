from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftcli.data.catalog import builtin_folder, load_card
from ftcli.data.prepare import prepare
from ftcli.runtime.activity import finish
from tests.data.demo.making import made

Example = dict[str, str]


@pytest.fixture(scope="module")
def demo() -> dict[str, list[Example]]:
    return made("demo")


def test_it_is_as_big_and_as_balanced_as_it_says(demo: dict[str, list[Example]]) -> None:
    assert {split: len(rows) for split, rows in demo.items()} == {"train": 2400, "validation": 400, "test": 400}
    for rows in demo.values():
        assert sum(row["label"] == "different" for row in rows) == pytest.approx(0.6 * len(rows))
        assert {row["label"] for row in rows} == {"same", "different"}


def test_no_pair_stands_in_two_places_even_swapped(demo: dict[str, list[Example]]) -> None:
    pairs = [frozenset((row["question1"], row["question2"])) for rows in demo.values() for row in rows]
    assert all(len(pair) == 2 for pair in pairs)
    assert len(set(pairs)) == len(pairs)


def test_every_slot_is_filled(demo: dict[str, list[Example]]) -> None:
    assert not [row for rows in demo.values() for row in rows if "{" in row["question1"] + row["question2"]]


def test_no_question_means_two_things(demo: dict[str, list[Example]]) -> None:
    """Questions that mean the same form groups; a pair labelled "different" must never fall within one group."""
    group: dict[str, str] = {}

    def find(question: str) -> str:
        while group.get(question, question) != question:
            question = group[question]
        return question

    every = [row for rows in demo.values() for row in rows]
    for row in every:
        if row["label"] == "same":
            group[find(row["question1"])] = find(row["question2"])
    assert not [
        row for row in every if row["label"] == "different" and find(row["question1"]) == find(row["question2"])
    ]


Measured = list[tuple[float, bool]]


def measure(rows: list[Example]) -> Measured:
    """Each pair's share of common words, and whether it is labelled "same"."""
    found: Measured = []
    for row in rows:
        first, second = (set(re.findall(r"[a-z']+", row[key].lower())) for key in ("question1", "question2"))
        found.append((len(first & second) / len(first | second), row["label"] == "same"))
    return found


def accuracy(measured: Measured, threshold: float, above_is_same: bool) -> float:
    return sum(((share >= threshold) == above_is_same) == same for share, same in measured) / len(measured)


def test_counting_shared_words_does_not_solve_it(demo: dict[str, list[Example]]) -> None:
    train, test = measure(demo["train"]), measure(demo["test"])
    thresholds = sorted({share for share, _ in train} | {2.0})
    rules = [(threshold, above_is_same) for threshold in thresholds for above_is_same in (True, False)]
    best = max(rules, key=lambda rule: accuracy(train, *rule))
    assert accuracy(train, *best) < 0.68
    assert accuracy(test, *best) < 0.68


def test_it_prepares_without_a_network(tmp_path: Path, demo: dict[str, list[Example]]) -> None:
    card = load_card("demo")
    work = prepare(card, folder=tmp_path / "demo", card_folder=builtin_folder(), source=None, downloads=tmp_path / "d")
    prepared = finish(work)
    assert list(prepared.rows("test")) == demo["test"]
    assert prepared.facts.labels == ("different", "same")
    assert prepared.facts.sources == ()
