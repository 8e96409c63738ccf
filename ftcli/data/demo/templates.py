"""What the generated data sets share: templates with slots to fill, and rows none of which stands in two places."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson

from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Split

SLOT = re.compile(r"\{(\w+)\}")

Rows = dict[Split, list[Fields]]
Key = TypeVar("Key")


def load_templates(name: str) -> dict[str, Any]:
    """Read a TOML file that lies beside this module."""
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def filled(wording: str, values: Mapping[str, str]) -> str:
    """Put the values into the wording's slots."""
    return SLOT.sub(lambda slot: values[slot[1]], wording)


def pick(slots: Mapping[str, Sequence[str]], rng: random.Random) -> dict[str, str]:
    """Choose one value for every slot."""
    return {slot: rng.choice(choices) for slot, choices in slots.items()}


def dealt(total: int, percent: Mapping[Key, int]) -> dict[Key, int]:
    """How many of `total` rows are of each kind."""
    return {kind: total * share // 100 for kind, share in percent.items()}


def make_new(make: Callable[[], tuple[str, Fields]], seen: set[str]) -> Fields:
    """Make rows, each with what it says, until one says what was not seen before."""
    while True:
        said, row = make()
        if said not in seen:
            seen.add(said)
            return row


def as_files(rows: Rows) -> dict[Split, bytes]:
    """The splits as the content of JSONL files."""
    return {
        split: b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in made)
        for split, made in rows.items()
    }
