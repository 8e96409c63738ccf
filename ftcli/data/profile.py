"""What a data set looks like: labels, lengths, and rows that stand in it more than once.

Memory is bounded whatever the number of rows: lengths are counted in a histogram, and repeated rows are found by
8-byte hashes in an SQLite file on disk. That a million rows yield one false repeat has a chance below 1 in 30 million.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self, cast

from pydantic import Field

from ftcli.data.content import hash_texts
from ftcli.data.findings import Finding, worst_first
from ftcli.spec.base import Section
from ftcli.spec.card import SPLITS, Split

PENDING_ROWS = 5000


class Lengths(Section):
    """Percentiles of the rows' lengths (nearest rank), both texts of a pair added up."""

    unit: str
    p50: int
    p90: int
    p95: int
    p99: int
    max: int


class TokenLengths(Lengths):
    """Lengths in tokens, and the number of rows that are longer than `max_length`."""

    max_length: int
    cut: int


class Overlap(Section):
    """Rows of a split that stand in another one too: as they are, or else with the two texts swapped."""

    same: int
    swapped: int


class SplitProfile(Section):
    """One split. `duplicates` counts the rows whose texts stand further up in it already.

    `words` and `entities`, which are counted by type, are those of tagged rows.
    """

    rows: int
    labelled: int
    label_counts: dict[str, int]
    majority_label: str | None
    majority_share: float | None
    lengths: Lengths
    tokens: TokenLengths | None = None
    duplicates: int
    overlap: dict[Split, Overlap]
    words: int = 0
    entities: dict[str, int] = Field(default_factory=dict[str, int])

    @property
    def label_shares(self) -> dict[str, float]:
        """Each label's share of all labels."""
        total = max(sum(self.label_counts.values()), 1)
        return {label: count / total for label, count in self.label_counts.items()}


class Profile(Section):
    """The content of `report.json`.

    `recipe_findings` are those of the recipe that the data was last prepared for; `tokenizer` is the fingerprint of its
    tokenizer.
    """

    name: str
    splits: dict[Split, SplitProfile]
    findings: Annotated[tuple[Finding, ...], Field(strict=False)] = ()
    recipe_findings: Annotated[tuple[Finding, ...], Field(strict=False)] = ()
    tokenizer: str | None = None

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Every finding, warnings first."""
        return worst_first((*self.findings, *self.recipe_findings))


def measure_lengths(histogram: Mapping[int, int], *, unit: str) -> Lengths:
    """Return the percentiles of a histogram of lengths; all zero where it is empty."""
    p50, p90, p95, p99, longest = percentiles(histogram, shares=(0.5, 0.9, 0.95, 0.99, 1.0))
    return Lengths(unit=unit, p50=p50, p90=p90, p95=p95, p99=p99, max=longest)


def percentiles(histogram: Mapping[int, int], *, shares: tuple[float, ...]) -> list[int]:
    """For each share, return the least length that at least that share of the rows doesn't exceed."""
    lengths = sorted(length for length, count in histogram.items() if count)
    total = sum(histogram.values())
    found: list[int] = []
    for share in shares:
        rank, seen = math.ceil(share * total), 0
        for length in lengths:
            seen += histogram[length]
            if seen >= rank:
                found.append(length)
                break
        else:
            found.append(0)
    return found


def with_token_lengths(
    profile: Profile, *, lengths: Mapping[Split, Mapping[int, int] | Iterable[int]], max_length: int
) -> Profile:
    """Add lengths in tokens, uncut and special tokens included, to the splits that `lengths` has.

    Args:
        profile: The profile to add to; it stays as it is.
        lengths: Per split a histogram (length to number of rows) or each row's length.
        max_length: The most tokens a row keeps.
    """
    splits = dict(profile.splits)
    for split, given in lengths.items():
        histogram = cast("Mapping[int, int]", given) if isinstance(given, Mapping) else Counter(given)
        plain = measure_lengths(histogram, unit="tokens")
        cut = sum(count for length, count in histogram.items() if length > max_length)
        tokens = TokenLengths(**plain.model_dump(), max_length=max_length, cut=cut)
        splits[split] = splits[split].model_copy(update={"tokens": tokens})
    return profile.model_copy(update={"splits": splits})


