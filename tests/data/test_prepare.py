"""What is prepared: the rows, the facts about them, the report, and what is held out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ftcli.data.dataset import open_prepared
from ftcli.data.prepare import prepare
from ftcli.data.profile import with_token_lengths
from ftcli.data.report import read_profile, write_report
from ftcli.errors import DataError
from ftcli.runtime.activity import Activity
from tests.data.toy import TEST, TRAIN, card, jsonl, refused, row, run


def test_rows_keep_their_fields_and_get_labels_as_text(files: Path) -> None:
    prepared = run(files)
    assert list(prepared.rows("train")) == [fields | {"y": str(fields["y"])} for fields in TRAIN]
    assert next(prepared.rows("validation")) == {"q1": "a, b", "q2": "c", "y": "1", "note": "x"}
    assert list(prepared.rows("test")) == TEST
    assert (prepared.folder / "test.jsonl").read_bytes() == b'{"q1":"only","q2":"texts"}\n'


def test_the_facts_say_what_was_found(files: Path) -> None:
    facts = run(files).facts
    assert facts.labels == ("0", "1")
    assert {split: (s.rows, s.labelled, s.label_counts, s.source) for split, s in facts.splits.items()} == {
        "train": (4, 4, {"0": 2, "1": 2}, "train.jsonl"),
        "validation": (2, 2, {"0": 1, "1": 1}, "dev.csv"),
        "test": (1, 0, {}, "test.jsonl"),
    }
    assert [source.bytes for source in facts.sources] == [
        (files / name).stat().st_size for name in ("train.jsonl", "dev.csv", "test.jsonl")
    ]
    assert facts.bad_rows.count == 0


def test_a_prepared_folder_opens_again(files: Path) -> None:
    prepared = run(files)
    again = open_prepared(prepared.folder)
    assert again == prepared
    assert sorted(path.name for path in again.folder.iterdir()) == [
        "dataset.json",
        "report.json",
        "report.md",
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]


def test_the_report_is_there_to_read(files: Path) -> None:
    prepared = run(files)
    assert read_profile(prepared).splits["train"].rows == 4
    report = (prepared.folder / "report.md").read_text()
    assert "| train | 4 | 0 (50.0%) | 2 (50.0%) | 2 (50.0%) |" in report
    assert "| test | 1 | unlabelled | – | – |" in report


def test_the_report_can_be_written_again_with_token_lengths(files: Path) -> None:
    prepared = run(files)
    longer = with_token_lengths(read_profile(prepared), lengths={"train": [7, 9]}, max_length=8)
    write_report(prepared.folder, longer, facts=prepared.facts)
    assert read_profile(prepared) == longer
    assert (
        "| train | tokens | 7 | 9 | 9 | 9 | 9 | 1 row beyond 8 | 0.0% |" in (prepared.folder / "report.md").read_text()
    )
    run(files)
    assert open_prepared(prepared.folder) == prepared


def test_progress_is_reported_in_bytes_to_the_end(files: Path) -> None:
    work = prepare(
        card(), folder=files.parent / "out", card_folder=files, source=None, downloads=files.parent / "downloads"
    )
    activities = list(work)
    size = (files / "train.jsonl").stat().st_size
    assert Activity("read train", size, size, "bytes") in activities


def test_numbers_become_text(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([row(0, q1=12), row(1, q2=2.5)]))
    rows = list(run(files).rows("train"))
    assert (rows[0]["q1"], rows[1]["q2"]) == ("12", "2.5")


def test_a_holdout_of_nothing_is_an_error(files: Path) -> None:
    assert "holdout" in refused(files, card(files={"train": "train.jsonl"}, holdout=0.0001)).problems[0].what
    assert "test_holdout" in refused(files, card(files={"train": "train.jsonl"}, test_holdout=0.0001)).problems[0].what


def test_the_rows_hash_follows_rows_labels_and_columns(files: Path) -> None:
    first = run(files).facts.rows_sha256
    assert run(files, card(title="another title")).facts.rows_sha256 == first
    assert run(files, card(labels=["1", "0"])).facts.rows_sha256 != first
    assert run(files, card(columns={"text": "q1", "label": "y"})).facts.rows_sha256 != first
    (files / "train.jsonl").write_text(jsonl([*TRAIN, row(4)]))
    assert run(files).facts.rows_sha256 != first


def test_rows_are_read_out_of_an_archive(files: Path) -> None:
    archive = files.parent / "toy.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        for path in files.iterdir():
            content.write(path, f"toy/{path.name}")
    plain = run(files)
    packed = run(files, source=str(archive))
    assert packed.facts.rows_sha256 == plain.facts.rows_sha256
    assert [source.location for source in packed.facts.sources] == [str(archive)]
    (files / "train.jsonl").write_text(jsonl(TRAIN) + "{\n")
    with zipfile.ZipFile(archive, "w") as content:
        content.write(files / "train.jsonl", "toy/train.jsonl")
    with pytest.raises(DataError) as raised:
        run(files, card(files={"train": "train.jsonl"}), source=str(archive))
    assert str(raised.value.problems[0].where) == f"{archive}/toy/train.jsonl:5"
