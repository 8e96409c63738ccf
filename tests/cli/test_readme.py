"""The README's examples on one's own files, run as they are written in an empty folder, with a tiny model."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

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
