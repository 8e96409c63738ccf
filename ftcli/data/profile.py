"""What a data set looks like: labels or numbers, lengths, and rows that stand in it more than once.

Memory is bounded whatever the number of rows: lengths are counted in a histogram, numbers as they pass.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, cast

from pydantic import Field

from ftcli.data.findings import Finding, worst_first
from ftcli.spec.base import Section
from ftcli.spec.card import Split, in_order


class Lengths(Section):
    """Percentiles of the rows' lengths (nearest rank), both texts of a pair added up."""

    unit: str
    p50: int
    p90: int
    p95: int
    p99: int
    max: int


class TokenLengths(Lengths):
    """Lengths in tokens, and the number of rows that are longer than `max_length`.

    `unknown` of the texts' `pieces` are not in the tokenizer's vocabulary.
    """

    max_length: int
    cut: int
    unknown: int = 0
    pieces: int = 0

    @property
    def unknown_share(self) -> float:
        """The share of pieces that the tokenizer doesn't know."""
        return self.unknown / max(self.pieces, 1)


class Numbers(Section):
    """The numbers that are to be told, and the mean squared error of always answering the mean of train's."""

    min: float
    mean: float
    max: float
    baseline_mse: float


class Overlap(Section):
    """Rows of a split that stand in another one too: as they are, or else with the two texts swapped."""

    same: int
    swapped: int


class SplitProfile(Section):
    """One split. `duplicates` counts the rows whose texts stand further up in it already.

    `words` and `entities`, which are counted by type, are those of tagged rows; `numbers` those of regression.
    """

    rows: int
    labelled: int
    label_counts: dict[str, int]
    majority_label: str | None
    majority_share: float | None
    lengths: Lengths
    tokens: TokenLengths | None = None
    duplicates: int = 0
    overlap: dict[Split, Overlap] = Field(default_factory=dict["Split", Overlap])
    words: int = 0
    entities: dict[str, int] = Field(default_factory=dict[str, int])
    numbers: Numbers | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How often each label comes up, or each type of entity."""
        return self.entities if self.words else self.label_counts

    @property
    def shares(self) -> dict[str, float]:
        """The share of labelled rows that have each label, or of entities that are of each type."""
        total = max(sum(self.entities.values()) if self.words else self.labelled, 1)
        return {label: count / total for label, count in self.counts.items()}


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
    profile: Profile,
    *,
    lengths: Mapping[Split, Mapping[int, int] | Iterable[int]],
    max_length: int,
    unknown: Mapping[Split, tuple[int, int]] | None = None,
) -> Profile:
    """Add lengths in tokens, uncut and special tokens included, to the splits that `lengths` has.

    Args:
        profile: The profile to add to; it stays as it is.
        lengths: Per split a histogram (length to number of rows) or each row's length.
        max_length: The most tokens a row keeps.
        unknown: Per split the pieces that the tokenizer doesn't know, and all of them.
    """
    splits = dict(profile.splits)
    for split, given in lengths.items():
        histogram = cast("Mapping[int, int]", given) if isinstance(given, Mapping) else Counter(given)
        plain = measure_lengths(histogram, unit="tokens")
        cut = sum(count for length, count in histogram.items() if length > max_length)
        few, pieces = (unknown or {}).get(split, (0, 0))
        tokens = TokenLengths(**plain.model_dump(), max_length=max_length, cut=cut, unknown=few, pieces=pieces)
        splits[split] = splits[split].model_copy(update={"tokens": tokens})
    return profile.model_copy(update={"splits": splits})


class Profiler:
    """Counts rows as they pass."""

    def __init__(self) -> None:
        self._splits: dict[Split, _SplitCount] = {}

    def add(
        self,
        split: Split,
        *,
        texts: tuple[str, ...],
        labels: Sequence[str] | None,
        num_words: int | None = None,
        number: float | None = None,
    ) -> None:
        """Count one row; `labels` is None where it isn't labelled. Rows of words are as long as their number."""
        count = self._splits.get(split) or self._splits.setdefault(split, _SplitCount())
        count.lengths[sum(map(len, texts)) if num_words is None else num_words] += 1
        count.unit = "characters" if num_words is None else "words"
        if labels is not None:
            count.labelled += 1
            for label in labels:
                count.labels[label] += 1
        if number is not None:
            count.add_number(number)

    def label_counts(self, split: Split) -> dict[str, int]:
        """How often each label comes up in a split, as far as its rows have passed."""
        return dict(self._splits.get(split, _SplitCount()).labels)

    def finish(self, name: str, *, labels: tuple[str, ...], one_each: bool = True) -> Profile:
        """Return the profile of the rows that have passed; labels without a row count 0.

        Only where rows have `one_each` is there a label that most of them have. Repeated rows are not counted here.
        """
        splits = in_order(self._splits)
        return Profile(name=name, splits={split: self._profile(split, labels, one_each=one_each) for split in splits})

    def _profile(self, split: Split, labels: tuple[str, ...], *, one_each: bool) -> SplitProfile:
        count = self._splits[split]
        counts = {label: count.labels[label] for label in labels} if count.labelled else {}
        majority = max(counts, key=lambda label: counts[label]) if counts and one_each else None
        return SplitProfile(
            rows=sum(count.lengths.values()),
            labelled=count.labelled,
            label_counts=counts,
            majority_label=majority,
            majority_share=None if majority is None else counts[majority] / count.labelled,
            lengths=measure_lengths(count.lengths, unit=count.unit),
            numbers=count.numbers(self._splits["train"].mean) if "train" in self._splits else None,
        )


class _SplitCount:
    def __init__(self) -> None:
        self.labelled = 0
        self.unit = "characters"
        self.lengths: Counter[int] = Counter()
        self.labels: Counter[str] = Counter()
        self.mean = 0.0
        self._num_numbers = 0
        self._squares = 0.0
        self._least, self._most = math.inf, -math.inf

    def add_number(self, number: float) -> None:
        """Keep the mean and the sum of squared distances to it up to date (Welford): exact also for large numbers."""
        self._num_numbers += 1
        distance = number - self.mean
        self.mean += distance / self._num_numbers
        self._squares += distance * (number - self.mean)
        self._least, self._most = min(self._least, number), max(self._most, number)

    def numbers(self, answer: float) -> Numbers | None:
        """What there is to say of the numbers, and the error of always giving the same answer."""
        if not self._num_numbers:
            return None
        error = self._squares / self._num_numbers + (self.mean - answer) ** 2
        return Numbers(min=self._least, mean=self.mean, max=self._most, baseline_mse=error)
