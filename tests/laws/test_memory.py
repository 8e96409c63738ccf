"""No memory grows with the rows, but a few bytes of each while they are prepared."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from ftcli.data.content import Content
from ftcli.data.scratch import scratch_database
from ftcli.data.split import Splitter
from ftcli.runtime.activity import finish
from tests.data.toy import PAIR, card, jsonl, row, run

TOKENS = 30
"""Of each row."""
_STEPS = """
import sys
from pathlib import Path
from ftcli.data.plan import Cut
from ftcli.data.tokenstore import open_tokens
from ftcli.runtime.world import World
from ftcli.spec.sections import BatchSection
from ftcli.tasks.classification import Classification
from ftcli.train.feed import Feed

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

before = peak()
split = open_tokens(Path(sys.argv[1])).splits["train"]
batch = BatchSection(size=32, window=int(sys.argv[2]))
task = Classification(labels=("no", "yes"), metrics=("accuracy",))
feed = Feed(split, task=task, batch=batch, cut=Cut(rows=8), seed=1, world=World(), pad_id=0)
assert sum(feed.group(step).num_rows for step in range(200)) == 6400
print(peak() - before)
"""


def make_store(folder: Path, num_rows: int) -> Path:
    """A token store of rows of zeros, whose files take hardly any room on the disk but for the offsets."""
    folder.mkdir()
    sizes = {
        "ids": (num_rows * TOKENS, "int32"),
        "type_ids": (num_rows * TOKENS, "uint8"),
        "labels": (num_rows, "int64"),
    }
    for name, (size, dtype) in sizes.items():
        with (folder / f"train.{name}").open("wb") as file:
            file.truncate(size * np.dtype(dtype).itemsize)
    with (folder / "train.offsets").open("wb", buffering=0) as file:  # in pieces, as it is written while tokenising
        for start in range(0, num_rows + 1, 2048):
            file.write((np.arange(start, min(start + 2048, num_rows + 1)) * TOKENS).tobytes())
    arrays = {name: {"shape": [size], "dtype": dtype} for name, (size, dtype) in sizes.items()}
    arrays["offsets"] = {"shape": [num_rows + 1], "dtype": "int64"}
    facts: dict[str, Any] = {"arrays": arrays, "is_labelled": True, "length_counts": {str(TOKENS): num_rows}}
    meta = {"splits": {"train": {**facts, "num_unknown": 0, "num_pieces": 0}}}
    (folder / "meta.json").write_bytes(orjson.dumps(meta))
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux's /proc")
@pytest.mark.parametrize("window", [1, 8])
def test_steps_of_20_million_rows_take_the_memory_of_20_thousand(tmp_path: Path, window: int) -> None:
    peaks: list[int] = []
    for num_rows in (20_000, 20_000_000):
        store = make_store(tmp_path / str(num_rows), num_rows)
        command = [sys.executable, "-c", _STEPS, str(store), str(window)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 100_000  # kilobytes; eight bytes a row would be 160,000


def bytes_a_row(work: Callable[[int], object]) -> float:
    """What the peak of memory grows by with each further row."""
    peaks: list[int] = []
    for num_rows in (12_000, 32_000):  # where all buffers are full
        tracemalloc.start()
        try:
            work(num_rows)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return (peaks[1] - peaks[0]) / 20_000


def test_preparing_rows_holds_a_few_bytes_of_each(tmp_path: Path) -> None:
    def prepared(num_rows: int) -> None:
        files = tmp_path / str(num_rows) / "files"
        files.mkdir(parents=True)
        (files / "train.jsonl").write_text(jsonl(map(row, range(num_rows))))
        run(files, card(files={"train": "train.jsonl"}, columns=PAIR))

    assert bytes_a_row(prepared) < 20


@pytest.mark.parametrize("label", ["a", 0.5])
def test_dealing_rows_holds_a_few_bytes_of_each(tmp_path: Path, label: str | float) -> None:
    def dealt(num_rows: int) -> None:
        with scratch_database(tmp_path / "texts.sqlite") as database:
            splitter = Splitter(database, seed=0)
            for number in range(num_rows):
                splitter.add(Content((f"text {number}",), label if isinstance(label, str) else label * number))
            finish(splitter.deal({"validation": 0.1, "test": 0.1}))

    assert bytes_a_row(dealt) < 40
