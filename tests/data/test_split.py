"""What is held out: in equal shares, the same each time, and no text on both sides."""

from __future__ import annotations

import random
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftcli.data.content import Content
from ftcli.data.report import read_profile
from ftcli.data.scratch import scratch_database
from ftcli.data.split import Dealt, Splitter
from ftcli.runtime.activity import finish
from ftcli.spec.card import DataCard, Split
from tests.data.toy import card, jsonl, row, run


def deal(path: Path, rows: list[Content], *, seed: int = 0, **shares: float) -> Dealt:
    wanted: dict[Split, float] = {"validation": shares.get("validation", 0.0), "test": shares.get("test", 0.0)}
    with scratch_database(path / "scratch") as database:
        splitter = Splitter(database, seed=seed)
        for content in rows:
            splitter.add(content)
        dealt = finish(splitter.deal({split: share for split, share in wanted.items() if share}))
    assert not (path / "scratch").exists()
    return dealt


def singles(count: int, labels: str = "aaab") -> list[Content]:
    return [Content((f"text {number}",), labels[number % len(labels)]) for number in range(count)]


def test_every_label_keeps_its_share(tmp_path: Path) -> None:
    rows = singles(400)
    dealt = deal(tmp_path, rows, validation=0.1, test=0.25)
    counts = Counter((dealt.split(number), content.answer) for number, content in enumerate(rows))
    assert counts == {
        ("train", "a"): 195,
        ("train", "b"): 65,
        ("validation", "a"): 30,
        ("validation", "b"): 10,
        ("test", "a"): 75,
        ("test", "b"): 25,
    }


def test_a_test_split_changes_nothing_about_validation(tmp_path: Path) -> None:
    rows = singles(200)
    alone = deal(tmp_path, rows, validation=0.1)
    both = deal(tmp_path, rows, validation=0.1, test=0.2)
    assert {n for n in range(200) if alone.split(n) == "validation"} == {
        n for n in range(200) if both.split(n) == "validation"
    }


def test_the_seed_and_the_content_decide_not_the_order(tmp_path: Path) -> None:
    rows = singles(300)
    mixed = random.Random(0).sample(rows, 300)

    def held(order: list[Content], seed: int) -> set[str]:
        dealt = deal(tmp_path, order, seed=seed, validation=0.2)
        return {content.texts[0] for number, content in enumerate(order) if dealt.split(number) == "validation"}

    assert held(rows, 0) == held(mixed, 0)
    assert held(rows, 0) != held(rows, 1)


texts = st.sampled_from([f"t{number}" for number in range(30)])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(texts, texts, st.sampled_from("ab")), min_size=1, max_size=60),
    st.floats(0.05, 0.5),
    st.integers(0, 3),
)
def test_rows_that_share_a_text_stay_together(
    tmp_path: Path, rows: list[tuple[str, str, str]], share: float, seed: int
) -> None:
    dealt = deal(tmp_path, [Content((a, f" {b}"), label) for a, b, label in rows], seed=seed, validation=share)
    places: dict[str, Split] = {}
    for number, (a, b, _) in enumerate(rows):
        for text in (a, b):
            assert places.setdefault(text, dealt.split(number)) == dealt.split(number)
    (held,) = dealt.held
    assert held.held == sum(dealt.split(number) == "validation" for number in range(len(rows)))
    assert held.held <= share * len(rows) + 0.5
    assert len(dealt.places) == len(rows)


def test_a_group_larger_than_the_share_stays_in_train_and_that_is_said(tmp_path: Path) -> None:
    rows = [Content(("hub", f"spoke {number}"), "ab"[number % 2]) for number in range(95)]
    rows += [Content((f"x{number}", f"y{number}"), "ab"[number % 2]) for number in range(5)]
    dealt = deal(tmp_path, rows, validation=0.1)
    assert {dealt.split(number) for number in range(95)} == {"train"}
    (finding,) = dealt.findings
    assert finding.severity == "warning"
    assert "(5.0%, 10.0% asked for)" in finding.text or "(4.0%, 10.0% asked for)" in finding.text
    assert "has 95" in finding.text


def test_the_last_rows_of_a_label_are_not_taken_from_train(tmp_path: Path) -> None:
    rows = [*singles(40, "a"), Content(("rare",), "rare"), Content(("twice 1",), "two"), Content(("twice 2",), "two")]
    dealt = deal(tmp_path, rows, validation=0.45)
    left = Counter(content.answer for number, content in enumerate(rows) if dealt.split(number) == "train")
    assert left["rare"] == 1
    assert left["two"] == 1


