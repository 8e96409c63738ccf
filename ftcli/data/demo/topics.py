"""`demo-topics`: messages to a shop that touch one, two, three or no topics (multi-label)."""

from __future__ import annotations

import random
from functools import partial

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
        counts = [count for count, number in dealt(size, PERCENT).items() for _ in range(number)]
        rng.shuffle(counts)
        rows[split] = [make_new(partial(_row, templates, count, rng), "message", seen) for count in counts]
    return rows


def _row(templates: dict[str, dict[str, list[str]]], count: int, rng: random.Random) -> Fields:
    topics = sorted(rng.sample(sorted(templates["topics"]), count))
    wordings = [rng.choice(templates["topics"][topic]) for topic in topics]
    if not topics or rng.random() < NEUTRAL_RATE:
        wordings.append(rng.choice(templates["neutral"]["wordings"]))
    rng.shuffle(wordings)
    # Every sentence speaks of its own things.
    said = [filled(wording, pick(templates["slots"], rng)) for wording in wordings]
    return {"message": _message(said, templates["frame"], rng), "topics": topics}


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
