"""The examples in an export's model card, run as its reader would, answer as `ftcli predict` does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModel

from tests.cli.test_export import answers, train
from tests.conftest import COLUMNS, Ftcli
from tests.laws.rig import TASKS
from tests.modeling.encoders import make_config
from tests.modeling.vocabularies import KINDS, make_tokenizer
from tests.readme import blocks

CUSTOM = Path(__file__).parents[2] / "recipes" / "custom"
ONE_TEXT = "columns = { text = 'a', label = 'label' }"
TOPICS = "columns = { text = 'a', label = 'subjects' }"
TEXTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pairs": (COLUMNS, ()),
    "symmetric pairs": (COLUMNS, ("task.symmetric=true",)),
    "texts": (ONE_TEXT, ()),
    "several labels of symmetric pairs": (COLUMNS, TASKS["multi-label"]),
    "several labels of texts": (TOPICS, ("task.multi_label=true", "task.threshold={card=0.4}")),
}
FIT = ("--calibrate", "--tune-threshold", "f1")


def printed(format: str, ftcli: Ftcli, given: str) -> list[str]:
    """The lines that the example in the card of `run/best`, exported, prints of what is `given` in place of its own."""
    done = ftcli("export", "--ckpt", "run/best", "--format", format)
    assert done.code == 0, done.err
    folder = Path("run/export") / format
    (script,) = [each.text for each in blocks((folder / "README.md").read_text()) if each.language == "python"]
    own = "" if format.startswith("onnx") else "import |from "
    assert len(re.findall(rf"^(?!{own or '$'}).+", script, re.MULTILINE)) <= (21 if "rows += " in script else 20)
    script, replaced = re.subn(
        r"^(rows|words) = .*$", lambda found: f"{found[1]} = {given}", script, flags=re.MULTILINE
    )
    assert replaced == 1
    command = [
        sys.executable,
        "-W",
        "error::ResourceWarning",
        "-c",
        "import sys\nsys.modules['ftcli'] = None\n" + script.replace("FOLDER", "."),
    ]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def train_on(columns: str, project: Path, ftcli: Ftcli, *settings: str) -> str:
    """Train on these columns, and give the texts of the test rows as Python writes them."""
    recipe = project / "tiny.toml"
    recipe.write_text(recipe.read_text().replace(COLUMNS, columns))
    train(project, ftcli, *settings)
    rows = [json.loads(line) for line in Path("test.jsonl").read_text().splitlines()]
    return repr([(row["a"], row["b"]) if columns == COLUMNS else row["a"] for row in rows])


def assert_said(line: str, answer: dict[str, Any]) -> None:
    if "labels" in answer:
        assert line.startswith(f"{answer['labels']} {{")
        assert json.loads(line.partition("] ")[2].replace("'", '"')) == pytest.approx(answer["probabilities"], abs=2e-4)
    else:
        label, probability = line.split()
        assert label == answer["label"]
        assert float(probability) == pytest.approx(answer["probability"], abs=2e-4)


@pytest.mark.parametrize(("columns", "settings"), TEXTS.values(), ids=TEXTS)
def test_the_card_of_a_fitted_classifier_gives_its_labels_and_probabilities(
    project: Path, ftcli: Ftcli, columns: str, settings: tuple[str, ...]
) -> None:
    rows = train_on(columns, project, ftcli, *settings)
    untuned = answers(ftcli, "run/best")
    assert ftcli("eval", "--ckpt", "run/best", *FIT).code == 0
    expected = answers(ftcli, "run/best")
    assert expected != untuned
    for format in ("hf", "onnx"):
        lines = printed(format, ftcli, rows)
        for line, answer in zip(lines, expected, strict=True):
            assert_said(line, answer)


def test_the_card_of_a_classifier_that_was_not_fitted_takes_the_recipes_threshold(project: Path, ftcli: Ftcli) -> None:
    rows = train_on(TOPICS, project, ftcli, "task.multi_label=true", "task.threshold=0.3")
    for line, answer in zip(printed("pt2", ftcli, rows), answers(ftcli, "run/best"), strict=True):
        assert_said(line, answer)


def test_the_card_of_a_regression_gives_its_numbers(project: Path, ftcli: Ftcli) -> None:
    rows = train_on(COLUMNS, project, ftcli, *TASKS["regression"], "task.symmetric=true")
    expected = [answer["value"] for answer in answers(ftcli, "run/best")]
    found = [float(line) for line in printed("onnx", ftcli, rows)]
    assert found == pytest.approx(expected, abs=2e-4)


def test_the_card_of_a_classifier_of_three_labels_gives_the_likeliest(project: Path, ftcli: Ftcli) -> None:
    for path in project.glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        kinds = ("short", "middling", "long")
        rows = [{**row, "label": kinds[min(2, len(row["a"].split()) // 3)]} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = train_on(COLUMNS, project, ftcli)
    expected = answers(ftcli, "run/best")
    for format in ("hf", "onnx", "onnx-int8", "pt2"):
        for line, answer in zip(printed(format, ftcli, given), expected, strict=True):
            if format == "onnx-int8":
                assert line.split()[0] in {"short", "middling", "long"}
            else:
                assert_said(line, answer)


def test_the_card_of_a_task_of_ones_own_gives_its_scores(project: Path, ftcli: Ftcli) -> None:
    shutil.copy(CUSTOM / "parts.py", project)
    recipe = project / "tiny.toml"
    recipe.write_text(f'{recipe.read_text()}[task]\nkind = "custom"\nfactory = "parts:ordinal"\n')
    given = train_on(COLUMNS, project, ftcli)
    for format in ("hf", "onnx", "pt2"):
        text = " ".join(printed(format, ftcli, given))
        assert text.startswith("['no', 'yes'] [[")
        assert len(re.findall(r"-?\d+\.\d+", text)) == len(answers(ftcli, "run/best"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_of_a_tagger_gives_its_tags_and_takes_a_word_that_vanishes_as_unknown(
    project: Path, ftcli: Ftcli, kind: str
) -> None:
    encoder = make_tokenizer(project / "encoder", kind)
    config = make_config("bert")
    config.update({"vocab_size": 400, "max_position_embeddings": 64})
    AutoModel.from_config(config).save_pretrained(encoder)
    train(project, ftcli, *TASKS["tagging in windows"], "data.max_length=64", f"model.path={encoder}")
    words = ["how", "\N{ZERO WIDTH SPACE}", "do", "you", "\x7f", "close", "neighbourhood", "cards", "today"]
    Path("test.jsonl").write_text(json.dumps({"words": words}))
    (answer,) = answers(ftcli, "run/best")
    for format in ("hf", "onnx", "pt2"):
        found = printed(format, ftcli, repr(words))
        assert [line.rpartition(" ")[2] for line in found] == answer["tags"]
