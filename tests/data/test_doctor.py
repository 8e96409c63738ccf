"""Files with known defects, and what is found in them."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.dataset import DatasetFile, Prepared
from ftcli.data.doctor import examine
from ftcli.data.doctor.near import grams, plain, similarity
from ftcli.data.doctor.reading import find_cuts, find_lost_entities, find_padding, find_unknown
from ftcli.data.doctor.register import SourceLines
from ftcli.data.findings import Finding
from ftcli.data.profile import Overlap, Profile, SplitProfile, TokenLengths, measure_lengths, with_token_lengths
from ftcli.data.report import CONTRADICTIONS_FILE, LEAKS_FILE, read_profile
from ftcli.data.scratch import ScratchNumbers
from ftcli.runtime.activity import Activity, finish
from ftcli.runtime.encoding import Encoded, Fields
from ftcli.spec.card import Split
from tests.data.toy import card, jsonl, row, run

LONG = (
    "the quick brown fox jumps over the lazy dog while the band plays on and nobody in the village seems to mind at all"
)


def found(prepared: Prepared, code: str) -> list[Finding]:
    return [finding for finding in read_profile(prepared).findings if finding.code == code]


def leaks(prepared: Prepared) -> list[tuple[object, ...]]:
    lines = (prepared.folder / LEAKS_FILE).read_bytes().splitlines()
    keys = ("split", "row", "other_split", "other_row", "kind", "label", "other_label")
    return [tuple(orjson.loads(line)[key] for key in keys) for line in lines]


def pair(a: str, b: str, label: object) -> dict[str, object]:
    return {"q1": a, "q2": b, "y": label}


def write(files: Path, **splits: list[dict[str, object]]) -> Prepared:
    for split, rows in splits.items():
        (files / f"{split}.jsonl").write_text(jsonl(rows))
    return run(files, card(files={split: f"{split}.jsonl" for split in splits}))


def clean(count: int, seed: int) -> list[dict[str, object]]:
    """Pairs that have nothing in common."""
    rng = random.Random(seed)
    return [pair(*(f"{rng.getrandbits(80):020x}" for _ in range(2)), number % 2) for number in range(count)]


def test_clean_data_has_no_findings(files: Path) -> None:
    prepared = write(files, train=clean(40, 1), validation=clean(20, 2), test=clean(20, 3))
    assert read_profile(prepared).findings == ()
    assert not (prepared.folder / LEAKS_FILE).exists()
    assert "## Findings\n\nNothing stands out." in (prepared.folder / "report.md").read_text()


def test_leaks_are_found_listed_and_priced(files: Path) -> None:
    train, validation, test = clean(40, 1), clean(20, 2), clean(20, 3)
    train[3:6] = [pair("Same text", "here", 0), pair("one way", "the other", 1), pair("Ｃａｆé, please!", "now", 0)]
    train[6] = pair(LONG, f"{LONG} tonight", 1)
    validation[0] = pair(" Same text ", "here", 1)
    validation[1] = pair("the other", "one way", 1)
    test[0] = pair("café please", "NOW", 0)
    test[1] = pair(LONG.replace("band", "bard"), f"{LONG} tonight", 1)
    test[2] = pair(f"{LONG} tonight", LONG.replace("dog", "dogs"), 1)
    test[3] = validation[0]
    prepared = write(files, train=train, validation=validation, test=test)
    assert leaks(prepared) == [
        ("validation", 0, "train", 3, "same", "1", "0"),
        ("validation", 1, "train", 4, "swapped", "1", "1"),
        ("test", 0, "train", 5, "near", "0", "0"),
        ("test", 1, "train", 6, "near", "1", "1"),
        ("test", 2, "train", 6, "near and swapped", "1", "1"),
        ("test", 3, "train", 3, "same", "1", "0"),
        ("test", 3, "validation", 0, "same", "1", "1"),
    ]
    first = orjson.loads((prepared.folder / LEAKS_FILE).read_bytes().splitlines()[2])
    assert (first["texts"], first["other_texts"]) == (["café please", "NOW"], ["Ｃａｆé, please!", "now"])
    validation_leak, test_leak, other = found(prepared, "leak")
    assert validation_leak.text == (
        "2 rows of validation (10.0%) stand in train too: 1 as they are, 1 with the texts swapped; 1 of them with"
        " another label. What a model knows by heart can lift the validation accuracy by up to 5.0 points"
    )
    assert (validation_leak.severity, validation_leak.count, validation_leak.split) == ("warning", 2, "validation")
    assert "leaks.jsonl" in validation_leak.advice
    assert test_leak.text.startswith("4 rows of test (20.0%) stand in train too: 1 as they are, 2 nearly, 1 nearly and")
    assert (other.severity, other.text) == ("note", "1 row of test (5.0%) stands in validation too: 1 as they are")


def test_what_is_merely_alike_is_no_leak(files: Path) -> None:
    train, test = clean(40, 1), clean(20, 3)
    train[0] = pair(LONG, "yes", 0)
    test[0] = pair(LONG.replace("band plays", "choir sings").replace("lazy dog", "sleepy cat"), "yes", 0)
    test[1] = pair(LONG, "something else altogether, which makes the two of them rather different rows in the end", 0)
    assert found(write(files, train=train, test=test), "leak") == []


def test_a_short_text_is_not_near_because_a_long_one_beside_it_is_shared(files: Path) -> None:
    train, test = clean(40, 1), clean(20, 3)
    train[:4] = [pair(LONG, "yes", 0), pair("C#", "x", 0), pair("it is 1.5", "x", 0), pair("good movie", "x", 0)]
    test[:4] = [pair(LONG, "no", 0), pair("C", "x", 0), pair("it is 15", "x", 0), pair("good film", "x", 0)]
    assert found(write(files, train=train, test=test), "leak") == []


def test_what_near_means_and_where_rows_stand_in_the_users_own_file_is_said(files: Path) -> None:
    train, test = clean(40, 1), clean(20, 3)
    train[2], test[1] = pair(LONG, LONG, 0), pair(LONG, LONG.replace("band", "bard"), 0)
    train[0]["y"] = None
    for split, rows in (("train", train), ("test", test)):
        (files / f"{split}.jsonl").write_text(jsonl(rows))
    prepared = run(files, card(files={"train": "train.jsonl", "test": "test.jsonl"}), max_bad_rows=1)
    (leak,) = found(prepared, "leak")
    assert leak.advice.endswith(
        "Near are texts that share 90% of their 3-letter pieces, or differ only in case, punctuation and blanks"
    )
    (entry,) = map(orjson.loads, (prepared.folder / LEAKS_FILE).read_bytes().splitlines())
    assert (entry["row"], entry["location"]) == (1, f"{files / 'test.jsonl'}:2")
    assert (entry["other_row"], entry["other_location"]) == (1, f"{files / 'train.jsonl'}:3")


def test_what_is_known_by_heart_lifts_nothing_where_the_label_is_another(files: Path) -> None:
    train, test = clean(40, 1), clean(20, 3)
    test[:2] = [train[0] | {"y": "1"}, train[2] | {"y": "1"}]
    (leak,) = found(write(files, train=train, test=test), "leak")
    assert leak.text.endswith("; 2 of them with another label. What a model knows by heart is wrong for them")


def test_a_leak_is_compared_with_the_row_that_says_the_same(files: Path) -> None:
    train, test = clean(40, 1), clean(20, 3)
    train[1], test[0] = train[0] | {"y": 1}, train[0] | {"y": 1}
    prepared = write(files, train=train, test=test)
    assert leaks(prepared) == [("test", 0, "train", 1, "same", "1", "1")]


def test_repeated_rows_are_counted_as_they_are_and_swapped(files: Path) -> None:
    train = [pair("a", "b", 0), pair("a", " b", 0), pair("ab", "c", 1), pair("a", "bc", 1)]
    prepared = write(files, train=train, test=[pair("b", "a", 0), pair("ab", "c", 1), pair("c", "ab", 1)])
    splits = read_profile(prepared).splits
    assert (splits["train"].duplicates, splits["test"].duplicates) == (1, 0)
    assert splits["train"].overlap == {"test": Overlap(same=1, swapped=2)}
    assert splits["test"].overlap == {"train": Overlap(same=1, swapped=2)}


def test_the_rows_that_contradict_one_another_are_listed(files: Path) -> None:
    train = [*clean(20, 1), pair("a", "b", 0), pair("c", "d", 1), pair("a", "b ", 1), pair("d", "c", 0)]
    prepared = write(files, train=train)
    lines = (prepared.folder / CONTRADICTIONS_FILE).read_bytes().splitlines()
    keys = ("group", "kind", "row", "location", "label")
    place = f"{files / 'train.jsonl'}:"
    assert [tuple(orjson.loads(line)[key] for key in keys) for line in lines] == [
        (0, "same", 20, f"{place}21", "0"),
        (0, "same", 22, f"{place}23", "1"),
        (1, "swapped", 21, f"{place}22", "1"),
        (1, "swapped", 23, f"{place}24", "0"),
    ]
    assert not (write(files, train=clean(20, 1)).folder / CONTRADICTIONS_FILE).exists()


def test_labels_that_differ_in_case_are_one_finding_and_no_contradiction(files: Path) -> None:
    train = [fields | {"y": "yes" if n % 2 else "no"} for n, fields in enumerate(clean(40, 1))]
    train += [train[1] | {"y": "Yes"}, train[3] | {"y": "YES "}]
    prepared = write(files, train=train)
    (spelling,) = found(prepared, "label-spelling")
    assert spelling.text.startswith("`yes` (20), `YES` (1), `Yes` (1) differ only in case, width or space")
    assert spelling.advice == 'data.label_map = { "YES" = "yes", "Yes" = "yes" } makes them one'
    assert found(prepared, "contradiction") == []


@pytest.mark.parametrize("separator", ["|", ",", ";"])
def test_labels_that_look_like_several_get_a_hint(files: Path, separator: str) -> None:
    labels = ["a", "b", f"a{separator} b", "c / d"]
    train = [fields | {"y": labels[n % 4]} for n, fields in enumerate(clean(40, 1))]
    (joined,) = found(write(files, train=train), "joined-labels")
    assert joined.text.startswith(f"1 label of 4 looks like several joined by `{separator}`, and comes up 10 times in")
    assert joined.advice == f'task.multi_label = true and data.label_separator = "{separator}" part them'


def test_a_new_preparation_without_leaks_leaves_no_list_behind(files: Path) -> None:
    train = clean(40, 1)
    assert leaks(write(files, train=train, validation=train[:4]))
    assert not (write(files, train=train, validation=clean(9, 4)).folder / LEAKS_FILE).exists()


letters = st.text("abc d", min_size=1, max_size=40)


@given(st.lists(letters, min_size=1, max_size=2), st.lists(letters, min_size=1, max_size=2))
def test_the_similarity_of_texts_is_that_of_their_3_grams(one: list[str], other: list[str]) -> None:
    def naive(texts: list[str]) -> set[tuple[int, str]]:
        return {(p, text[n : n + 3]) for p, text in enumerate(texts) for n in range(max(1, len(text) - 2))}

    sides = [[{gram for gram in naive(texts) if gram[0] == place} for texts in (one, other)] for place in (0, 1)]
    expected = min(len(here & there) / len(here | there) for here, there in sides if here | there)
    assert similarity(grams(one), grams(other)) == expected


def test_no_near_row_is_missed(files: Path) -> None:
    """Against comparing every row with every other, among texts that differ by a few letters."""
    rng = random.Random(5)

    def varied() -> str:
        letters = list(LONG)
        for _ in range(rng.randint(0, 5)):
            letters[rng.randrange(len(letters))] = rng.choice("abc")
        return "".join(letters)

    rows = {split: [pair(varied(), f"{rng.getrandbits(8)}", n % 2) for n in range(count)] for split, count in SIZES}
    prepared = write(files, **rows)
    sets = {s: [grams([plain(str(r["q1"])), plain(str(r["q2"]))]) for r in found] for s, found in rows.items()}
    near = {
        (split, number)
        for split in ("validation", "test")
        for number, here in enumerate(sets[split])
        if any(similarity(here, there) >= 0.9 for there in sets["train"])
    }
    assert near
    assert {(split, number) for split, number, other, *_ in leaks(prepared) if other == "train"} == near


def test_pieces_that_lead_to_very_many_rows_are_passed_over_and_that_is_said(files: Path) -> None:
    train = [pair(LONG, "yes", n % 2) for n in range(501)]
    assert found(write(files, train=train, test=clean(20, 3)), "near-search-cut") == []
    prepared = write(files, train=train, test=[pair(LONG.replace("band", "bard"), "yes", 0)])
    (cut,) = found(prepared, "near-search-cut")
    assert cut.text == (
        "near leaks were looked for among rows that share a rare 3-letter piece only: there may be more"
        " (exact ones are all found)"
    )
    assert not found(prepared, "leak")


SIZES = (("train", 120), ("validation", 40), ("test", 40))


@pytest.mark.parametrize("text", ["", "!", "?? !!", "Ａ", "a b", "花呗，还款", "\ud800"])
def test_a_plain_text_is_never_empty_unless_it_was(text: str) -> None:
    assert bool(plain(text)) == bool(text.strip())
    assert plain(plain(text)) == plain(text)


def test_contradictions_bound_what_can_be_scored(files: Path) -> None:
    train = clean(96, 1)
    train += [pair("a", "b", 0), pair("a", " b", 1), pair("c", "d", 1), pair("d", "c", 0)]
    prepared = write(files, train=train)
    (same,) = found(prepared, "contradiction")
    assert same.text == (
        "2 rows of train have 1 text that stands with different labels: no model that gives a text one answer can be"
        " right on more than 99.0% of them all"
    )
    assert (same.severity, same.count) == ("warning", 2)
    (swapped,) = found(prepared, "contradiction-swapped")
    assert (
        "4 rows of train have 2 texts that stand with different labels, counting pairs that are swapped" in swapped.text
    )
    assert "98.0%" in swapped.text
    assert swapped.severity == "note"
    assert "unless the order of the two texts means something; contradictions.jsonl lists" in swapped.advice


def test_imbalance_says_what_answering_without_reading_scores(files: Path) -> None:
    train = [fields | {"y": "rare" if n < 3 else "common"} for n, fields in enumerate(clean(100, 1))]
    validation = [fields | {"y": "rare" if n < 10 else "common"} for n, fields in enumerate(clean(50, 2))]
    prepared = write(files, train=train, validation=validation)
    (imbalance,) = found(prepared, "imbalance")
    assert imbalance.severity == "warning"
    assert "`common` is 97.0% of train, the rarest label `rare` 3.0% (3)" in imbalance.text
    assert "scores accuracy 0.800, macro F1 0.444 and MCC 0 on validation" in imbalance.text
    (rare,) = found(prepared, "rare-labels")
    assert rare.text.startswith("1 label of 2 with fewer than 10 rows in train: `rare` (3).")


def test_pairs_of_one_text_and_bad_rows_are_counted(files: Path) -> None:
    rows = [*clean(98, 1), pair("same", "same ", 1), pair("x", "", 1), row(7, y=None)]
    (files / "train.jsonl").write_text(jsonl(rows))
    prepared = run(files, card(files={"train": "train.jsonl"}), max_bad_rows=2)
    (same,) = found(prepared, "same-texts")
    assert same.text.startswith("1 row of train (1.0%) holds the same text twice")
    (bad,) = found(prepared, "bad-rows")
    assert bad.text.startswith("2 rows (2.0% of all) could not be used and were left out, the first at ")
    assert bad.text.endswith("train.jsonl:100: column `q2` is empty")


def prepared_rows(folder: Path, task: str, columns: dict[str, str], **splits: list[dict[str, Any]]) -> Prepared:
    """A prepared folder written by hand."""
    facts: dict[str, Any] = {}
    for split, rows in splits.items():
        content = jsonl(rows).encode()
        (folder / f"{split}.jsonl").write_bytes(content)
        facts[split] = {
            "file": f"{split}.jsonl",
            "rows": len(rows),
            "labelled": len(rows),
            "label_counts": {},
            "sha256": "",
            "bytes": len(content),
            "source": "",
        }
    made: dict[str, Any] = {
        "name": "x",
        "title": "",
        "task": task,
        "columns": columns,
        "reading": {"columns": columns},
        "labels": [],
        "licence": "",
        "homepage": "",
        "holdout": 0.0,
        "splits": facts,
        "sources": [],
        "bad_rows": {},
        "card_sha256": "",
        "rows_sha256": "",
    }
    return Prepared(folder, DatasetFile.model_validate_json(orjson.dumps(made)))


def profile_of(prepared: Prepared) -> Profile:
    splits: dict[Split, SplitProfile] = {
        split: SplitProfile(
            rows=facts.rows,
            labelled=facts.rows,
            label_counts={},
            majority_label=None,
            majority_share=None,
            lengths=measure_lengths({}, unit="characters"),
            duplicates=0,
            overlap={},
        )
        for split, facts in prepared.facts.splits.items()
    }
    return Profile(name="x", splits=splits)


def examined(prepared: Prepared) -> Profile:
    with ExitStack() as files:
        sources = sources_of(prepared, files)
        return finish(examine(prepared.folder, profile_of(prepared), facts=prepared.facts, sources=sources))


def sources_of(prepared: Prepared, files: ExitStack) -> dict[Split, SourceLines]:
    sources = {
        split: SourceLines(facts.file, ScratchNumbers(prepared.folder, files))
        for split, facts in prepared.facts.splits.items()
    }
    for split, facts in prepared.facts.splits.items():
        for line in range(1, facts.rows + 1):
            sources[split].lines.append(line)
    return sources


TAGS = {"text": "tokens", "label": "tags"}


def sentence(words: str, tags: str) -> dict[str, Any]:
    return {"tokens": words.split(), "tags": tags.split()}


def test_tagged_rows_are_counted_by_word_and_entity(tmp_path: Path) -> None:
    train = [sentence("Ann met Bob Fox in Rome", "S-PER O B-PER E-PER O S-LOC"), sentence("he left", "O O")]
    test = [sentence("He left !", "O O O"), sentence("Rome", "S-LOC"), sentence("Rome", "O")]
    profile = examined(prepared_rows(tmp_path, "tagging", TAGS, train=train, test=test))
    assert (profile.splits["train"].words, profile.splits["train"].entities) == (8, {"LOC": 1, "PER": 2})
    assert {finding.code: finding.count for finding in profile.findings} == {"leak": 1, "contradiction": 2}
    (contradiction,) = (finding for finding in profile.findings if finding.code == "contradiction")
    assert contradiction.text == "2 rows of test have 1 text that stands with different tags"
    assert not (tmp_path / "doctor.sqlite").exists()


@pytest.mark.parametrize("tags", ["B-A I-A B-A O B-B B-C", "I-A I-A B-A O I-B I-C", "B-A E-A S-A O S-B S-C"])
def test_entities_are_counted_in_every_scheme(tmp_path: Path, tags: str) -> None:
    prepared = prepared_rows(tmp_path, "tagging", TAGS, train=[sentence("a b c d e f", tags)])
    assert examined(prepared).splits["train"].entities == {"A": 2, "B": 1, "C": 1}


def test_regression_contradictions_promise_no_accuracy(tmp_path: Path) -> None:
    rows = [{"t": "a", "y": 1.0}, {"t": "a", "y": 2.5}, {"t": "b", "y": 1.0}]
    (finding,) = examined(prepared_rows(tmp_path, "regression", {"text": "t", "label": "y"}, train=rows)).findings
    assert finding.text == "2 rows of train have 1 text that stands with different numbers"
    assert finding.advice.endswith("contradictions.jsonl lists the rows")


def test_labels_of_several_are_compared_whole(tmp_path: Path) -> None:
    rows = [{"t": "a", "y": ["x", "z"]}, {"t": "a", "y": ["x"]}, {"t": "b", "y": []}]
    (finding,) = examined(prepared_rows(tmp_path, "multilabel", {"text": "t", "label": "y"}, train=rows)).findings
    assert finding.code == "contradiction"
    assert "66.7%" in finding.text


def test_it_says_how_far_it_has_come(files: Path) -> None:
    prepared = write(files, train=clean(40, 1), test=clean(20, 2))
    with ExitStack() as files:
        sources = sources_of(prepared, files)
        work = examine(prepared.folder, read_profile(prepared), facts=prepared.facts, sources=sources)
        names = {activity.name for activity in work if isinstance(activity, Activity)}
    assert {"examine rows", "look for leaks", "look for near rows"} <= names


def uncut(rows: list[Fields]) -> Encoded:
    """Two pieces a word, after one special token."""
    positions = [[1 + 2 * n for n in range(len(row["tokens"]))] for row in rows]  # type: ignore[arg-type]
    lengths = [2 + 2 * len(starts) for starts in positions]
    return Encoded([[0] * length for length in lengths], None, lengths, positions=positions)


def test_entities_beyond_max_length_set_a_ceiling(tmp_path: Path) -> None:
    rows = [sentence("a b c d e f", "S-X O B-X E-X O S-X"), sentence("a b", "O S-X")]
    prepared = prepared_rows(tmp_path, "tagging", TAGS, train=rows)
    # Ten tokens hold the special ones and four words: the entity of the sixth is lost, that which ends the fourth not.
    (finding,) = find_lost_entities(prepared, encode=lambda chunk: uncut([*chunk]), max_length=10)
    assert finding.text == (
        "1 sentence of train (50.0%) is longer than max_length. Cut there, 1 of 4 entities (25.0%) would be lost and F1"
        " could be at most 0.8571; windows keep them"
    )
    assert not list(find_lost_entities(prepared, encode=lambda chunk: uncut([*chunk]), max_length=14))


def test_cut_rows_cost_tokens(files: Path) -> None:
    prepared = write(files, train=clean(4, 1))
    lengths: dict[Split, dict[int, int]] = {"train": {10: 3, 30: 1}}
    profile = with_token_lengths(read_profile(prepared), lengths=lengths, max_length=20)
    (finding,) = find_cuts(profile.splits, lengths)
    assert finding.text == (
        "1 row of train (25.0%) is longer than max_length 20 and cut: 16.7% of its tokens are never read"
    )
    assert (finding.severity, finding.advice) == ("warning", "max_length = 30 would cut none")


def known(**unknown: tuple[int, int]) -> dict[Split, SplitProfile]:
    splits: dict[Split, SplitProfile] = {}
    for split, (few, pieces) in unknown.items():
        lengths = TokenLengths(
            **measure_lengths({}, unit="tokens").model_dump(), max_length=8, cut=0, unknown=few, pieces=pieces
        )
        profile = SplitProfile(
            rows=1,
            labelled=0,
            label_counts={},
            majority_label=None,
            majority_share=None,
            lengths=lengths,
            tokens=lengths,
        )
        splits[cast("Split", split)] = profile
    return splits


def test_unknown_pieces_question_the_tokenizer() -> None:
    (finding,) = find_unknown(known(train=(5, 1000), test=(80, 1000)))
    assert (finding.severity, finding.split, finding.count) == ("warning", "test", 80)
    assert "0.5% of train, 8.0% of test" in finding.text
    assert "right tokenizer" in finding.advice
    assert not list(find_unknown(known(train=(1, 1000), test=(0, 0))))


def test_padding_says_what_sorting_saves() -> None:
    (finding,) = find_padding(0.2, unsorted=0.5, how="micro-batches of at most 8 rows")
    assert finding.text.endswith(
        "of at most 8 rows; unsorted and uncut it would be 50.0%, so sorting saves 38% of the work"
        "; on a CPU, BERT and its kin compute none of it"
    )
    (same,) = find_padding(0.4, unsorted=0.4, how="micro-batches of at most 8 rows")
    assert (same.severity, same.text) == (
        "warning",
        "40.0% of train's token slots are padding in micro-batches of at most 8 rows"
        "; on a CPU, BERT and its kin compute none of it",
    )
