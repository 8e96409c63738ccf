"""Further validation sets: scored whenever the validation split is, shown, kept and drawn, and deciding nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.errors import recipe, refused
from tests.conftest import Ftcli, make_rows, write_rows

SETS = 'also = { hard = "hard.jsonl", leaks = "news.csv" }\n'
"""One is called as a file of the doctor's is, which is no harm."""


@pytest.fixture
def also(project: Path) -> str:
    """A recipe with two further sets, one of them in another format."""
    write_rows(project / "hard.jsonl", make_rows(15, seed=7))
    rows = [",".join((row["a"], row["b"], row["label"])) for row in make_rows(9, seed=8)]
    (project / "news.csv").write_text("\n".join(["a,b,label", *rows]) + "\n")
    return recipe(('test = "test.jsonl"\n', f'test = "test.jsonl"\n{SETS}'))


def evaluated(run: str = "run") -> list[dict[str, Any]]:
    records = [json.loads(line) for line in Path(run, "log.jsonl").read_text().splitlines()]
    return [record for record in records if record["event"] == "evaluated"]


def timeless(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key not in ("seconds", "time")} for each in records]


def test_they_are_scored_beside_the_validation_split_and_decide_nothing(also: str, ftcli: Ftcli) -> None:
    settings = ("--set", "evaluate.at_start=true", "--set", "log.report=true", "--set", "freeze.cache=disk")
    frozen = ("--set", "freeze.patterns=['embeddings', 'layer.0']")
    done = ftcli("train", also, *settings, *frozen)
    assert done.code == 0, done.err
    found = evaluated()
    assert [(each["step"], each["split"]) for each in found if each["split"] != "test"] == [
        (step, split) for step in (0, 6, 12) for split in ("hard", "leaks", "validation")
    ]
    assert {each["split"]: each["rows"] for each in found} == {"hard": 15, "leaks": 9, "validation": 21, "test": 11}
    assert not any(each["improved"] for each in found if each["split"] in ("hard", "leaks"))
    assert "evaluation at step 6 (epoch 1): hard loss " in done.err
    last = json.loads(Path("run/metrics.json").read_text())["epochs"][-1]
    assert list(last) == ["epoch", "step", "train", "validation", "hard", "leaks"]
    assert last["hard"]["rows"] == 15
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert all(text in page for text in ("loss on hard", "accuracy on hard", "accuracy on leaks"))
    assert ftcli("train", "tiny.toml", "--run-dir", "plain", *frozen).code == 0
    plain = [each for each in evaluated("plain") if each["split"] == "validation"]
    mine = [each for each in found if each["split"] == "validation" and each["step"]]
    assert [(each["loss"], each["best_step"]) for each in mine] == [(each["loss"], each["best_step"]) for each in plain]


def test_a_resumed_run_scores_them_as_one_that_went_through(also: str, ftcli: Ftcli) -> None:
    assert ftcli("train", also).code == 0
    assert ftcli("train", also, "--run-dir", "halved", "--set", "train.stop_after=7").code == 0
    resumed = ftcli("resume", "halved")
    assert resumed.code == 0, resumed.err
    assert timeless(evaluated("halved")) == timeless(evaluated())
    metrics = [json.loads(Path(run, "metrics.json").read_text()) for run in ("run", "halved")]
    assert metrics[0] == metrics[1]


def test_one_is_scored_again_by_its_name(also: str, ftcli: Ftcli) -> None:
    assert ftcli("train", also).code == 0
    best = json.loads(Path("run/best/manifest.json").read_text())["step"]
    [logged] = [each for each in evaluated() if each["split"] == "hard" and each["step"] == best]
    done = ftcli("eval", "--ckpt", "run/best", "--split", "hard", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["metrics"] == pytest.approx(logged["metrics"])
    error = refused(ftcli("eval", "--ckpt", "run/best", "--split", "hrad"), 3)
    assert "has no split called `hrad`" in error
    assert "help: it has train, validation, test, hard, leaks\n" in error


def test_a_set_that_shares_rows_with_train_is_found(also: str, project: Path, ftcli: Ftcli) -> None:
    write_rows(project / "hard.jsonl", [*make_rows(9, seed=1), *make_rows(9, seed=7)])
    done = ftcli("prepare", also)
    assert done.code == 0, done.err
    assert "9 rows of hard (50.0%) stand in train too: 9 as they are" in " ".join((done.out + done.err).split())


@pytest.mark.parametrize(
    ("sets", "code", "error"),
    [
        ('{ hard = "hrad.jsonl" }', 3, "error[data]: the hard file `hrad.jsonl` doesn't exist\n --> a.toml:6\n"),
        (
            '{ Hard = "hard.jsonl" }',
            2,
            "error[recipe]: a further validation set can't be called `Hard`: use lower-case letters, digits, - and _,"
            " and not train, validation or test\n --> a.toml:6\n",
        ),
        ('{ test = "hard.jsonl" }', 2, "error[recipe]: a further validation set can't be called `test`: use "),
        (
            '{ hard = "other.jsonl" }',
            3,
            "error[data]: a row can't be used: unknown label `maybe`; the labels known are no, yes\n",
        ),
        (
            '{ hard = "bare.jsonl" }',
            3,
            "error[data]: there is no column `label`\n  --> ",
        ),
    ],
)
def test_a_set_that_can_not_be_used_is_refused(project: Path, ftcli: Ftcli, sets: str, code: int, error: str) -> None:
    write_rows(project / "hard.jsonl", make_rows(9, seed=7))
    write_rows(project / "other.jsonl", make_rows(9, seed=7, labels=("no", "maybe")))
    write_rows(project / "bare.jsonl", [{"a": "x", "b": "y"}])
    name = recipe(('test = "test.jsonl"\n', f'test = "test.jsonl"\nalso = {sets}\n'))
    assert refused(ftcli("train", name), code).startswith(error)


@pytest.mark.parametrize(
    ("settings", "what", "hint"),
    [
        (
            ["data.validation=off", "data.also.hard=test.jsonl"],
            "`data.also` is scored beside a validation split, and there is none",
            "name one: data.validation, or hold rows out of train: data.holdout = 0.1",
        ),
        (
            ["data={name='demo', also={hard='test.jsonl'}}"],
            '`data.also` goes with files of your own, but `data.name` is "demo"',
            "leave it out, or copy the data set's card and change that",
        ),
    ],
)
def test_a_recipe_without_its_like_is_refused(
    project: Path, ftcli: Ftcli, settings: list[str], what: str, hint: str
) -> None:
    options = [part for setting in settings for part in ("--set", setting)]
    error = refused(ftcli("train", "tiny.toml", *options), 2)
    assert f"error[recipe]: {what}\n" in error
    assert f"help: {hint}\n" in error


def test_a_card_may_name_some_too(project: Path, ftcli: Ftcli) -> None:
    card = 'name = "own"\nfiles = { train = "train.jsonl" }\nholdout = 0.2\nalso = { hard = "test.jsonl" }\n'
    columns = 'columns = { text = "a", label = "label" }\n'
    (project / "card.toml").write_text(card + columns)
    assert ftcli("prepare", "card.toml").code == 0
    assert len((project / "data/own/also/hard.jsonl").read_text().splitlines()) == 11
    (project / "card.toml").write_text(card.replace("holdout = 0.2\n", "") + columns)
    error = refused(ftcli("prepare", "card.toml"), 2)
    assert "the files of also are scored beside a validation split: it needs files.validation or holdout" in error
