"""Tagged words as they are prepared: schemes, spans, types, defects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ftcli.data.dataset import Prepared
from ftcli.errors import DataError, RecipeError
from ftcli.spec.card import DataCard
from tests.data.toy import jsonl, refused, run

BMES = "高 B-NAME\n勇 E-NAME\n： O\n\n北 B-ORG\n京 M-ORG\n市 E-ORG\n人 S-NAME\n\n"
BIO = "Ann B-PER\nLee I-PER\nis O\n\nBerlin B-LOC\n"
TOKENS = {"text": "tokens", "label": "tags"}


def tagged(**changes: Any) -> DataCard:
    content: dict[str, Any] = {
        "name": "toy",
        "task": "tagging",
        "columns": {"text": "0", "label": "-1"},
        "files": {"train": "train.conll"},
    }
    return DataCard.model_validate(content | changes)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "train.conll").write_text(BMES)
    return folder


def prepared(files: Path, content: str, name: str = "train.conll", *, bad: int = 0, **changes: Any) -> Prepared:
    (files / name).write_text(content)
    return run(files, tagged(**({"files": {"train": name}} | changes)), max_bad_rows=bad)


def test_words_and_tags_are_written_in_the_scheme_asked_for(files: Path) -> None:
    found = run(files, tagged())
    assert list(found.rows("train")) == [
        {"tokens": ["高", "勇", "："], "tags": ["B-NAME", "E-NAME", "O"]},
        {"tokens": ["北", "京", "市", "人"], "tags": ["B-ORG", "I-ORG", "E-ORG", "S-NAME"]},
    ]
    facts = found.facts
    assert (facts.task, facts.tag_scheme, facts.source_scheme) == ("tagging", "bioes", "bmes")
    assert facts.labels == ("O", "B-NAME", "I-NAME", "E-NAME", "S-NAME", "B-ORG", "I-ORG", "E-ORG", "S-ORG")
    assert (facts.columns.text, facts.columns.label) == ("tokens", "tags")
    assert facts.splits["train"].label_counts == {"NAME": 2, "ORG": 1}
    assert (facts.splits["train"].labelled, facts.repairs.count) == (2, 0)


@pytest.mark.parametrize(
    ("to", "tags"),
    [
        ("bio", ["B-PER", "I-PER", "O"]),
        ("iob1", ["I-PER", "I-PER", "O"]),
        ("bioes", ["B-PER", "E-PER", "O"]),
        ("bmes", ["B-PER", "E-PER", "O"]),
    ],
)
def test_every_scheme_can_be_asked_for(files: Path, to: str, tags: list[str]) -> None:
    found = prepared(files, BIO, tags={"to": to})
    assert next(found.rows("train"))["tags"] == tags
    assert found.facts.source_scheme == "bio"


def test_the_scheme_changes_what_the_rows_are_known_by(files: Path) -> None:
    hashes = {prepared(files, "a O\nb S-X\n", tags={"to": to}).facts.rows_sha256 for to in ("bioes", "bmes")}
    assert len(hashes) == 2


def test_lists_keep_their_names_and_what_else_the_row_has(files: Path) -> None:
    rows = [{"id": 7, "words": ["a", "b"], "ner": ["B-X", "I-X"], "note": "n"}]
    found = prepared(files, jsonl(rows), "train.jsonl", columns={"text": "words", "label": "ner"}, tags={"to": "bio"})
    assert list(found.rows("train")) == [{"words": ["a", "b"], "ner": ["B-X", "I-X"], "id": 7, "note": "n"}]
    assert found.facts.columns.text == "words"


def test_spans_become_words_and_tags_beside_their_text(files: Path) -> None:
    rows = [
        {"id": 1, "text": "Ann 来自北京。", "entities": [{"start": 0, "end": 3, "type": "PER"}, [6, 8, "LOC"]]},
        {"id": 2, "text": "no one", "entities": []},
    ]
    found = prepared(files, jsonl(rows), "train.jsonl", columns={"text": "text", "label": "entities"})
    first, second = found.rows("train")
    assert first == {
        "tokens": ["Ann", "来", "自", "北", "京", "。"],
        "tags": ["S-PER", "O", "O", "B-LOC", "E-LOC", "O"],
        "text": "Ann 来自北京。",
        "offsets": [[0, 3], [4, 5], [5, 6], [6, 7], [7, 8], [8, 9]],
        "id": 1,
    }
    assert second["tags"] == ["O", "O"]
    assert (found.facts.columns.text, found.facts.columns.label) == ("tokens", "tags")


def test_files_of_several_forms_are_written_alike(files: Path) -> None:
    spans = [{"tokens": "Ann Lee", "tags": [[0, 7, "NAME"]]}]
    (files / "test.jsonl").write_text(jsonl(spans))
    card = tagged(columns=TOKENS, files={"train": "train.conll", "test": "test.jsonl"})
    (row,) = run(files, card).rows("test")
    assert (row["tokens"], row["tags"]) == (["Ann", "Lee"], ["B-NAME", "E-NAME"])


def test_a_label_map_renames_types(files: Path) -> None:
    found = run(files, tagged(label_map={"NAME": "PER", "ORG": "PER"}))
    assert found.facts.splits["train"].label_counts == {"PER": 3}
    assert list(found.rows("train"))[1]["tags"] == ["B-PER", "I-PER", "E-PER", "S-PER"]


def test_a_label_map_must_rename_something(files: Path) -> None:
    with pytest.raises(RecipeError, match="renames `PERSON`, which no row has"):
        run(files, tagged(label_map={"PERSON": "PER"}))


def test_given_types_keep_their_order_and_others_are_unknown(files: Path) -> None:
    assert run(files, tagged(labels=["ORG", "NAME"])).facts.labels[:2] == ("O", "B-ORG")
    (files.parent / "out" / "dataset.json").unlink()
    for path in (files.parent / "out").iterdir():
        path.unlink()
    (files.parent / "out").rmdir()
    problem = refused(files, tagged(labels=["ORG"])).problems[0]
    assert "unknown entity type `NAME`; the entity types known are ORG" in problem.what


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_type_that_train_does_not_have_is_unknown(files: Path, split: str) -> None:
    (files / "other.conll").write_text("a O\nb S-GPE\n")
    problem = refused(files, tagged(files={"train": "train.conll", split: "other.conll"})).problems[0]
    assert "unknown entity type `GPE`; the entity types known are NAME, ORG" in problem.what
    assert str(problem.where) == f"{files / 'other.conll'}:2"


@pytest.mark.parametrize(
    ("name", "content"), [("t.conll", "a\nb\n\nc\n"), ("t.jsonl", jsonl([{"tokens": ["a", "b"]}]))]
)
def test_a_test_split_needs_no_tags(files: Path, name: str, content: str) -> None:
    (files / name).write_text(content)
    found = run(files, tagged(columns=TOKENS, files={"train": "train.conll", "test": name}))
    assert next(found.rows("test")) == {"tokens": ["a", "b"]}
    assert found.facts.splits["test"].labelled == 0


def test_train_needs_an_entity(files: Path) -> None:
    (files / "train.conll").write_text("a O\n")
    assert "no word of train is in an entity" in refused(files, tagged()).problems[0].what


ILL_FORMED = "a B-X\nb I-X\n\nc O\nd I-X\n\ne B-Y\n"


def test_an_invalid_sequence_is_refused_at_its_line(files: Path) -> None:
    (files / "train.conll").write_text(ILL_FORMED)
    problem = refused(files, tagged()).problems[0]
    assert problem.what == "a row can't be used: an invalid sequence of bio tags: `I-X` can't follow `O`"
    assert str(problem.where) == f"{files / 'train.conll'}:5"
    assert problem.where is not None
    assert problem.where.text == "d I-X"


def test_an_invalid_sequence_is_repaired_and_recorded_if_asked(files: Path) -> None:
    found = prepared(files, ILL_FORMED, tags={"invalid": "repair", "to": "bio"})
    assert [row["tags"] for row in found.rows("train")] == [["B-X", "I-X"], ["O", "B-X"], ["B-Y"]]
    assert found.facts.repairs.count == 1
    example = found.facts.repairs.examples[0]
    assert (example.location, example.reason) == (f"{files / 'train.conll'}:5", "token 1: `I-X` can't follow `O`")
    assert "Rows repaired: 1." in (found.folder / "report.md").read_text()


def test_rows_that_are_held_out_are_repaired_and_recorded_too(files: Path) -> None:
    content = "\n".join(f"w{n} I-X\nv{n} O\n" for n in range(40))
    found = prepared(files, content, tags={"scheme": "bio", "invalid": "repair"}, holdout=0.25)
    assert found.facts.repairs.count == 40
    assert {split: facts.rows for split, facts in found.facts.splits.items()} == {"train": 30, "validation": 10}
    assert all(row["tags"] == ["S-X", "O"] for split in ("train", "validation") for row in found.rows(split))
    assert sum(example.split == "validation" for example in found.facts.repairs.examples) == 10


WNUT = [
    *("@paulwalk\tO", "It\tO", "'s\tO", ""),
    *("Empire\tB-location", "State\tI-location", "extra\tcolumn\tO", ""),
    *("fine\tO", "", "tagless", "x\tO", ""),
    *("a\tO", "\tO", "b\tO", "", "bad\udcff\tO", ""),
    *("c\tO", "d\tI-person", "", "ESB\tB-location", ""),
]
FOUND = {
    7: "3 columns where other lines have 2",
    11: "the token `tagless` stands alone, where other lines have 2 columns",
    15: "the token is empty (column 0)",
    18: "not valid UTF-8 (byte 4 of the line)",
    21: "an invalid sequence of bio tags: `I-person` can't follow `O`",
}


@pytest.mark.parametrize("delimiter", [None, "\t"])
def test_five_kinds_of_defects_are_five_findings(files: Path, delimiter: str | None) -> None:
    path = files / "train.conll"
    path.write_text("\n".join(WNUT), errors="surrogateescape")
    card = tagged(format={"delimiter": delimiter})
    problem = refused(files, card).problems[0]
    assert (str(problem.where), problem.what) == (f"{path}:7", f"a row can't be used: {FOUND[7]}")
    found = run(files, card, max_bad_rows=5)
    assert {example.location: example.reason for example in found.facts.bad_rows.examples} == {
        f"{path}:{line}": reason for line, reason in FOUND.items()
    }
    assert [row["tokens"] for row in found.rows("train")] == [["@paulwalk", "It", "'s"], ["fine"], ["ESB"]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"tokens": "  ", "tags": []}, "column `tokens` is empty"),
        ({"tokens": 3, "tags": []}, "column `tokens` holds the number 3, not a text or a list of tokens"),
        ({"tokens": [], "tags": []}, "column `tokens` has no tokens"),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, "token 1 of column `tokens` is empty"),
        ({"tokens": ["a", 1], "tags": ["O", "O"]}, "token 1 of column `tokens` is the number 1, not text"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "1 tag for 2 tokens"),
        ({"tokens": ["a"], "tags": [None]}, "tag 0 of column `tags` is nothing"),
        ({"tokens": ["a"], "tags": "O"}, "column `tags` holds the text `O`, not a list of tags"),
        ({"tokens": ["a"], "tags": None}, "it has no label in column `tags`"),
        ({"tokens": ["a"], "tags": ["E-X"]}, "an invalid sequence of bio tags: `E-X` is no tag of the scheme `bio`"),
        ({"tokens": "Anna", "tags": [[0, 3, "X"]]}, "column `tags`: the entity `Ann` (X, 0 to 3) ends inside the word"),
    ],
)
def test_a_bad_row_says_why(files: Path, row: dict[str, object], reason: str) -> None:
    good = {"tokens": ["a", "b"], "tags": ["B-X", "I-X"]}
    (files / "train.jsonl").write_text(jsonl([good, row]))
    card = tagged(columns=TOKENS, files={"train": "train.jsonl"}, tags={"scheme": "bio"})
    problem = refused(files, card).problems[0]
    assert problem.what.startswith(f"a row can't be used: {reason}")
    assert str(problem.where) == f"{files / 'train.jsonl'}:2"


def test_tagging_takes_no_second_text() -> None:
    with pytest.raises(ValueError, match=r"columns\.pair has no place"):
        tagged(columns={"text": "a", "pair": "b", "label": "c"})


def test_a_column_that_is_not_there_is_an_error(files: Path) -> None:
    with pytest.raises(DataError, match="there is no column 7"):
        run(files, tagged(columns={"text": "0", "label": "7"}))
