"""Numbers of things in sentences, so that one is `1 row` and two are `2 rows` wherever they are told."""

from __future__ import annotations


def counted(number: int, noun: str = "row", plural: str = "s") -> str:
    """`1 row`, `2,400 rows`; a noun whose plural ends otherwise names that ending."""
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def verb(number: int, one: str, many: str) -> str:
    """The verb, or the noun, that goes with so many."""
    return one if number == 1 else many
