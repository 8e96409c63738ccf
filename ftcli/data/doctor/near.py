"""Rows that say nearly the same: alike but for case, width, punctuation and blanks, or in nine of ten 3-grams.

A row is the set of its texts' character 3-grams; of a pair each text must be near, so that a long one that is shared
does not make up for a short one that is not. A text with fewer than 19 of them has to have all. Two sets whose Jaccard
similarity is at least 0.9 must share one of their few rarest 3-grams, so only rows that do are compared, and each pair
found is verified. None is missed unless these 3-grams are among the rarest of very many rows, which is said. Sets lie
in an SQLite file; how often a 3-gram occurs is counted in a table of fixed size.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from zlib import crc32

from ftcli.runtime.activity import Activity, Working

LEAST_SIMILARITY = 0.9
GRAM = 3
MOST_CANDIDATES = 3_000_000
ROWS_PER_ACTIVITY = 2000
MOST_SHARING = 500
"""Rows that one of their rarest 3-grams may lead to; one that more rows have leads to none."""
MEANING = (
    f"Near are texts that share {LEAST_SIMILARITY:.0%} of their 3-letter pieces, or differ only in case,"
    " punctuation and blanks"
)
_BUCKETS = 1 << 20
_DROPPED = ("P", "Z", "C")
_TELLING = "#%&*@/\\"
_IN_NUMBERS = re.compile(r"(?<=\d)[.,:-](?=\d)|(?<!\w)-(?=\d)")
_MARK = "¦"
_BYTES = 4  # of a character in UTF-32, in which all are equally wide

# The overlap that two sets need, and how much of it is still possible where both have their first common 3-gram here.
# A cross join keeps the order: the sets' own, so that all candidates of a set come one behind the other.
_CANDIDATES = """
SELECT here.row, here.is_swapped, there.row, there.split FROM grams here CROSS JOIN grams there
ON there.value = here.value AND there.split < here.split AND NOT there.is_swapped
AND there.size >= here.size * :least - 1e-6 AND there.size <= here.size / :least + 1e-6
AND 1 + MIN(here.size - here.place, there.size - there.place)
    >= (here.size + there.size) * :least / (1 + :least) - 1e-6
WHERE NOT EXISTS (SELECT 1 FROM leaks WHERE leaks.row = here.row AND leaks.other_split = there.split)
LIMIT :most
"""


class _Kept(dict[int, "str | None"]):
    """For `str.translate`: drops blanks, control characters, and punctuation that tells nothing."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        is_kept = char in _TELLING or unicodedata.category(char)[0] not in _DROPPED
        self[code] = char if is_kept else None
        return self[code]


_KEPT = _Kept()


def plain(text: str) -> str:
    """Return a text without what differs between two spellings of it; one that is nothing else stays as it is.

    A sign or a point that makes another number is kept: 1.5 is not 15.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _IN_NUMBERS.sub(_MARK, folded).translate(_KEPT) or text.strip()


def grams(texts: Sequence[str]) -> array[int]:
    """Return the hashes of plain texts' 3-grams, sorted; those of the first are even, those of a second text odd."""
    found: set[int] = set()
    for place, text in enumerate(texts):
        content = text.encode("utf-32-le", errors="surrogatepass")
        last = max(len(content) - (GRAM - 1) * _BYTES, _BYTES)
        values = map(crc32, [content[start : start + GRAM * _BYTES] for start in range(0, last, _BYTES)])
        found.update([value & ~1 | place for value in values])
    return array("I", sorted(found))


def similarity(one: array[int], other: array[int]) -> float:
    """Return the Jaccard similarity of two rows' sets: that of the texts that are the less alike."""
    common, every = {*one} & {*other}, {*one} | {*other}
    first, first_common = _even(every), _even(common)
    sides = ((first_common, first), (len(common) - first_common, len(every) - first))
    return min(shared / total for shared, total in sides if total)


def _even(values: Iterable[int]) -> int:
    return sum(not value & 1 for value in values)


