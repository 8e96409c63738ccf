"""Whatever is wrong with a checkpoint is found, and the newest sound one is gone on from."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.errors import CheckpointError
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.manifest import read_manifest, verify
from ftcli.runtime.rundir import RunDir
from tests.runtime.saving import Write, newest, save

FLIPS = st.tuples(
    st.sampled_from(["weights", "state/progress", "manifest.json"]), st.integers(0, 10**6), st.integers(1, 255)
)


@settings(deadline=None, max_examples=150)
@given(st.lists(FLIPS, min_size=1, max_size=3, unique_by=lambda flip: flip[0]))
def test_flipped_bytes_are_found_in_any_file(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[str, int, int]]
) -> None:
    run = RunDir(tmp_path_factory.mktemp("run"))
    save(run, 4)
    saved = save(run, 8)
    for name, place, mask in flips:
        path = saved.path / name
        raw = bytearray(path.read_bytes())
        raw[place % len(raw)] ^= mask
        path.write_bytes(raw)
    if newest(run) == (8, 0):  # white space of the manifest carries nothing
        assert [name for name, _, _ in flips] == ["manifest.json"]
        assert verify(saved.path) == saved
    else:
        assert newest(run) == (4, 1)


DAMAGES: dict[str, Write] = {
    "a file is missing": lambda folder: (folder / "weights").unlink(),
    "an empty file is missing": lambda folder: (folder / "empty").unlink(),
    "a file is truncated": lambda folder: os.truncate(folder / "weights", 299),
    "a file is emptied": lambda folder: os.truncate(folder / "weights", 0),
    "a file has grown": lambda folder: (folder / "empty").write_bytes(b"x"),
    "two files are swapped": lambda folder: _swap(folder / "weights", folder / "state" / "progress"),
    "a file became a folder": lambda folder: ((folder / "empty").unlink(), (folder / "empty").mkdir())[1],
    "a folder is missing": lambda folder: shutil.rmtree(folder / "state"),
    "the manifest is missing": lambda folder: (folder / "manifest.json").unlink(),
    "the manifest is empty": lambda folder: os.truncate(folder / "manifest.json", 0),
    "the manifest is cut": lambda folder: os.truncate(folder / "manifest.json", 60),
    "the manifest is a folder": lambda folder: (
        (folder / "manifest.json").unlink(),
        (folder / "manifest.json").mkdir(),
    )[1],
    "the manifest is no table": lambda folder: _write(folder, []),
    "the manifest is a word": lambda folder: _write(folder, "x"),
    "the manifest has no hash": lambda folder: _edit(folder, sha256=None),
    "the manifest names another step": lambda folder: _edit(folder, step=9),
    "the manifest vouches for nothing": lambda folder: _edit(folder, files={}),
    "the manifest has a new fact": lambda folder: _edit(folder, more=1),
    "the folder is empty": lambda folder: (shutil.rmtree(folder), folder.mkdir())[1],
}


def _swap(one: Path, other: Path) -> None:
    left, right = one.read_bytes(), other.read_bytes()
    one.write_bytes(right)
    other.write_bytes(left)


def _write(folder: Path, value: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(value))


def _edit(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    _write(folder, {name: value for name, value in manifest.items() if value is not None})


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_damage_is_found_and_passed_over(run: RunDir, damage: str) -> None:
    save(run, 4)
    saved = save(run, 8)
    DAMAGES[damage](saved.path)
    with pytest.raises(CheckpointError, match="step-000008"):
        verify(saved.path)
    assert newest(run) == (4, 1)


def test_a_damage_is_told_by_file_and_kind(run: RunDir) -> None:
    saved = save(run, 8)
    os.truncate(saved.path / "weights", 12)
    with pytest.raises(CheckpointError, match="weights has 12 bytes instead of 300"):
        verify(saved.path)
    assert read_manifest(saved.path) == saved


def test_where_everything_is_damaged_there_is_nothing_to_go_on_from(run: RunDir) -> None:
    for step in (4, 8):
        os.truncate(save(run, step).path / "weights", 1)
    found, skipped = CheckpointStore(run, keep=2).newest()
    assert found is None
    assert ["step-000008" in skipped[0], "step-000004" in skipped[1]] == [True, True]


def test_a_run_without_checkpoints_has_none(run: RunDir) -> None:
    assert newest(run) == (None, 0)
    with pytest.raises(CheckpointError, match="no such checkpoint") as raised:
        verify(run.best)
    assert raised.value.exit_code == 6
