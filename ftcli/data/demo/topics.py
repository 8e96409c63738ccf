"""`demo-topics`: messages to a shop that touch one, two, three or no topics (multi-label)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from itertools import combinations, cycle, islice

from ftcli.data.demo.templates import Rows, dealt, filled, load_templates, make_new, pick
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Split

SEED = 20240607
SIZES: dict[Split, int] = {"train": 800, "validation": 200, "test": 200}
# Of a hundred messages, how many touch so many topics.
PERCENT = {0: 15, 1: 40, 2: 30, 3: 15}
# How often a message also says something that touches none.
NEUTRAL_RATE = 0.3


def topic_rows() -> Rows:
    """Make the splits; rows have a message and the list of its topics, in the order of their names."""
    rng = random.Random(SEED)
    templates = load_templates("topics.toml")
    seen: set[str] = set()
    rows: Rows = {}
    for split, size in SIZES.items():
        chosen = list(_topics(sorted(templates["topics"]), size))
        rng.shuffle(chosen)
        rows[split] = [make_new(partial(_row, templates, topics, rng), seen) for topics in chosen]
    return rows


def _topics(names: list[str], size: int) -> Iterator[list[str]]:
    """The topics of each message: of as many the sets take turns, so that no topic is rare."""
    for count, number in dealt(size, PERCENT).items():
        sets = cycle(combinations(names, count))
        yield from (list(topics) for topics in islice(sets, number))


def _row(templates: dict[str, dict[str, list[str]]], topics: list[str], rng: random.Random) -> tuple[str, Fields]:
    num_neutral = int(rng.random() < NEUTRAL_RATE) if topics else rng.randint(1, 2)
    wordings = [rng.choice(templates["topics"][topic]) for topic in topics]
    wordings += rng.sample(templates["neutral"]["wordings"], num_neutral)
    rng.shuffle(wordings)
    # Every sentence speaks of its own things.
    said = [filled(wording, pick(templates["slots"], rng)) for wording in wordings]
    return " ".join(sorted(said)), {"message": _message(said, templates["frame"], rng), "topics": topics}


def _message(said: list[str], frame: dict[str, list[str]], rng: random.Random) -> str:
    text = said[0]
    for sentence in said[1:]:
        joint = rng.choice(frame["joints"])
        text += joint + (_capital(sentence) if joint.endswith(". ") else sentence)
    opening, closing = rng.choice(frame["openings"]), rng.choice(frame["closings"])
    whole = f"{opening} {text}." if opening else f"{_capital(text)}."
    return f"{whole} {closing}".strip()


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
