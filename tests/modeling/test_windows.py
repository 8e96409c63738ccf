"""Windows over long sentences: whole words, each the core of exactly the window where it stands most central."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.modeling.windows import Window, windows_over


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[int], int, int]:
    room = draw(st.integers(1, 30))
    longest = draw(st.integers(1, room))
    lengths = draw(st.lists(st.integers(1, longest), min_size=1, max_size=60))
    return lengths, room, draw(st.integers(0, room - 1))


def centrality(window: Window, word: int, lengths: list[int]) -> float:
    """Pieces between a word and the nearer edge of a window, where the sentence goes on beyond it."""
    if not window.start <= word < window.end:
        return -1
    left = sum(lengths[window.start : word]) if window.start > 0 else float("inf")
    right = sum(lengths[word + 1 : window.end]) if window.end < len(lengths) else float("inf")
    return min(left, right)


@given(sentences())
@settings(deadline=None, max_examples=300)
def test_every_word_is_the_core_of_the_window_where_it_is_most_central(case: tuple[list[int], int, int]) -> None:
    lengths, room, stride = case
    windows = windows_over(lengths, room=room, stride=stride)
    owners = [number for number, window in enumerate(windows) for _ in range(window.core, window.core_end)]
    assert [word for window in windows for word in range(window.core, window.core_end)] == list(range(len(lengths)))
    for word, owner in enumerate(owners):
        ranks = [centrality(window, word, lengths) for window in windows]
        assert owner == ranks.index(max(ranks))


@given(sentences())
@settings(deadline=None, max_examples=300)
def test_windows_hold_what_they_can_and_overlap_no_more_than_asked(case: tuple[list[int], int, int]) -> None:
    lengths, room, stride = case
    windows = windows_over(lengths, room=room, stride=stride)
    for window in windows:
        assert window.start <= window.core < window.core_end <= window.end
        assert sum(lengths[window.start : window.end]) <= room
        assert window.end == len(lengths) or sum(lengths[window.start : window.end + 1]) > room
    for one, other in pairwise(windows):
        assert one.start < other.start
        assert one.end < other.end
        assert sum(lengths[other.start : one.end]) <= stride


def test_a_sentence_that_fits_is_one_window() -> None:
    assert windows_over([3, 1, 4], room=8, stride=7) == [Window(0, 3, 0, 3)]


def test_two_windows_meet_in_the_middle_of_what_they_share() -> None:
    assert windows_over([1] * 14, room=8, stride=2) == [Window(0, 8, 0, 7), Window(6, 14, 7, 14)]


def test_a_tie_goes_to_the_earlier_window() -> None:
    assert windows_over([1] * 13, room=8, stride=3) == [Window(0, 8, 0, 7), Window(5, 13, 7, 13)]


def test_a_window_without_a_word_of_its_own_is_left_out() -> None:
    lengths = [1, 1, 9, 9, 1, 1]
    windows = windows_over(lengths, room=20, stride=19)
    assert windows == [Window(0, 4, 0, 3), Window(2, 6, 3, 6)]
    left_out = Window(1, 5, 3, 3)
    assert all(
        centrality(left_out, word, lengths) <= max(centrality(window, word, lengths) for window in windows)
        for word in range(6)
    )
