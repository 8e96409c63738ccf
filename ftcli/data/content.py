"""What a prepared row says, whatever its task: its texts, its answer, and what it counts as where rows are dealt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import cast

import orjson

from ftcli.data.readers import label_text
from ftcli.spec.card import Columns

OUTSIDE = "O"
ENTITY_STARTS = ("B", "S")


@dataclass(frozen=True, slots=True)
class Content:
    """One row. `answer` is None where it has none; `entities` are the types of those a tagged row holds.

    `has_many` tells that an answer is made up of any number of labels or types.
    """

    texts: tuple[str, ...]
    answer: str | float | None
    num_words: int = 0
    entities: tuple[str, ...] = ()
    has_many: bool = False

    @property
    def bare_texts(self) -> tuple[str, ...]:
        """The texts without the blanks around them."""
        return tuple([text.strip() for text in self.texts])

    @property
    def stratum(self) -> str | float:
        """What is kept in equal shares where rows are dealt: the answer, or of a tagged row its entities' types."""
        if self.num_words:
            return " ".join(sorted(set(self.entities)))
        return self.answer if self.answer is not None else ""


def content_of(fields: Mapping[str, object], columns: Columns, *, task: str) -> Content:
    """Read a row as it stands in a prepared folder."""
    value = fields.get(columns.label or "")
    if task == "tagging":
        words = cast("Sequence[str]", fields[columns.text])
        tags = cast("Sequence[str]", value or ())
        answer = " ".join(tags) if value is not None else None
        return Content((" ".join(words),), answer, len(words), tuple(_entities(tags)), has_many=True)
    texts = tuple(str(fields[column]) for column in columns.texts)
    if value is None:
        return Content(texts, None)
    if task == "regression":
        return Content(texts, float(cast("float", value)))
    if isinstance(value, list):
        return Content(texts, orjson.dumps(value).decode(), has_many=True)
    return Content(texts, label_text(value))


def _entities(tags: Sequence[str]) -> Iterable[str]:
    """The type of each entity of a well-formed sequence: it begins with B or S, or, in IOB1, after another type."""
    before = OUTSIDE
    for tag in tags:
        prefix, _, kind = tag.partition("-")
        if prefix in ENTITY_STARTS or (prefix == "I" and before.partition("-")[2] != kind):
            yield kind
        before = tag


def hash_texts(texts: Sequence[str]) -> int:
    """Return 64 bits of a hash of some texts, signed as SQLite keeps them."""
    contents = [text.encode(errors="surrogatepass") for text in texts]
    # The length keeps ("ab", "c") apart from ("a", "bc").
    marked = b"".join([b"%d:%b" % (len(content), content) for content in contents])
    return int.from_bytes(blake2b(marked, digest_size=8).digest(), "big", signed=True)
