"""`demo-stars`: short reviews of products and how many stars they are worth (regression)."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from ftcli.data.demo.templates import Rows, filled, load_templates, make_new, pick
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Split

SEED = 20240611
SIZES: dict[Split, int] = {"train": 800, "validation": 200, "test": 200}
LOWEST, MIDDLE, HIGHEST = 1.0, 3.0, 5.0
# People don't give the same stars for the same words: what is added to what the words say.
NOISE = (-0.2, -0.1, 0.0, 0.1, 0.2)


def star_rows() -> Rows:
    """Make the splits; rows have a review and its score, from 1.0 to 5.0 in steps of 0.1."""
    rng = random.Random(SEED)
    templates = load_templates("stars.toml")
    seen: set[str] = set()
    make = partial(_row, templates, rng)
    return {split: [make_new(make, seen) for _ in range(size)] for split, size in SIZES.items()}


def _row(templates: dict[str, Any], rng: random.Random) -> tuple[str, Fields]:
    opening, ending = rng.choice([*templates["openings"]]), rng.choice([*templates["endings"]])
    score = MIDDLE + templates["openings"][opening] + templates["endings"][ending] + rng.choice(NOISE)
    opinions: list[str] = []
    for aspect in rng.sample(sorted(templates["aspects"]), rng.randint(1, 3)):
        subject = rng.choice(templates["aspects"][aspect])
        degree, adjective = rng.choice([*templates["degrees"]]), rng.choice([*templates["adjectives"]])
        opinions.append(f"{subject} {filled(degree, {'adjective': adjective})}")
        score += templates["degrees"][degree] * templates["adjectives"][adjective]
    said = ", ".join(opinions)
    review = f"{filled(opening, pick(templates['slots'], rng))} {said[0].upper()}{said[1:]}. {ending}"
    return review, {"review": review, "score": round(min(max(score, LOWEST), HIGHEST), 1)}
