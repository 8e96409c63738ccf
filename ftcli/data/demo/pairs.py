"""`demo`: pairs of questions made from templates; do they ask the same?

Sharing words must not give the answer away, or a data set this small would teach nothing about a model. So two
questions that ask the same are worded differently, and many that don't differ in a word or two only.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, cast

from ftcli.data.demo.templates import SLOT, Rows, dealt, filled, load_templates, pick
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Split

SEED = 20240229
SIZES: dict[Split, int] = {"train": 2400, "validation": 400, "test": 400}

Kind = Literal["same", "sibling", "crossed", "value", "stranger"]
# Of a hundred pairs, how many are of each kind; all but the first are labelled "different".
PERCENT: dict[Kind, int] = {"same": 40, "sibling": 16, "crossed": 18, "value": 8, "stranger": 18}


@dataclass(frozen=True, slots=True)
class _Intent:
    """Something people ask for, and how they word it; siblings word their own in the same ways."""

    family: str
    name: str
    wordings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Templates:
    intents: tuple[_Intent, ...]
    slots: dict[str, list[str]]

    @property
    def with_slots(self) -> list[_Intent]:
        return [intent for intent in self.intents if SLOT.search(intent.wordings[0])]

    def siblings(self, intent: _Intent) -> list[_Intent]:
        return [other for other in self.intents if other.family == intent.family and other.name != intent.name]

    def strangers(self, intent: _Intent) -> list[_Intent]:
        return [other for other in self.intents if other.family != intent.family]


def pair_rows() -> Rows:
    """Make the splits; rows have question1, question2 and label (same, different).

    No pair stands in two places, not even the other way round.
    """
    rng = random.Random(SEED)
    templates = _load()
    rows: Rows = {split: [] for split in SIZES}
    seen: set[frozenset[str]] = set()
    counts: dict[Split, dict[Kind, int]] = {split: dealt(size, PERCENT) for split, size in SIZES.items()}
    for kind in PERCENT:
        total = sum(count[kind] for count in counts.values())
        made = [_row(kind, _new_pair(templates, kind, seen, rng)) for _ in range(total)]
        # The last pairs of a kind were the hardest to find new; shuffled, they are not all in one split.
        rng.shuffle(made)
        for split, count in counts.items():
            rows[split] += [made.pop() for _ in range(count[kind])]
    for members in rows.values():
        rng.shuffle(members)
    return rows


def _load() -> _Templates:
    content = load_templates("pairs.toml")
    families = cast("dict[str, dict[str, list[str]]]", content["families"])
    intents = [
        _Intent(family, name, tuple(wordings))
        for family, members in families.items()
        for name, wordings in members.items()
    ]
    return _Templates(tuple(intents), cast("dict[str, list[str]]", content["slots"]))


def _row(kind: Kind, pair: tuple[str, str]) -> Fields:
    return {"question1": pair[0], "question2": pair[1], "label": "same" if kind == "same" else "different"}


def _new_pair(templates: _Templates, kind: Kind, seen: set[frozenset[str]], rng: random.Random) -> tuple[str, str]:
    while True:
        first, second = _questions(templates, kind, rng)
        if (pair := frozenset((first, second))) not in seen:
            seen.add(pair)
            return (first, second) if rng.random() < 0.5 else (second, first)


def _questions(templates: _Templates, kind: Kind, rng: random.Random) -> tuple[str, str]:
    intent = rng.choice(templates.intents if kind != "value" else templates.with_slots)
    values = pick(templates.slots, rng)
    wording = rng.randrange(len(intent.wordings))
    match kind:
        case "same":
            return _phrase(intent, wording, values), _phrase(intent, _other(intent, wording, rng), values)
        case "sibling":
            other = rng.choice(templates.siblings(intent))
            return _phrase(intent, wording, values), _phrase(other, wording, values)
        case "crossed":
            other = rng.choice(templates.siblings(intent))
            return _phrase(intent, wording, values), _phrase(other, _other(other, wording, rng), values)
        case "value":
            changed = _changed(intent, values, templates, rng)
            return _phrase(intent, wording, values), _phrase(intent, _other(intent, wording, rng), changed)
        case "stranger":
            other = rng.choice(templates.strangers(intent))
            return _phrase(intent, wording, values), _phrase(other, _other(other, -1, rng), values)


def _other(intent: _Intent, wording: int, rng: random.Random) -> int:
    return rng.choice([number for number in range(len(intent.wordings)) if number != wording])


def _changed(intent: _Intent, values: dict[str, str], templates: _Templates, rng: random.Random) -> dict[str, str]:
    """Give one slot of the intent another value."""
    slot = rng.choice(SLOT.findall(intent.wordings[0]))
    return values | {slot: rng.choice([value for value in templates.slots[slot] if value != values[slot]])}


def _phrase(intent: _Intent, wording: int, values: dict[str, str]) -> str:
    return filled(intent.wordings[wording], values)
