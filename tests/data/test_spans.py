"""Texts into words, and spans of characters into entities of words."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.spans import entities_in, words_of
from ftcli.data.tags import Entity


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in words_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann's e-mail, 2nd", ["Ann", "'", "s", "e", "-", "mail", ",", "2nd"]),
        ("北京2008年", ["北", "京", "2008", "年"]),
        ("東京タワー、サンヨー", ["東", "京", "タ", "ワ", "ー", "、", "サ", "ン", "ヨ", "ー"]),
        ("서울에서", ["서", "울", "에", "서"]),
        ("cafe\u0301 नमस्ते", ["cafe\u0301", "नमस्ते"]),
        ("a_b\u3000c\tΩé", ["a", "_", "b", "c", "Ωé"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_a_text_is_cut_into_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=40))
def test_words_cover_all_but_space_in_order(text: str) -> None:
    offsets = words_of(text)
    flat = [place for pair in offsets for place in pair]
    assert flat == sorted(flat)
    assert all(start < end for start, end in offsets)
    covered = {place for start, end in offsets for place in range(start, end)}
    left = [text[place] for place in range(len(text)) if place not in covered]
    assert all(character.isspace() or unicodedata.category(character)[0] in "CZ" for character in left)
    assert not any(text[place].isspace() for place in covered)


def found(value: object, text: str) -> list[Entity] | str:
    return entities_in(value, text, words_of(text))


@pytest.mark.parametrize(
    "span",
    [{"start": 4, "end": 11, "type": "PER"}, {"end": 11, "label": "PER", "start": 4}, [4, 11, "PER"], [3, 13, " PER "]],
)
def test_spans_come_in_several_forms(span: object) -> None:
    assert found([span], "Hi  Ann Lee  ") == [Entity("PER", 1, 3)]


def test_entities_are_in_the_order_of_the_text() -> None:
    assert found([[3, 5, "B"], [0, 2, "A"]], "张三李四五") == [Entity("A", 0, 2), Entity("B", 3, 5)]
    assert found([], "text") == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("PER", "a list of spans is expected"),
        ([["0", 2, "X"]], "entity 1 isn't of the form"),
        ([[0, 2]], "entity 1 isn't of the form"),
        ([[0, 3, "X"], {"start": 4, "end": 5}], "entity 2 isn't of the form"),
        ([[True, 2, "X"]], "entity 1 isn't of the form"),
        ([[0, 2, " "]], "entity 1 isn't of the form"),
        ([[0, 99, "X"]], "entity 1 (X, 0 to 99) isn't within the 11 characters of the text"),
        ([[-1, 2, "X"]], "entity 1 (X, -1 to 2) isn't within"),
        ([[3, 3, "X"]], "entity 1 (X, 3 to 3) isn't within"),
        ([[0, 5, "X"], [4, 11, "Y"]], "two entities overlap: `Anna ` (X, 0 to 5) and ` Smith!` (Y, 4 to 11)"),
        ([[0, 3, "X"]], "the entity `Ann` (X, 0 to 3) ends inside the word `Anna`"),
        ([[2, 4, "X"]], "the entity `na` (X, 2 to 4) ends inside the word `Anna`"),
        ([[4, 5, "X"]], "the entity ` ` (X, 4 to 5) has no word in it"),
    ],
)
def test_a_span_that_can_not_be_used_says_why(value: object, reason: str) -> None:
    result = found(value, "Anna Smith!")
    assert isinstance(result, str)
    assert result.startswith(reason)


@given(st.data())
def test_spans_of_words_give_back_those_words(data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from("ab1 中国,\u0301"), min_size=1, max_size=30))
    offsets = words_of(text)
    borders = sorted(data.draw(st.sets(st.integers(0, len(offsets)), max_size=6)))
    entities = [Entity("X", start, end) for start, end in zip(borders[::2], borders[1::2], strict=False)]
    spans = [[offsets[entity.start][0], offsets[entity.end - 1][1], "X"] for entity in entities]
    assert entities_in(spans, text, offsets) == entities
