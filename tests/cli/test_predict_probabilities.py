"""`predict --proba` and `--top-k`: what is told, of which tasks, and that it is what the model says."""

from __future__ import annotations

import csv
import json
import math
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import torch

from ftcli.cli.main import run
from ftcli.flows.predictor import open_predictor
from ftcli.modeling.tagger import crf_of
from ftcli.runtime.activity import finish
from tests.cli.errors import refused
from tests.conftest import Ftcli, make_project, make_rows, write_rows
from tests.laws.rig import TASKS, spec_for

LABELS = ("close", "open", "other")
KINDS = {
    "labels": (),
    "sets": TASKS["multi-label"],
    "numbers": TASKS["regression"],
    "tags": TASKS["tagging in windows"],
    "chain": TASKS["tagging with a CRF"],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A folder for each kind of task, with its rows, a run, and an export to ONNX. Look, don't touch."""
    top = tmp_path_factory.mktemp("kinds")
    for kind, settings in KINDS.items():
        folder = make_project(top / kind, model_folder) if (top / kind).mkdir() is None else top
        if kind == "labels":
            for name, count in (("train", 45), ("validation", 21), ("test", 12)):
                write_rows(folder / f"{name}.jsonl", make_rows(count, seed=count, labels=LABELS))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            spec_for(folder, *settings)
            changes = (*settings, "train.steps=4", "optimizer.lr=1e-2")
            assert run(["train", "tiny.toml", *(part for each in changes for part in ("--set", each))]) == 0
            if kind != "numbers":
                assert run(["export", "--ckpt", "run/best", "--format", "onnx"]) == 0
    return top


@pytest.fixture
def kinds(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder as the working directory."""
    monkeypatch.chdir(finished)
    return finished


def predicted(ftcli: Ftcli, kind: str, *options: object, checkpoint: str = "run/best") -> list[dict[str, Any]]:
    done = ftcli("predict", "--ckpt", f"{kind}/{checkpoint}", "--input", f"{kind}/test.jsonl", *options)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_every_label_has_its_probability_and_the_best_come_first(kinds: Path, ftcli: Ftcli) -> None:
    plain = predicted(ftcli, "labels")
    rows = predicted(ftcli, "labels", "--proba", "--top-k", 2)
    assert [without(row, "probabilities", "top") for row in rows] == plain
    for row in rows:
        told = row["probabilities"]
        assert tuple(told) == LABELS
        assert sum(told.values()) == pytest.approx(1, abs=2e-6)
        assert told[row["label"]] == row["probability"] == max(told.values())
        best = sorted(told, key=lambda label: -told[label])[:2]
        assert row["top"] == [{"label": label, "probability": told[label]} for label in best]


def test_more_labels_than_there_are_can_be_asked_for(kinds: Path, ftcli: Ftcli) -> None:
    (first, *_) = predicted(ftcli, "labels", "--top-k", 99)
    assert sorted(each["label"] for each in first["top"]) == sorted(LABELS)
    assert "probabilities" not in first


def test_of_any_number_of_labels_the_likeliest_are_told_too(kinds: Path, ftcli: Ftcli) -> None:
    plain = predicted(ftcli, "sets")
    assert predicted(ftcli, "sets", "--proba") == plain
    for row in predicted(ftcli, "sets", "--top-k", 1):
        told = row["probabilities"]
        assert row["top"] == [{"label": max(told, key=told.__getitem__), "probability": max(told.values())}]


@pytest.mark.parametrize("kind", ["tags", "chain"])
def test_each_tag_has_its_probability(kinds: Path, ftcli: Ftcli, kind: str) -> None:
    plain = predicted(ftcli, kind)
    rows = predicted(ftcli, kind, "--proba")
    assert [without(row, "probabilities") for row in rows] == plain
    for row in rows:
        assert len(row["probabilities"]) == len(row["tags"])
        assert all(0 < value <= 1 for value in row["probabilities"])


def test_a_crf_tells_marginals_over_all_sequences_of_tags(kinds: Path, ftcli: Ftcli, tmp_path: Path) -> None:
    words = ["how", "do", "i"]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"words": words}) + "\n")
    done = ftcli("predict", "--ckpt", "chain/run/best", "--input", tmp_path / "rows.jsonl", "--proba")
    (row,) = map(json.loads, done.out.splitlines())
    predictor = open_predictor(Path("chain/run/best"), device="cpu")
    emissions = finish(predictor.score(predictor.split([{"words": words}]))).scores.double()
    crf = crf_of(predictor.model)
    assert crf is not None
    starts, ends, steps = (each.double() for each in crf.allowed_scores())
    numbers = {label: number for number, label in enumerate(predictor.card.labels)}
    totals, every = [0.0] * len(words), 0.0
    with torch.no_grad():
        for path in product(range(len(numbers)), repeat=len(words)):
            score = float(starts[path[0]] + ends[path[-1]] + sum(emissions[n, tag] for n, tag in enumerate(path)))
            weight = math.exp(score + sum(float(steps[pair]) for pair in pairwise(path)))
            every += weight
            for place, tag in enumerate(row["tags"]):
                totals[place] += weight * (path[place] == numbers[tag])
    assert row["probabilities"] == pytest.approx([total / every for total in totals], abs=2e-6)


@pytest.mark.parametrize(("kind", "options"), [("labels", ("--top-k", 2)), ("sets", ()), ("tags", ()), ("chain", ())])
def test_an_onnx_folder_tells_the_same(kinds: Path, ftcli: Ftcli, kind: str, options: tuple[object, ...]) -> None:
    ours = predicted(ftcli, kind, "--proba", *options)
    theirs = predicted(ftcli, kind, "--proba", *options, checkpoint="run/export/onnx")
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other)
        values = [each["probabilities"] for each in (one, other)]
        flat = [each if isinstance(each, list) else list(each.values()) for each in values]
        assert flat[0] == pytest.approx(flat[1], abs=1e-5)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "csv.gz"])
def test_eval_reads_them_back(kinds: Path, ftcli: Ftcli, tmp_path: Path, ending: str) -> None:
    predicted(ftcli, "labels", "--proba", "--output", tmp_path / f"out.{ending}")
    done = ftcli(
        *("eval", "--ckpt", "labels/run/best", "--input", "labels/test.jsonl"),
        *("--compare", tmp_path / f"out.{ending}", "--json"),
    )
    assert done.code == 0, done.err
    area = json.loads(done.out)["comparison"]["metrics"]["roc_auc"]
    assert area["difference"] == pytest.approx(0, abs=0.02)  # rounded, some are equal


def test_a_table_has_them_in_a_column_of_json(kinds: Path, ftcli: Ftcli, tmp_path: Path) -> None:
    predicted(ftcli, "labels", "--proba", "--top-k", 1, "--output", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    rows = predicted(ftcli, "labels", "--proba", "--top-k", 1)
    assert list(read[0])[-4:] == ["label", "probability", "probabilities", "top"]
    assert [json.loads(row["probabilities"]) for row in read] == [row["probabilities"] for row in rows]
    assert [json.loads(row["top"]) for row in read] == [row["top"] for row in rows]


def test_fields_of_the_input_make_way(kinds: Path, ftcli: Ftcli, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": "open", "b": "card", "top": 1, "probabilities": 2}\n')
    done = ftcli("predict", "--ckpt", "labels/run/best", "--input", tmp_path / "rows.jsonl", "--top-k", 1)
    (row,) = map(json.loads, done.out.splitlines())
    assert (row["input_top"], row["probabilities"]) == (1, 2)


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        (
            "numbers",
            ("--proba",),
            "--proba: regression gives a number, and no probabilities\n"
            "help: leave them out: only classification and tagging have probabilities to tell\n",
        ),
        (
            "numbers",
            ("--proba", "--top-k", 2),
            "--proba and --top-k: regression gives a number, and no probabilities\n"
            "help: leave them out: only classification and tagging have probabilities to tell\n",
        ),
        (
            "tags",
            ("--top-k", 2),
            "--top-k: a tagger gives the best tags of a whole sentence, and the next best of a word are none\n"
            "help: --proba gives the probability of each word's tag\n",
        ),
        (
            "tags",
            ("--proba", "--output-format", "conll"),
            "columns have no place for probabilities (--proba)\nhelp: --output-format jsonl or csv\n",
        ),
    ],
)
def test_what_has_none_to_tell_says_so(
    kinds: Path, ftcli: Ftcli, kind: str, options: tuple[object, ...], error: str
) -> None:
    done = ftcli("predict", "--ckpt", f"{kind}/run/best", "--input", f"{kind}/test.jsonl", *options)
    assert refused(done, 2) == f"error[usage]: {error}"


def test_a_custom_task_tells_what_it_likes(kinds: Path, ftcli: Ftcli, tmp_path: Path) -> None:
    assert ftcli("export", "--ckpt", "labels/run/best", "--output", tmp_path / "hf").code == 0
    card = json.loads((tmp_path / "hf" / "ftcli.json").read_text())
    card["task"] = {"kind": "custom", "factory": "mine:task", "labels": "classification"}
    (tmp_path / "hf" / "ftcli.json").write_text(json.dumps(card))
    error = refused(ftcli("predict", "--ckpt", tmp_path / "hf", "--input", "labels/test.jsonl", "--proba"), 2)
    assert error.startswith("error[usage]: --proba: what the scores of a custom task mean only it knows")
