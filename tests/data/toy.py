"""A data set of a few rows, to be prepared whole or with something wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from ftcli.data.dataset import Prepared
from ftcli.data.prepare import prepare
from ftcli.errors import DataError
from ftcli.runtime.activity import finish
from ftcli.spec.card import DataCard

PAIR = {"text": "q1", "pair": "q2", "label": "y"}


def card(**changes: Any) -> DataCard:
    content: dict[str, Any] = {
        "name": "toy",
        "columns": PAIR,
        "files": {"train": "train.jsonl", "validation": "dev.csv", "test": "test.jsonl"},
    }
    return DataCard.model_validate(content | changes)


def jsonl(rows: Iterable[object]) -> str:
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


def row(number: int, **changes: object) -> dict[str, object]:
    return {"id": number, "q1": f"first {number}", "q2": f"second {number}", "y": number % 2} | changes


TRAIN = [row(number) for number in range(4)]
TEST = [{"q1": "only", "q2": "texts"}]


def run(files: Path, asked: DataCard | None = None, *, max_bad_rows: int = 0, source: str | None = None) -> Prepared:
    work = prepare(
        asked or card(),
        folder=files.parent / "out",
        card_folder=files,
        source=source,
        downloads=files.parent / "downloads",
        max_bad_rows=max_bad_rows,
    )
    return finish(work)


def refused(files: Path, asked: DataCard | None = None, *, max_bad_rows: int = 0) -> DataError:
    with pytest.raises(DataError) as raised:
        run(files, asked, max_bad_rows=max_bad_rows)
    assert sorted(path.name for path in files.parent.iterdir()) == ["files"]
    return raised.value
