"""The generated data sets: made from templates of our own, always the same; one for each task."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import assert_never

from ftcli.data.demo.orders import order_rows
from ftcli.data.demo.pairs import pair_rows
from ftcli.data.demo.stars import star_rows
from ftcli.data.demo.templates import as_files
from ftcli.data.demo.topics import topic_rows
from ftcli.spec.card import Generator, Split


@cache
def generator_sha256() -> str:
    """The SHA-256 of all that generated rows are made by: this code and its templates."""
    content = hashlib.sha256()
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith((".py", ".toml")):
            content.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return content.hexdigest()


def demo_files(generator: Generator) -> dict[Split, bytes]:
    """Make the splits of a generated data set, each the content of a JSONL file."""
    match generator:
        case "demo":
            return as_files(pair_rows())
        case "demo-topics":
            return as_files(topic_rows())
        case "demo-stars":
            return as_files(star_rows())
        case "demo-orders":
            return as_files(order_rows())
        case _:
            assert_never(generator)