class NearSearch:
    """Finds near rows of other splits, on a database that has the table `leaks` of those found already."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Keep the sets in new tables of `database`."""
        self._database = database
        self._counts = array("I", bytes(_BYTES * _BUCKETS))
        self._pending: list[tuple[int, int, bool, bytes]] = []
        self.num_sets = 0
        self.is_cut = False
        database.execute("CREATE TABLE sets (row INTEGER, split INTEGER, is_swapped INTEGER, content BLOB)")
        database.execute(
            "CREATE TABLE grams (value INTEGER, row INTEGER, split INTEGER, is_swapped INTEGER,"
            " size INTEGER, place INTEGER)"
        )

    def add(self, row: int, split: int, texts: Sequence[str]) -> None:
        """Take a row's plain texts. Those of later splits are looked for the other way round as well."""
        self._put(row, split, grams(texts), is_swapped=False)
        if split and len(texts) == 2:
            self._put(row, split, grams(texts[::-1]), is_swapped=True)

    def search(self) -> Working[list[tuple[int, int, int, bool]]]:
        """Return row, other split, other row, and whether the texts are swapped, once a row and other split."""
        self._flush()
        yield from self._index()
        found: dict[tuple[int, int], tuple[int, int, int, bool]] = {}
        compared: set[int] = set()
        current, number, content = (-1, 0), -1, array("I")
        for number, (row, is_swapped, other, split) in enumerate(self._candidates()):
            if number % ROWS_PER_ACTIVITY == 0:
                yield Activity("compare near rows", number)
            if (row, is_swapped) != current:
                current, compared = (row, is_swapped), set[int]()
                content = self._set(row, is_swapped)
            if (row, split) in found or other in compared:
                continue
            compared.add(other)
            if similarity(content, self._set(other, 0)) >= LEAST_SIMILARITY:
                found[row, split] = (row, split, other, bool(is_swapped))
        self.is_cut |= number + 1 >= MOST_CANDIDATES
        return [*found.values()]

    def _put(self, row: int, split: int, content: array[int], *, is_swapped: bool) -> None:
        counts = self._counts
        for value in content:
            counts[value % _BUCKETS] += 1
        self.num_sets += 1
        self._pending.append((row, split, is_swapped, content.tobytes()))
        if len(self._pending) >= ROWS_PER_ACTIVITY:
            self._flush()

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO sets VALUES (?, ?, ?, ?)", self._pending)
        self._pending.clear()

    def _index(self) -> Working[None]:
        """Write down each set's rarest 3-grams, as many as one of them must be shared by a near set."""
        with closing(self._database.execute("SELECT row, split, is_swapped, content FROM sets")) as every:
            done = 0
            while chunk := every.fetchmany(ROWS_PER_ACTIVITY):
                yield Activity("look for near rows", done, self.num_sets)
                found = [entry for row in chunk for entry in self._entries(*row)]
                self._database.executemany("INSERT INTO grams VALUES (?, ?, ?, ?, ?, ?)", found)
                done += len(chunk)
        common = "(SELECT value FROM grams GROUP BY value HAVING COUNT(*) > ?)"
        cut = self._database.execute(f"DELETE FROM grams WHERE value IN {common}", (MOST_SHARING,))
        self.is_cut = cut.rowcount > 0
        self._database.execute("CREATE INDEX grams_by_value ON grams (value, split)")
        self._database.execute("CREATE INDEX sets_by_row ON sets (row, is_swapped)")

    def _entries(self, row: int, split: int, is_swapped: int, content: bytes) -> list[tuple[int, ...]]:
        counts, values = self._counts, array("I", content)
        size = len(values)
        rarest = sorted([counts[value % _BUCKETS] << 32 | value for value in values])
        first = enumerate(rarest[: size - _least_overlap(size) + 1], start=1)
        return [(key & 0xFFFFFFFF, row, split, is_swapped, size, place) for place, key in first]

    def _candidates(self) -> Iterator[tuple[int, int, int, int]]:
        with closing(
            self._database.execute(_CANDIDATES, {"least": LEAST_SIMILARITY, "most": MOST_CANDIDATES})
        ) as found:
            yield from found

    def _set(self, row: int, is_swapped: int) -> array[int]:
        query = "SELECT content FROM sets WHERE row = ? AND is_swapped = ?"
        return array("I", self._database.execute(query, (row, is_swapped)).fetchone()[0])


def _least_overlap(size: int) -> int:
    """How many members of a set any near one has as well."""
    return max(1, -(-size * round(LEAST_SIMILARITY * 10) // 10))
