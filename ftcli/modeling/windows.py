"""Windows over a sentence that is too long for a model: they overlap, and each word is the core of exactly one.

A word's core window is the one where it stands most central: farthest from the nearer edge, where an edge at which the
sentence itself begins or ends does not count. Between two windows that overlap, that turns in the middle of what they
share, so the core words of a window are contiguous.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True, slots=True)
class Window:
    """The words from `start` to `end` (exclusive), of which those from `core` to `core_end` are the window's own."""

    start: int
    end: int
    core: int
    core_end: int


def windows_over(lengths: Sequence[int], *, room: int, stride: int) -> list[Window]:
    """Windows that hold whole words, in order; one that would have no core word is left out.

    Args:
        lengths: Pieces of each word, at least 1 and at most `room`.
        room: Pieces that a window holds.
        stride: Pieces that neighbouring windows overlap by, at most; less than `room`.
    """
    before = [0, *accumulate(lengths)]
    spans = _spans(lengths, before, room, stride)
    middles = [start + end for start, end in pairwise(before)]  # doubled, to stay whole
    turns = [before[after[0]] + before[span[1]] for span, after in pairwise(spans)]
    cores = [0, *(bisect_right(middles, turn) for turn in turns), len(lengths)]
    pairs = zip(spans, pairwise(cores), strict=True)
    return [Window(*span, core, core_end) for span, (core, core_end) in pairs if core < core_end]


def _spans(lengths: Sequence[int], before: list[int], room: int, stride: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = 0
    while True:
        end = bisect_right(before, before[start] + room) - 1
        spans.append((start, end))
        if end == len(lengths):
            return spans
        # The next word has to fit. It did not fit here, so the next window begins later than this one.
        overlap = min(stride, room - lengths[end])
        start = bisect_left(before, before[end] - overlap)
