from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from ftcli.data.catalog import load_card
from tests.data.demo.making import made

Splits = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def topics() -> Splits:
    return made("demo-topics")


def test_it_is_as_big_as_it_says_and_each_count_of_topics_has_its_share(topics: Splits) -> None:
    assert {split: len(rows) for split, rows in topics.items()} == {"train": 800, "validation": 200, "test": 200}
    for rows in topics.values():
        counts = Counter(len(row["topics"]) for row in rows)
        assert {count: number * 100 // len(rows) for count, number in counts.items()} == {0: 15, 1: 40, 2: 30, 3: 15}


def test_the_topics_are_the_card_s_in_its_order_and_none_is_rare(topics: Splits) -> None:
    labels = load_card("demo-topics").labels
    assert labels is not None
    for rows in topics.values():
        shares = Counter(topic for row in rows for topic in row["topics"])
        assert set(shares) == set(labels)
        # 1.45 topics a message on average, over six topics.
        assert all(0.22 < number / len(rows) < 0.28 for number in shares.values())
        assert all(row["topics"] == [label for label in labels if label in row["topics"]] for row in rows)


def words_of(row: dict[str, Any]) -> set[str]:
    return set(re.findall(r"[a-z']+", row["message"].lower()))


def f1_of_words(label: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """For each word the F1 of the rule that a message which has it has the topic."""
    num_gold = sum(label in row["topics"] for row in rows)
    said = Counter(word for row in rows for word in words_of(row))
    right = Counter(word for row in rows if label in row["topics"] for word in words_of(row))
    return {word: 2 * right[word] / (number + num_gold) for word, number in said.items()}


def test_no_single_word_gives_a_topic_away(topics: Splits) -> None:
    for label in load_card("demo-topics").labels or ():
        on_train = f1_of_words(label, topics["train"])
        best = max(on_train, key=on_train.__getitem__)
        assert f1_of_words(label, topics["test"])[best] < 0.67, (label, best)
