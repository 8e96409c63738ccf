"""What holds for every generated data set."""

from __future__ import annotations

from hashlib import sha256
from typing import get_args

import orjson
import pytest

from ftcli.data.catalog import builtin_names, load_card
from ftcli.data.demo import demo_files
from ftcli.spec.card import Generator
from tests.data.demo.making import made

GENERATORS: tuple[Generator, ...] = get_args(Generator)
# Published numbers are of these bytes: a change of them is a change of every recipe's result.
DIGESTS = {
    "demo": ("94d8639a3741b0bc", "6494e5e35a257d4e", "a0d6bc110bda5c5b"),
    "demo-topics": ("7fa5a293ada8155b", "3a7d90fb464862e1", "d424aeb2af2d3aeb"),
    "demo-stars": ("e4a8405a81d4c74a", "a911fd8d6e6352a9", "6e3b21e511acec01"),
    "demo-orders": ("efe25af7b3b49cc7", "973b1dc38d2b6152", "9770a05994d938c3"),
}


@pytest.mark.parametrize("generator", GENERATORS)
def test_it_is_the_same_every_time(generator: Generator) -> None:
    files = demo_files(generator)
    assert list(files) == ["train", "validation", "test"]
    assert tuple(sha256(content).hexdigest()[:16] for content in files.values()) == DIGESTS[generator]


@pytest.mark.parametrize("generator", GENERATORS)
def test_no_text_stands_in_two_places_and_every_slot_is_filled(generator: Generator) -> None:
    columns = load_card(generator).columns
    texts = [orjson.dumps([row[name] for name in columns.texts]) for rows in made(generator).values() for row in rows]
    assert len(set(texts)) == len(texts)
    assert not [text for text in texts if b"{" in text]


def test_every_generator_has_a_card_of_its_name() -> None:
    assert {name for name in builtin_names() if load_card(name).generator == name} == set(GENERATORS)
