"""`demo-orders`: orders word by word, and the people, cities, products and dates in them (tagging, BIO)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ftcli.data.demo.templates import SLOT, Rows, load_templates, make_new
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Split

SEED = 20240613
SIZES: dict[Split, int] = {"train": 600, "validation": 150, "test": 150}
# Of a hundred orders so many are lists, with at least LONG words.
LISTS_PERCENT = 4
LONG = 80
# How often a person or a city of the test split has a name that no other split has.
UNSEEN_RATE = 0.4

_Shape = Callable[[dict[str, Any], random.Random], str]
"""Gives the wording of an order."""


def order_rows() -> Rows:
    """Make the splits; rows have tokens and as many tags."""
    rng = random.Random(SEED)
    templates = load_templates("orders.toml")
    seen: set[str] = set()
    rows: Rows = {}
    for split, size in SIZES.items():
        unseen = UNSEEN_RATE if split == "test" else 0.0
        num_lists = size * LISTS_PERCENT // 100
        shapes = [_list] * num_lists + [_sentence] * (size - num_lists)
        rng.shuffle(shapes)
        rows[split] = [make_new(partial(_row, shape, templates, unseen, rng), seen) for shape in shapes]
    return rows


def _sentence(templates: dict[str, Any], rng: random.Random) -> str:
    return rng.choice(templates["sentences"]["wordings"])


def _list(templates: dict[str, Any], rng: random.Random) -> str:
    """A wording of many items, each of them of more words once its slots are filled."""
    wording = "We would like to order"
    while len(wording.split()) < LONG:
        wording += f" {rng.choice(templates['items']['wordings'])} ;"
    return f"{wording} and that is all ."


def _row(shape: _Shape, templates: dict[str, Any], unseen: float, rng: random.Random) -> tuple[str, Fields]:
    tagged = [pair for word in shape(templates, rng).split() for pair in _tagged(word, templates, unseen, rng)]
    tokens, tags = [token for token, _ in tagged], [tag for _, tag in tagged]
    return " ".join(tokens), {"tokens": tokens, "tags": tags}


def _tagged(word: str, templates: dict[str, Any], unseen: float, rng: random.Random) -> Iterator[tuple[str, str]]:
    """A word of a wording, or what fills a slot, with tags."""
    slot = SLOT.fullmatch(word)
    if slot is None:
        yield word, "O"
        return
    kind = slot[1].removeprefix("other_")
    for place, token in enumerate(_name(kind, templates, unseen, rng).split()):
        yield token, f"{'I' if place else 'B'}-{kind.upper()}"


def _name(kind: str, templates: dict[str, Any], unseen: float, rng: random.Random) -> str:
    is_new = rng.random() < unseen
    new = templates["unseen"]
    if kind != "person":
        return rng.choice(new[kind] if is_new and kind in new else templates["slots"][kind])
    first, last = (new["first"], new["last"]) if is_new else (templates["first"]["names"], templates["last"]["names"])
    return rng.choice(first) + (f" {rng.choice(last)}" if rng.random() < 0.6 else "")
