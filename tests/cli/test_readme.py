"""The README's examples on one's own files, run as they are written in an empty folder, with a tiny model."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import typing
from pathlib import Path

import pytest

from ftcli.train.events import RunEvent, event_name
from tests.conftest import Ftcli, make_model

README = Path(__file__).parents[2] / "README.md"
_FILE = re.compile(r"^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    text = README.read_text(encoding="utf-8")
    start = text.index(f"\n### {title}\n")
    return re.split(r"^##", text[start + 5 :], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("title", "answers", "field"),
    [
        ("Tagging on your own files", "tagged.jsonl", "tags"),
        ("Several labels on your own files", "labelled.jsonl", "labels"),
    ],
)
def test_an_example_does_what_it_says(title: str, answers: str, field: str, ftcli: Ftcli, empty_folder: Path) -> None:
    make_model(empty_folder / "encoder")
    example = section(title)
    files = dict(_FILE.findall(example))
    assert len(files) == 2
    for name, content in files.items():
        Path(name).write_text(content, encoding="utf-8")
    commands = [shlex.split(line) for line in _COMMANDS.findall(example)[0].splitlines()]
    assert [command[:2] for command in commands] == [
        ["ftcli", name] for name in ("prepare", "train", "eval", "predict")
    ]
    for command in commands:
        done = ftcli(*command[1:])
        assert done.code == 0, done.err
    rows = [json.loads(line) for line in Path(answers).read_text(encoding="utf-8").splitlines()]
    assert len(rows) in (6, 8)
    assert all(isinstance(row[field], list) for row in rows)


def test_the_event_stream_is_described_field_by_field() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", section("The event stream"), re.MULTILINE)
    kinds = typing.get_args(RunEvent)
    assert [name for name, _ in rows] == [event_name(kind) for kind in kinds]
    for kind, (_, text) in zip(kinds, rows, strict=True):
        outside = re.sub(r"\([^)]*\)|;.*", "", text)
        assert ["step", *re.findall(r"`(\w+)`", outside)] == [field.name for field in dataclasses.fields(kind)]


STAND_IN = """
from contextlib import nullcontext
logged = []
start_run = nullcontext

def log_metrics(numbers, step):
    assert all(isinstance(value, float) for value in numbers.values())
    logged.append((step, numbers))
"""


def test_the_example_of_another_tracker_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "mlflow.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(str(project))
    (example,) = re.findall(r"^```python\n(.*?)^```$", section("The event stream"), re.MULTILINE | re.DOTALL)
    assert "recipes/quickstart.toml" in example
    seen: dict[str, typing.Any] = {}
    exec(example.replace("recipes/quickstart.toml", "tiny.toml"), seen)
    steps = {step: numbers for step, numbers in seen["mlflow"].logged if "train/loss" in numbers}
    assert list(steps) == list(range(1, 13))
    assert {"validation/accuracy", "test/accuracy", "train/epoch_loss"} <= {
        n for _, each in seen["mlflow"].logged for n in each
    }
