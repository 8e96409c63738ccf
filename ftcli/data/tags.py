"""Tags of words and the entities they spell, in four schemes.

bio    B-X begins an entity, I-X goes on (IOB2)
iob1   I-X is in an entity, B-X begins one where another of its type has just ended
bioes  B-X begins, I-X goes on, E-X ends, S-X is a whole entity (IOBES, BILOU by other letters)
bmes   the same with M for I

"O" is outside. A prefix alone is a tag of the type "", as in the cutting of text into words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ftcli.spec.card import TagScheme

Scheme = TagScheme

OUTSIDE = "O"
PREFIXES: dict[Scheme, tuple[str, ...]] = {
    "bio": ("B", "I"),
    "iob1": ("B", "I"),
    "bioes": ("B", "I", "E", "S"),
    "bmes": ("B", "M", "E", "S"),
}
CACHED_STEPS = 1 << 16


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of a type, from the word `start` up to, not including, the word `end`."""

    type: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which of some tags may begin and end a sentence, and which may follow which ([from][to])."""

    starts: list[bool]
    ends: list[bool]
    steps: list[list[bool]]


@lru_cache(CACHED_STEPS)
def split_tag(tag: str) -> tuple[str, str]:
    """Return a tag's prefix and its type; what is no tag of any scheme is a prefix that none of them has."""
    prefix, dash, kind = tag.partition("-")
    if dash and (not kind or prefix == OUTSIDE):
        return tag, ""
    return prefix, kind


def join_tag(prefix: str, kind: str) -> str:
    """Return the tag of a prefix and a type."""
    return f"{prefix}-{kind}" if kind else prefix


def is_tag(tag: str, scheme: Scheme) -> bool:
    """Whether a scheme has such a tag."""
    return tag == OUTSIDE or split_tag(tag)[0] in PREFIXES[scheme]


def entities_of(tags: Sequence[str], scheme: Scheme, *, lenient: bool = False) -> list[Entity]:
    """Return the entities that tags spell, in their order.

    Strictly, one that isn't spelled as the scheme demands is none. Leniently, an entity is words in a row whose tags
    don't begin another, as conlleval has it. Both are the same where the tags are well-formed.
    """
    runs = _runs(tags, scheme)
    return [entity for entity in runs if lenient or _is_spelled_out(entity, tags, scheme)]


def _runs(tags: Sequence[str], scheme: Scheme) -> Iterator[Entity]:
    start, before = 0, OUTSIDE
    for position, tag in enumerate((*tags, OUTSIDE)):
        if not _goes_on(before, tag, scheme):
            if before != OUTSIDE and is_tag(before, scheme):
                yield Entity(split_tag(before)[1], start, position)
            start = position
        before = tag


@lru_cache(CACHED_STEPS)
def _goes_on(before: str, tag: str, scheme: Scheme) -> bool:
    """Whether two tags in a row are of one entity."""
    (prefix_before, kind_before), (prefix, kind) = split_tag(before), split_tag(tag)
    begin, inside, *ends = PREFIXES[scheme]
    return kind_before == kind and prefix_before in (begin, inside) and prefix in (inside, *ends[:1])


def _is_spelled_out(entity: Entity, tags: Sequence[str], scheme: Scheme) -> bool:
    first, last = split_tag(tags[entity.start])[0], split_tag(tags[entity.end - 1])[0]
    match scheme:
        case "bio":
            return first == "B"
        case "iob1":
            before = tags[entity.start - 1] if entity.start else OUTSIDE
            return first == "I" or may_follow(before, tags[entity.start], scheme)
        case "bioes" | "bmes":
            return (first, last) == ("B", "E") or first == "S"


def tags_of(entities: Iterable[Entity], length: int, scheme: Scheme) -> list[str]:
    """Return the tags of `length` words that spell these entities, which don't overlap."""
    tags = [OUTSIDE] * length
    for entity in sorted(entities, key=lambda entity: entity.start):
        first, inside, last = _spelling(entity, tags, scheme)
        tags[entity.start : entity.end] = [join_tag(inside, entity.type)] * (entity.end - entity.start)
        tags[entity.end - 1] = join_tag(last, entity.type)
        tags[entity.start] = join_tag(first, entity.type)
    return tags