class Profiler:
    """Counts rows as they pass. A context manager: its SQLite file is there only while it is open."""

    def __init__(self, scratch: Path) -> None:
        """Keep the hashes in a new file at `scratch`."""
        self._scratch = scratch
        self._splits: dict[Split, _SplitCount] = {}
        self._pending: list[tuple[Split, int, int | None]] = []
        self._database = sqlite3.connect(scratch, isolation_level=None)
        # The file is thrown away, so nothing is done to have it survive a crash.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (split TEXT, hash INTEGER, swapped INTEGER)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._scratch.unlink(missing_ok=True)

    def add(
        self, split: Split, *, texts: tuple[str, ...], labels: Sequence[str] | None, num_words: int | None = None
    ) -> None:
        """Count one row; `labels` is None where it isn't labelled. Rows of words are as long as their number."""
        count = self._splits.setdefault(split, _SplitCount())
        count.lengths[sum(map(len, texts)) if num_words is None else num_words] += 1
        count.unit = "characters" if num_words is None else "words"
        if labels is not None:
            count.labelled += 1
            count.labels.update(labels)
        stripped = tuple(text.strip() for text in texts)
        swapped = stripped[::-1]
        self._pending.append((split, hash_texts(stripped), None if swapped == stripped else hash_texts(swapped)))
        if len(self._pending) >= PENDING_ROWS:
            self._flush()

    def label_counts(self, split: Split) -> dict[str, int]:
        """How often each label comes up in a split, as far as its rows have passed."""
        return dict(self._splits.get(split, _SplitCount()).labels)

    def finish(self, name: str, *, labels: tuple[str, ...], one_each: bool = True) -> Profile:
        """Return the profile of the rows that have passed; labels without a row count 0.

        Only where rows have `one_each` is there a label that most of them have.
        """
        self._flush()
        self._database.execute("CREATE INDEX seen_by_hash ON seen (split, hash)")
        splits = sorted(self._splits, key=SPLITS.index)
        return Profile(name=name, splits={split: self._profile(split, labels, one_each=one_each) for split in splits})

    def _profile(self, split: Split, labels: tuple[str, ...], *, one_each: bool) -> SplitProfile:
        count = self._splits[split]
        counts = {label: count.labels[label] for label in labels} if count.labelled else {}
        majority = max(counts, key=lambda label: counts[label]) if counts and one_each else None
        distinct = self._number("SELECT COUNT(DISTINCT hash) FROM seen WHERE split = ?", split)
        rows = sum(count.lengths.values())
        return SplitProfile(
            rows=rows,
            labelled=count.labelled,
            label_counts=counts,
            majority_label=majority,
            majority_share=None if majority is None else counts[majority] / count.labelled,
            lengths=measure_lengths(count.lengths, unit=count.unit),
            duplicates=rows - distinct,
            overlap={other: self._overlap(split, other) for other in self._splits if other != split},
        )

    def _overlap(self, split: Split, other: Split) -> Overlap:
        there = "EXISTS (SELECT 1 FROM seen there WHERE there.split = ? AND there.hash = here.{})"
        of_split = "SELECT COUNT(*) FROM seen here WHERE here.split = ? AND "
        same, swapped = there.format("hash"), there.format("swapped")
        return Overlap(
            same=self._number(of_split + same, split, other),
            swapped=self._number(f"{of_split} {swapped} AND NOT {same}", split, other, other),
        )

    def _flush(self) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO seen VALUES (?, ?, ?)", self._pending)
        self._database.execute("COMMIT")
        self._pending.clear()

    def _number(self, query: str, *values: str) -> int:
        with closing(self._database.execute(query, values)) as cursor:
            return int(cursor.fetchone()[0])


class _SplitCount:
    def __init__(self) -> None:
        self.labelled = 0
        self.unit = "characters"
        self.lengths: Counter[int] = Counter()
        self.labels: Counter[str] = Counter()
