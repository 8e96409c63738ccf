"""What near means: texts that are alike but for case, width, punctuation and blanks, or in nine of ten 3-grams.

A row is the set of its texts' character 3-grams; of a pair each text must be near, so that a long one that is shared
does not make up for a short one that is not. A text with fewer than 19 of them has to have all.

Many rows are done at once, in numpy's arrays: it is there wherever torch and transformers are, and needs a tenth of the
time that torch takes to load.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEAST_SIMILARITY = 0.9
GRAM = 3
MEANING = (
    f"Near are texts that share {LEAST_SIMILARITY:.0%} of their 3-letter pieces, or differ only in case,"
    " punctuation and blanks"
)
_DROPPED = ("P", "Z", "C")
_TELLING = "#%&*@/\\"
_IN_NUMBERS = re.compile(r"(?<=\d)[.,:-](?=\d)|(?<!\w)-(?=\d)")
_MARK = "¦"
_BETWEEN = "\n"
_CODES = 0x110000
_CODE_BITS = 21
_ROW_BITS = 32
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
_KEPT, _LEFT_OUT = 1, 2
_kinds = np.zeros(_CODES, dtype=np.uint8)  # of each character, 0 as long as it hasn't come up

Values = NDArray[np.uint32]
Numbers = NDArray[np.int64]


def plain(text: str) -> str:
    """Return a text without what differs between two spellings of it; one that is nothing else stays as it is.

    A sign or a point that makes another number is kept: 1.5 is not 15.
    """
    return plain_texts([text])[0]


def plain_texts(texts: Sequence[str]) -> list[str]:
    """The same of many texts: blanks, control characters, and punctuation that tells nothing are dropped."""
    # A text that is normal already, as most are, is told at once if no other stands beside it.
    folded = _BETWEEN.join([unicodedata.normalize("NFKC", text.replace(_BETWEEN, " ")) for text in texts]).casefold()
    codes = _codes(_IN_NUMBERS.sub(_MARK, folded))
    kept = codes[_kinds_of(codes) == _KEPT].tobytes().decode("utf-32-le", errors="surrogatepass")
    return [spelled or text.strip() for spelled, text in zip(kept.split(_BETWEEN), texts, strict=True)]


def _codes(text: str) -> Values:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)


def _kinds_of(codes: Values) -> NDArray[np.uint8]:
    """Which characters are kept: what parts texts is, unlike all that are of its kind."""
    for code in np.unique(codes[_kinds[codes] == 0]):
        char = chr(code)
        is_kept = char in _TELLING or char == _BETWEEN or unicodedata.category(char)[0] not in _DROPPED
        _kinds[code] = _KEPT if is_kept else _LEFT_OUT
    return _kinds[codes]


def grams(texts: Sequence[str]) -> Values:
    """Return the hashes of plain texts' 3-grams, sorted; those of the first are even, those of a second text odd."""
    return gram_sets([texts])[0]


def gram_sets(rows: Sequence[Sequence[str]]) -> tuple[Values, Numbers]:
    """The same of many rows, which have equally many texts: row by row, and how many of each [rows]."""
    texts = [text for row in rows for text in row]
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    # A text shorter than a 3-gram is one with what follows it here, which is in no text: characters count from 1.
    codes = np.zeros(int(lengths.sum()) + GRAM * len(texts), dtype=np.uint64)
    starts = np.cumsum(lengths + GRAM) - lengths - GRAM
    codes[ragged(starts, lengths)] = _codes("".join(texts)).astype(np.uint64) + np.uint64(1)
    counts = np.maximum(lengths - GRAM + 1, 1)
    places = ragged(starts, counts)
    numbers = np.repeat(np.arange(len(texts)), counts)
    each = len(rows[0])
    values = _hashed(codes, places) & np.uint64(0xFFFFFFFE) | (numbers % each).astype(np.uint64)
    keys = (numbers // each).astype(np.uint64) << np.uint64(_ROW_BITS) | values
    keys.sort()
    keys = keys[np.diff(keys, prepend=keys[0] + np.uint64(1)) != 0]  # np.unique takes four times as long
    sizes = np.bincount((keys >> np.uint64(_ROW_BITS)).astype(np.int64), minlength=len(rows))
    return keys.astype(np.uint32), sizes


def _hashed(codes: NDArray[np.uint64], places: Numbers) -> NDArray[np.uint64]:
    """Hashes of 32 bits of the 3-grams that begin at some places, which fit into 64 bits as they are."""
    found = codes[places]
    for step in range(1, GRAM):
        found = found << np.uint64(_CODE_BITS) | codes[places + step]
    for factor in _MIX:
        found = (found ^ found >> np.uint64(_ROW_BITS)) * np.uint64(factor)
    return found >> np.uint64(_ROW_BITS)


def ragged(starts: Numbers, counts: Numbers) -> Numbers:
    """The numbers from each start on, so many as are asked for of each, one run behind the other."""
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - ends + counts, counts)


def similarity(one: Values, other: Values) -> float:
    """Return the Jaccard similarity of two rows' sets: that of the texts that are the less alike."""
    return float(similarities((one, np.array([len(one)])), (other, np.array([len(other)])))[0])


def similarities(some: tuple[Values, Numbers], others: tuple[Values, Numbers]) -> NDArray[np.float64]:
    """The same of many pairs of sets [n]: of each side the sets one behind the other, and their sizes [n]."""
    num_pairs = len(some[1])
    keys = np.concatenate(
        [
            np.repeat(np.arange(num_pairs, dtype=np.uint64) << np.uint64(_ROW_BITS), sizes) | values
            for values, sizes in (some, others)
        ]
    )
    keys.sort(kind="stable")  # which merges what is in order already
    common = _texts_of(keys[1:][keys[1:] == keys[:-1]])
    shared = np.bincount(common, minlength=2 * num_pairs)
    every = np.bincount(_texts_of(keys), minlength=2 * num_pairs) - shared
    # Where rows have one text only, the second is as alike as can be.
    return np.where(every > 0, shared / np.maximum(every, 1), 1.0).reshape(num_pairs, 2).min(axis=1)


def _texts_of(keys: NDArray[np.uint64]) -> Numbers:
    """The number of the text that each key is of: two a pair of sets."""
    return ((keys >> np.uint64(_ROW_BITS)) << np.uint64(1) | keys & np.uint64(1)).astype(np.int64)