def _spelling(entity: Entity, tags: Sequence[str], scheme: Scheme) -> tuple[str, str, str]:
    """The prefixes of an entity's first, inner and last words."""
    begin, inside, *ends = PREFIXES[scheme]
    if ends:
        end, single = ends
        return (single if entity.end - entity.start == 1 else begin), inside, end
    if scheme == "iob1":
        before = tags[entity.start - 1] if entity.start else OUTSIDE
        follows_its_like = before != OUTSIDE and split_tag(before)[1] == entity.type
        begin = begin if follows_its_like else inside
    return begin, inside, inside


def repair(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Return well-formed tags that spell what these do leniently; well-formed ones stay as they are."""
    return tags_of(entities_of(tags, scheme, lenient=True), len(tags), scheme)


def problems_of(tags: Sequence[str], scheme: Scheme) -> list[tuple[int, str]]:
    """Return where tags aren't well-formed, and why; nothing where they are."""
    problems: list[tuple[int, str]] = []
    for position, (before, tag) in enumerate(pairwise((OUTSIDE, *tags))):
        if not is_tag(tag, scheme):
            problems.append((position, f"`{tag}` is no tag of the scheme `{scheme}`"))
        elif is_tag(before, scheme) and not may_follow(before, tag, scheme):
            reason = f"can't follow `{before}`" if position else "can't begin a sentence"
            problems.append((position, f"`{tag}` {reason}"))
    if tags and is_tag(tags[-1], scheme) and not may_follow(tags[-1], OUTSIDE, scheme):
        problems.append((len(tags) - 1, f"`{tags[-1]}` can't end a sentence"))
    return problems


@lru_cache(CACHED_STEPS)
def may_follow(before: str, tag: str, scheme: Scheme) -> bool:
    """Whether a tag may stand behind another one; a sentence begins and ends as if "O" stood around it."""
    prefix_before, prefix = split_tag(before)[0], split_tag(tag)[0]
    same_type = split_tag(before)[1] == split_tag(tag)[1]
    match scheme:
        case "bio":
            return prefix != "I" or _goes_on(before, tag, scheme)
        case "iob1":
            return prefix != "B" or (prefix_before != OUTSIDE and same_type)
        case "bioes" | "bmes":
            inside = PREFIXES[scheme][1]
            is_open, is_continued = prefix_before in ("B", inside), prefix in (inside, "E")
            return is_open == is_continued and (same_type or not is_open)


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Return the scheme that is broken least often; of equals the first one, so "bio" where there are no entities."""
    counts = dict.fromkeys(PREFIXES, 0)
    for tags in sentences:
        for scheme in PREFIXES:
            counts[scheme] += len(problems_of(tags, scheme))
    return min(counts, key=lambda scheme: counts[scheme])


def tag_list(types: Iterable[str], scheme: Scheme) -> tuple[str, ...]:
    """Return every tag of some types: "O", then each type's, its prefixes in the scheme's order."""
    return (OUTSIDE, *(join_tag(prefix, kind) for kind in types for prefix in PREFIXES[scheme]))


def types_of(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the types of some tags, each once, in the order they come up in."""
    return tuple(dict.fromkeys(split_tag(tag)[1] for tag in tags if tag != OUTSIDE))


def allowed_transitions(labels: Sequence[str], scheme: Scheme) -> Allowed:
    """Return which tags of a list may begin and end a sentence, and which may follow which."""
    return Allowed(
        starts=[may_follow(OUTSIDE, tag, scheme) for tag in labels],
        ends=[may_follow(tag, OUTSIDE, scheme) for tag in labels],
        steps=[[may_follow(before, tag, scheme) for tag in labels] for before in labels],
    )
