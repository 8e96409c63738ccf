"""Tags that mark entities word by word, in the schemes that people write them in.

bio    B begins an entity, I goes on with it
iob1   I begins and goes on; B begins only where an entity of the same type stands just before
bioes  B begins, I goes on, E ends; S is an entity of one word
bmes   the same with M for I
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Scheme = Literal["bio", "iob1", "bioes", "bmes"]
OUTSIDE = "O"
PREFIXES: dict[Scheme, str] = {"bio": "BI", "iob1": "IB", "bioes": "BIES", "bmes": "BMES"}
"""The prefixes of each scheme, in the order in which tags are listed."""


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """Words from `start` up to `end`, which is the first one after it."""

    type: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which tags may begin and end a sentence, and which may follow which ([from][to])."""

    starts: list[bool]
    ends: list[bool]
    steps: list[list[bool]]


def split_tag(tag: str) -> tuple[str, str]:
    """A tag's prefix and type: `B-PER` is ("B", "PER"), `O` is ("O", "")."""
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def entities_of(tags: Sequence[str], scheme: Scheme, *, lenient: bool = False) -> list[Entity]:
    """The entities that tags mark, in order.

    Only those that are marked as the scheme asks; where `lenient`, as the scorer of the CoNLL-2000 shared task reads
    them, which lets a border be where tags merely suggest one.
    """
    if lenient:
        return list(_lenient_entities([_single(tag) for tag in tags]))
    if scheme == "iob1":
        return list(_runs(tags, begins=_begins_iob1))
    if scheme == "bio":
        return list(_runs(tags, begins=_begins_bio))
    return list(_closed_entities([_single(tag) for tag in tags]))


def _single(tag: str) -> tuple[str, str]:
    """Prefix and type, with I for the M of bmes."""
    prefix, kind = split_tag(tag)
    return ("I" if prefix == "M" else prefix), kind


Pair = tuple[str, str]


def _begins_bio(before: Pair, tag: Pair) -> bool:  # noqa: ARG001 - the shape of all schemes
    return tag[0] == "B"


def _begins_iob1(before: Pair, tag: Pair) -> bool:
    follows = before[0] != OUTSIDE and before[1] == tag[1]
    return tag[0] != OUTSIDE and (tag[0] == "B") == follows


def _runs(tags: Sequence[str], *, begins: Callable[[Pair, Pair], bool]) -> Iterator[Entity]:
    """Entities of schemes without an end: they go on for as long as I of the same type follows."""
    pairs = [(OUTSIDE, ""), *map(split_tag, tags), (OUTSIDE, "")]
    start: int | None = None
    for place, (before, tag) in enumerate(pairwise(pairs)):
        if start is not None and not (tag[0] == "I" and tag[1] == before[1]):
            yield Entity(before[1], start, place)
            start = None
        if start is None and begins(before, tag):
            start = place


def _closed_entities(pairs: Sequence[Pair]) -> Iterator[Entity]:
    """Entities of schemes that mark the end: an S, or B and E with nothing but I between, all of one type."""
    start, kind = None, ""
    for place, (prefix, tag) in enumerate(pairs):
        if prefix == "S":
            yield Entity(tag, place, place + 1)
        elif prefix == "E" and start is not None and tag == kind:
            yield Entity(kind, start, place + 1)
        if prefix == "B":
            start, kind = place, tag
        elif prefix != "I" or tag != kind:
            start = None


def _lenient_entities(pairs: Sequence[Pair]) -> Iterator[Entity]:
    start, before = 0, (OUTSIDE, "")
    for place, tag in enumerate([*pairs, (OUTSIDE, "")]):
        if _ends_leniently(before, tag):
            yield Entity(before[1], start, place)
        if _begins_leniently(before, tag):
            start = place
        before = tag


def _ends_leniently(before: Pair, tag: Pair) -> bool:
    if before[0] in ("E", "S"):
        return True
    return before[0] != OUTSIDE and (tag[0] in ("B", "S", OUTSIDE) or tag[1] != before[1])


def _begins_leniently(before: Pair, tag: Pair) -> bool:
    if tag[0] in ("B", "S"):
        return True
    return tag[0] != OUTSIDE and (before[0] in ("E", "S", OUTSIDE) or tag[1] != before[1])