def test_many_labels_of_few_rows_still_reach_the_share(tmp_path: Path) -> None:
    rows = [Content((f"text {number}",), f"label {number % 50}") for number in range(200)]
    assert deal(tmp_path, rows, validation=0.1).held[0].held == 20


def test_numbers_are_dealt_from_all_over_their_range(tmp_path: Path) -> None:
    rows = [Content((f"text {number}",), float(number)) for number in range(1000)]
    dealt = deal(tmp_path, rows, validation=0.1)
    held = [number for number in range(1000) if dealt.split(number) == "validation"]
    assert Counter(number // 100 for number in held) == dict.fromkeys(range(10), 10)


@pytest.mark.parametrize(
    ("rows", "claim"),
    [
        ([Content((f"t{n}",), float(n)) for n in range(40)], "asked for), from all over the range of numbers;"),
        ([Content((f"t{n}",), f'["{n % 2}"]', has_many=True) for n in range(40)], "of every set of labels;"),
        ([Content((f"t{n}",), "ab"[n % 2]) for n in range(40)], "asked for), in equal shares of every label;"),
        ([Content((f"t{n}",), None) for n in range(40)], "10.0% asked for); no text"),
    ],
)
def test_shares_are_claimed_of_nothing_but_what_was_dealt(tmp_path: Path, rows: list[Content], claim: str) -> None:
    (finding,) = deal(tmp_path, rows, validation=0.1).findings
    assert claim in finding.text


def test_tagged_rows_keep_their_types_and_sentences(tmp_path: Path) -> None:
    rows = [
        Content((f"sentence {number // 2}",), "O", 3, ("PER",) if number // 2 % 4 == 0 else ()) for number in range(400)
    ]
    dealt = deal(tmp_path, rows, validation=0.1)
    held = [number for number in range(400) if dealt.split(number) == "validation"]
    assert len(held) == 40
    assert sum(bool(rows[number].entities) for number in held) == 10
    assert all(dealt.split(number) == dealt.split(number ^ 1) for number in range(400))


def one_file(**changes: Any) -> DataCard:
    return card(files={"train": "train.jsonl"}, **changes)


def test_one_file_is_enough_for_three_splits(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl(row(number) for number in range(200)))
    prepared = run(files, one_file(holdout=0.1, test_holdout=0.2))
    rows = {split: [fields["id"] for fields in prepared.rows(split)] for split in ("train", "validation", "test")}
    assert {split: len(found) for split, found in rows.items()} == {"train": 140, "validation": 20, "test": 40}
    assert sorted(chain.from_iterable(rows.values())) == list(range(200))
    assert all(found == sorted(found) for found in rows.values())
    assert prepared.facts.splits["test"].label_counts == {"0": 20, "1": 20}
    assert (prepared.facts.holdout, prepared.facts.test_holdout, prepared.facts.holdout_seed) == (0.1, 0.2, 0)
    held = [finding for finding in read_profile(prepared).findings if finding.code == "holdout"]
    assert [(finding.split, finding.count) for finding in held] == [("validation", 20), ("test", 40)]
    assert sorted(path.name for path in prepared.folder.iterdir()) == [
        *("dataset.json", "report.json", "report.md", "test.jsonl", "train.jsonl", "validation.jsonl")
    ]
    assert run(files, one_file(holdout=0.1, test_holdout=0.2)).facts == prepared.facts
    other = run(files, one_file(holdout=0.1, test_holdout=0.2, holdout_seed=7))
    assert other.facts.rows_sha256 != prepared.facts.rows_sha256


def test_swapped_pairs_and_shared_texts_do_not_straddle(files: Path) -> None:
    rng = random.Random(3)
    pairs = [(f"a{rng.randint(0, 150)}", f"b{rng.randint(0, 150)}") for _ in range(100)]
    pairs += [(b, a) for a, b in pairs[:20]]
    (files / "train.jsonl").write_text(jsonl({"q1": a, "q2": b, "y": n % 2} for n, (a, b) in enumerate(pairs)))
    prepared = run(files, one_file(holdout=0.2))
    found = {split: {str(r[c]) for r in prepared.rows(split) for c in ("q1", "q2")} for split in prepared.facts.splits}
    assert not found["train"] & found["validation"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"files": {"train": "a", "test": "b"}, "test_holdout": 0.1}, "files.test names one already"),
        ({"files": {"train": "a"}, "test_holdout": 0.5, "holdout": 0.5}, "together leave nothing in train"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        card(**changes)
