from __future__ import annotations

from typing import Any

import pytest

from tests.data.demo.making import made

Splits = dict[str, list[dict[str, Any]]]
Named = set[tuple[str, str]]


@pytest.fixture(scope="module")
def orders() -> Splits:
    return made("demo-orders")


def named(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The entities: type and text."""
    found: list[tuple[str, str]] = []
    for row in rows:
        for token, tag in zip(row["tokens"], row["tags"], strict=True):
            if tag.startswith("B-"):
                found.append((tag[2:], token))
            elif tag != "O":
                kind, text = found.pop()
                assert tag == f"I-{kind}"
                found.append((kind, f"{text} {token}"))
    return found


def test_it_is_as_big_as_it_says_and_every_word_has_a_tag(orders: Splits) -> None:
    assert {split: len(rows) for split, rows in orders.items()} == {"train": 600, "validation": 150, "test": 150}
    for rows in orders.values():
        assert all(len(row["tokens"]) == len(row["tags"]) for row in rows)
        assert all(token and " " not in token for row in rows for token in row["tokens"])


def test_entities_are_of_four_types_and_many_have_several_words(orders: Splits) -> None:
    for rows in orders.values():
        found = named(rows)
        for kind in ("CITY", "DATE", "PERSON", "PRODUCT"):
            several = [" " in text for each, text in found if each == kind]
            assert len(several) > 0.1 * len(found)
            assert 0.2 < sum(several) / len(several) < 0.8
        assert {kind for kind, _ in found} == {"CITY", "DATE", "PERSON", "PRODUCT"}


def test_tests_people_and_cities_are_partly_new(orders: Splits) -> None:
    known, tested = set(named(orders["train"])), named(orders["test"])
    words = {(kind, word) for kind, text in known for word in text.split()}
    for kind in ("CITY", "PERSON"):
        texts = [text for each, text in tested if each == kind]
        new = [text for text in texts if not any((kind, word) in words for word in text.split())]
        assert 0.25 < len(new) / len(texts) < 0.5
    # Validation has the names of train, in other sentences.
    seen = {(kind, word) for kind, text in named(orders["validation"]) for word in text.split()}
    assert seen <= words


def test_some_words_are_names_of_two_types(orders: Splits) -> None:
    first = {(kind, text.split()[0]) for kind, text in named(orders["train"])}
    assert {("PERSON", "Florence"), ("CITY", "Florence"), ("PERSON", "May"), ("DATE", "May")} <= first


def test_a_few_are_far_longer_than_the_others(orders: Splits) -> None:
    for rows in orders.values():
        lengths = sorted(len(row["tokens"]) for row in rows)
        num_lists = len(rows) * 4 // 100
        assert lengths[-num_lists] > 90
        assert lengths[-num_lists - 1] < 40
