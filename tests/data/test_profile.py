from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.profile import Numbers, Profile, Profiler, measure_lengths, percentiles, with_token_lengths
from ftcli.spec.card import Split

ROWS: dict[Split, list[tuple[tuple[str, str], str | None]]] = {
    "train": [
        (("a", "b"), "1"),
        (("a", "b"), "0"),
        (("c", "d"), "1"),
        (("same", "same"), "1"),
        (("long text", ""), "1"),
    ],
    "validation": [(("b", "a"), "0"), (("c ", " d"), "1"), (("x", "y"), "1")],
    "test": [(("same", "same"), None), (("a", "b"), None), (("d", "c"), None), (("ab", ""), None)],
}


@pytest.fixture
def profile() -> Profile:
    profiler = Profiler()
    for split, rows in ROWS.items():
        for texts, label in rows:
            profiler.add(split, texts=texts, labels=None if label is None else (label,))
    return profiler.finish("x", labels=("0", "1", "2"))


def test_labels_are_counted_and_the_majority_named(profile: Profile) -> None:
    train = profile.splits["train"]
    assert train.label_counts == {"0": 1, "1": 4, "2": 0}
    assert (train.majority_label, train.majority_share) == ("1", 0.8)
    assert train.shares == {"0": 0.2, "1": 0.8, "2": 0.0}


def test_an_unlabelled_split_has_no_majority(profile: Profile) -> None:
    test = profile.splits["test"]
    assert (test.rows, test.labelled, test.label_counts, test.majority_label) == (4, 0, {}, None)


def test_of_rows_with_any_number_of_labels_none_is_the_majority() -> None:
    profiler = Profiler()
    for labels in (("a", "b"), (), ("a",)):
        profiler.add("train", texts=("x",), labels=labels)
    train = profiler.finish("x", labels=("a", "b"), one_each=False).splits["train"]
    assert (train.labelled, train.label_counts, train.majority_label) == (3, {"a": 2, "b": 1}, None)
    assert train.shares == {"a": 2 / 3, "b": 1 / 3}


def test_numbers_are_summed_up_with_the_score_of_the_mean() -> None:
    profiler = Profiler()
    values: dict[Split, tuple[float, ...]] = {"train": (1e6, 1e6 + 2.0), "test": (1e6 + 4.0,)}
    for split, numbers in values.items():
        for number in numbers:
            profiler.add(split, texts=("x",), labels=(), number=number)
    splits = profiler.finish("x", labels=(), one_each=False).splits
    assert splits["train"].numbers == Numbers(min=1e6, mean=1e6 + 1, max=1e6 + 2, baseline_mse=1.0)
    assert splits["test"].numbers == Numbers(min=1e6 + 4, mean=1e6 + 4, max=1e6 + 4, baseline_mse=9.0)


def test_lengths_are_in_characters_over_both_texts(profile: Profile) -> None:
    lengths = profile.splits["train"].lengths
    assert (lengths.unit, lengths.p50, lengths.p99, lengths.max) == ("characters", 2, 9, 9)


def test_token_lengths_are_added_with_the_rows_that_are_cut(profile: Profile) -> None:
    longer = with_token_lengths(
        profile, lengths={"train": [3, 5, 5, 8, 9], "test": {4: 3, 7: 1}}, max_length=5, unknown={"train": (1, 8)}
    )
    train, test = longer.splits["train"].tokens, longer.splits["test"].tokens
    assert train is not None
    assert test is not None
    assert (train.unit, train.p50, train.max, train.max_length, train.cut) == ("tokens", 5, 9, 5, 2)
    assert (test.p50, test.max, test.cut) == (4, 7, 1)
    assert (train.unknown_share, test.unknown_share) == (0.125, 0.0)
    assert longer.splits["validation"].tokens is None
    assert profile.splits["train"].tokens is None


def test_a_profile_reads_back_from_its_json(profile: Profile) -> None:
    full = with_token_lengths(profile, lengths={"train": [1]}, max_length=8)
    assert Profile.model_validate_json(full.model_dump_json()) == full


def test_an_empty_histogram_has_length_zero() -> None:
    assert measure_lengths({}, unit="tokens").max == 0


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_a_percentile_is_the_least_length_that_covers_its_share(lengths: list[int], share: float) -> None:
    histogram = {length: lengths.count(length) for length in lengths}
    (found,) = percentiles(histogram, shares=(share,))
    covered = sum(length <= found for length in lengths)
    below = sum(length < found for length in lengths)
    assert found in histogram
    assert covered >= share * len(lengths) > below