def tags_of(entities: Iterable[Entity], length: int, scheme: Scheme) -> list[str]:
    """Tags for `length` words, some of which are entities; those must not overlap."""
    tags = [OUTSIDE] * length
    last: Entity | None = None
    for entity in sorted(entities, key=lambda each: each.start):
        touches = last is not None and (last.end, last.type) == (entity.start, entity.type)
        prefixes = _prefixes(entity.end - entity.start, scheme, touches=touches)
        tags[entity.start : entity.end] = [f"{prefix}-{entity.type}" for prefix in prefixes]
        last = entity
    return tags


def _prefixes(length: int, scheme: Scheme, *, touches: bool) -> str:
    match scheme:
        case "bio":
            return "B" + "I" * (length - 1)
        case "iob1":
            return ("B" if touches else "I") + "I" * (length - 1)
        case "bioes" | "bmes":
            inside = "I" if scheme == "bioes" else "M"
            return "S" if length == 1 else "B" + inside * (length - 2) + "E"


def convert(tags: Sequence[str], source: Scheme, target: Scheme) -> list[str]:
    """Well-formed tags of one scheme as those of another."""
    return list(tags) if source == target else tags_of(entities_of(tags, source), len(tags), target)


def repair(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Tags with the known prefixes made well-formed: the entities that a lenient reader sees, marked as they should."""
    return tags_of(entities_of(tags, scheme, lenient=True), len(tags), scheme)


def problems_of(tags: Sequence[str], scheme: Scheme) -> list[tuple[int, str]]:
    """Where tags are not as the scheme asks: the word's number, from 0, and the reason."""
    unknown = [(place, reason) for place, tag in enumerate(tags) if (reason := _unknown(tag, scheme))]
    if unknown:
        return unknown
    allowed = _Steps(scheme)
    found: list[tuple[int, str]] = []
    for place, (before, tag) in enumerate(pairwise([None, *tags, None])):
        if not allowed(before, tag):
            found.append((min(place, len(tags) - 1), _wrong_step(before, tag)))
    return found


def _unknown(tag: str, scheme: Scheme) -> str | None:
    prefix, kind = split_tag(tag)
    if tag == OUTSIDE or (len(prefix) == 1 and prefix in PREFIXES[scheme] and kind):
        return None
    listed = ", ".join(f"{each}-TYPE" for each in PREFIXES[scheme])
    return f"`{tag}` is no tag of the scheme {scheme} (O, {listed})"


def _wrong_step(before: str | None, tag: str | None) -> str:
    if tag is None:
        return f"`{before}` stands last, and its entity does not end"
    return f"`{tag}` can't stand first" if before is None else f"`{tag}` can't follow `{before}`"


class _Steps:
    """Whether a tag may follow another; None is what stands before the first and after the last word."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme: Scheme = scheme

    def __call__(self, before: str | None, tag: str | None) -> bool:
        left, right = _single(before or OUTSIDE), _single(tag or OUTSIDE)
        goes_on = left[0] != OUTSIDE and left[1] == right[1]
        match self._scheme:
            case "bio":
                return right[0] != "I" or goes_on
            case "iob1":
                return right[0] != "B" or goes_on
            case "bioes" | "bmes":
                is_open = left[0] in ("B", "I")
                return (right[0] in ("I", "E")) == is_open and (not is_open or goes_on)


def tag_list(types: Iterable[str], scheme: Scheme) -> tuple[str, ...]:
    """Every tag of some types: O, then type by type in the order given."""
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in PREFIXES[scheme]))


def allowed_transitions(labels: Sequence[str], scheme: Scheme) -> Allowed:
    """Which of these tags may begin and end a sentence, and which may follow which."""
    may = _Steps(scheme)
    return Allowed(
        starts=[may(None, label) for label in labels],
        ends=[may(label, None) for label in labels],
        steps=[[may(before, label) for label in labels] for before in labels],
    )


def detect_scheme(rows: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that rows of tags are most likely written in.

    M, E and S tell by themselves; between bio and iob1 it is the one that the tags break less often, else bio.
    """
    prefixes: set[str] = set()
    breaks = {"bio": 0, "iob1": 0}
    bio, iob1 = _Steps("bio"), _Steps("iob1")
    for tags in rows:
        prefixes.update(split_tag(tag)[0] for tag in tags)
        steps = list(pairwise([None, *tags]))
        breaks["bio"] += sum(not bio(before, tag) for before, tag in steps)
        breaks["iob1"] += sum(not iob1(before, tag) for before, tag in steps)
    if "M" in prefixes:
        return "bmes"
    if prefixes & {"E", "S"}:
        return "bioes"
    return "iob1" if breaks["iob1"] < breaks["bio"] else "bio"
