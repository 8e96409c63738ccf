"""Sentences with their entities in colour, what is true over what is predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ftcli.data.tags import Entity
from ftcli.flows.reporting.html import Markup, section, tag
from ftcli.flows.reporting.outcomes import Outcome, TaggedMistake
from ftcli.spec.wording import counted

NUM_COLOURS = 8
MOST_WORDS = 120
WORDS_BEFORE = 30
"""How much is shown of a long sentence: so many words, and so many of them before the first mistake."""


def sentences(outcome: Outcome) -> Markup:
    """The sentences with the most mistaken entities."""
    kinds = sorted({entity.type for each in outcome.sentences for entity in (*each.gold, *each.predicted)})
    colours = {kind: number % NUM_COLOURS for number, kind in enumerate(kinds)}
    note = (
        f"{outcome.num_wrong:,} of {counted(outcome.num_rows, 'sentence')} have a mistake; those with the most."
        " Entities that only one of the two lines has are framed."
    )
    return section(
        "Sentences with the most errors", *(_sentence(each, colours) for each in outcome.sentences), note=note
    )


def _sentence(mistake: TaggedMistake, colours: dict[str, int]) -> Markup:
    lines = [("gold", mistake.gold, mistake.predicted), ("predicted", mistake.predicted, mistake.gold)]
    shown = [
        tag("p", tag("span", name), tag("span", *_spans(mistake, found, set(other), colours)), class_="tagged")
        for name, found, other in lines
    ]
    return tag("article", *shown, class_="case", title=f"row {mistake.row:,}")


def _spans(
    mistake: TaggedMistake, found: Sequence[Entity], other: set[Entity], colours: dict[str, int]
) -> Iterator[str]:
    """The sentence's words, those of entities marked; of a long one what is around its first mistake."""
    words, space = mistake.words, _space(mistake.words)
    first = min(entity.start for entity in {*mistake.gold} ^ {*mistake.predicted})
    start = max(0, first - WORDS_BEFORE) if len(words) > MOST_WORDS else 0
    end = min(len(words), start + MOST_WORDS)
    yield "… " if start else ""
    place = start
    for entity in found:
        if start <= entity.start < end:
            yield space.join((*words[place : entity.start], ""))
            text = space.join(words[entity.start : entity.end])
            class_ = "off" if entity not in other else None
            yield tag(
                "mark", text, tag("small", entity.type), class_=class_, style=f"--e:var(--e{colours[entity.type]})"
            )
            yield space
            place = entity.end
    yield space.join(words[place:end])
    yield " …" if end < len(words) else ""


def _space(words: Sequence[str]) -> str:
    """What stands between words: nothing where they are the characters of a script without spaces."""
    single = [word for word in words if len(word) == 1]
    foreign = [word for word in single if not word.isascii()]
    return "" if len(single) == len(words) or 2 * len(foreign) > len(words) else " "
