"""Tags and the entities they spell."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.tags import (
    PREFIXES,
    Entity,
    Scheme,
    allowed_transitions,
    detect_scheme,
    entities_of,
    join_tag,
    problems_of,
    repair,
    split_tag,
    tag_list,
    tags_of,
    types_of,
)

SCHEMES: tuple[Scheme, ...] = tuple(PREFIXES)
schemes = st.sampled_from(SCHEMES)
types = st.sampled_from(["PER", "LOC", "a-b", "地点", ""])


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[Entity], int]:
    """Entities that don't overlap, some of them neighbours, and the number of words."""
    position, entities = draw(st.integers(0, 2)), list[Entity]()
    for _ in range(draw(st.integers(0, 6))):
        end = position + draw(st.integers(1, 4))
        entities.append(Entity(draw(types), position, end))
        position = end + draw(st.integers(0, 2))
    return entities, position + draw(st.integers(0, 2))


@st.composite
def any_tags(draw: st.DrawFn) -> tuple[list[str], Scheme]:
    scheme = draw(schemes)
    return draw(st.lists(st.sampled_from(tag_list(["X", "Y", ""], scheme)), max_size=12)), scheme


@given(sentences(), schemes)
def test_tags_spell_the_entities_they_were_made_of(sentence: tuple[list[Entity], int], scheme: Scheme) -> None:
    entities, length = sentence
    tags = tags_of(entities, length, scheme)
    assert len(tags) == length
    assert problems_of(tags, scheme) == []
    assert entities_of(tags, scheme) == entities_of(tags, scheme, lenient=True) == entities
    assert set(tags) <= set(tag_list({entity.type for entity in entities}, scheme))


@given(any_tags())
def test_repaired_tags_are_well_formed_and_well_formed_ones_stay(given_tags: tuple[list[str], Scheme]) -> None:
    tags, scheme = given_tags
    repaired = repair(tags, scheme)
    assert problems_of(repaired, scheme) == []
    assert entities_of(repaired, scheme) == entities_of(tags, scheme, lenient=True)
    assert (repaired == tags) == (problems_of(tags, scheme) == [])


@given(any_tags())
def test_tags_are_well_formed_where_every_step_is_allowed(given_tags: tuple[list[str], Scheme]) -> None:
    tags, scheme = given_tags
    labels = tag_list(["X", "Y", ""], scheme)
    allowed = allowed_transitions(labels, scheme)
    numbers = [labels.index(tag) for tag in tags]
    steps = all(allowed.steps[a][b] for a, b in pairwise(numbers))
    ends = not tags or (allowed.starts[numbers[0]] and allowed.ends[numbers[-1]])
    assert (steps and ends) == (problems_of(tags, scheme) == [])


@given(any_tags())
def test_strict_entities_are_among_the_lenient_ones(given_tags: tuple[list[str], Scheme]) -> None:
    tags, scheme = given_tags
    lenient = entities_of(tags, scheme, lenient=True)
    assert set(entities_of(tags, scheme)) <= set(lenient)
    inside = {position for entity in lenient for position in range(entity.start, entity.end)}
    assert inside == {position for position, tag in enumerate(tags) if tag != "O"}


@pytest.mark.parametrize(
    ("tags", "scheme", "problems"),
    [
        ("O I-X", "bio", [(1, "`I-X` can't follow `O`")]),
        ("I-X O", "bio", [(0, "`I-X` can't begin a sentence")]),
        ("B-X I-Y", "bio", [(1, "`I-Y` can't follow `B-X`")]),
        ("B-X E-X O", "bio", [(1, "`E-X` is no tag of the scheme `bio`")]),
        ("B- O", "bio", [(0, "`B-` is no tag of the scheme `bio`")]),
        ("O-X O", "bio", [(0, "`O-X` is no tag of the scheme `bio`")]),
        ("O B-X", "iob1", [(1, "`B-X` can't follow `O`")]),
        ("I-X B-Y", "iob1", [(1, "`B-Y` can't follow `I-X`")]),
        ("B-X I-X", "bioes", [(1, "`I-X` can't end a sentence")]),
        ("B-X O E-X", "bioes", [(1, "`O` can't follow `B-X`"), (2, "`E-X` can't follow `O`")]),
        ("B-X M-X E-X S-Y", "bmes", []),
        ("B-X I-X E-X", "bmes", [(1, "`I-X` is no tag of the scheme `bmes`")]),
    ],
)
def test_a_problem_says_where_and_why(tags: str, scheme: Scheme, problems: list[tuple[int, str]]) -> None:
    assert problems_of(tags.split(), scheme) == problems


@pytest.mark.parametrize(
    ("tags", "scheme", "strict", "lenient"),
    [
        ("O I-X I-X O", "bio", [], [("X", 1, 3)]),
        ("B-X I-Y", "bio", [("X", 0, 1)], [("X", 0, 1), ("Y", 1, 2)]),
        ("I-X B-X I-X", "iob1", [("X", 0, 1), ("X", 1, 3)], [("X", 0, 1), ("X", 1, 3)]),
        ("B-X I-X", "bioes", [], [("X", 0, 2)]),
        ("B-X E-X E-X S-X", "bioes", [("X", 0, 2), ("X", 3, 4)], [("X", 0, 2), ("X", 2, 3), ("X", 3, 4)]),
        ("B M E S O", "bmes", [("", 0, 3), ("", 3, 4)], [("", 0, 3), ("", 3, 4)]),
    ],
)
def test_strict_and_lenient_differ_where_tags_are_ill_formed(
    tags: str, scheme: Scheme, strict: list[tuple[str, int, int]], lenient: list[tuple[str, int, int]]
) -> None:
    assert entities_of(tags.split(), scheme) == [Entity(*each) for each in strict]
    assert entities_of(tags.split(), scheme, lenient=True) == [Entity(*each) for each in lenient]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_scheme_of_a_file_is_found(scheme: Scheme) -> None:
    entities = [Entity("X", 0, 3), Entity("X", 3, 4), Entity("Y", 5, 6)]
    well_formed = tags_of(entities, 7, scheme)
    assert detect_scheme(iter([well_formed] * 5 + [["O", "I-X"]])) == scheme


def test_without_entities_the_scheme_is_bio() -> None:
    assert detect_scheme([["O", "O"], []]) == "bio"


def test_a_tag_is_a_prefix_and_a_type() -> None:
    assert split_tag("B-geo-loc") == ("B", "geo-loc")
    assert split_tag("O") == ("O", "")
    assert split_tag("M") == ("M", "")
    assert join_tag("E", "地点") == "E-地点"


def test_tags_are_listed_outside_first_then_type_by_type() -> None:
    listed = tag_list(["LOC", "PER"], "bmes")
    assert listed == ("O", "B-LOC", "M-LOC", "E-LOC", "S-LOC", "B-PER", "M-PER", "E-PER", "S-PER")
    assert types_of(listed) == ("LOC", "PER")
