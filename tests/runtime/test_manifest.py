"""Replacing a file of a checkpoint: whenever that is interrupted, the checkpoint is whole, before or after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ftcli.errors import CheckpointError
from ftcli.runtime.manifest import MANIFEST, replace_file, verify
from ftcli.runtime.rundir import RunDir
from tests.runtime.saving import save

KILLED = """
import os, sys
from pathlib import Path
from ftcli.runtime.manifest import replace_file, verify
saved, moves = verify(Path(sys.argv[1])), int(sys.argv[2])
def count(event, _):
    global moves
    if event == "os.rename":
        moves -= 1
        if moves < 0:
            os._exit(9)
sys.addaudithook(count)
replace_file(saved, "weights", b"new")
"""


def test_a_replaced_file_is_vouched_for_and_nothing_else_changes(tmp_path: Path) -> None:
    saved = save(RunDir(tmp_path), 4)
    after = replace_file(saved, "weights", b"new")
    assert verify(saved.path) == after
    assert (saved.path / "weights").read_bytes() == b"new"
    others = {name: entry for name, entry in saved.manifest["files"].items() if name != "weights"}
    assert {name: entry for name, entry in after.manifest["files"].items() if name != "weights"} == others
    assert {**after.manifest, "files": 0, "sha256": 0} == {**saved.manifest, "files": 0, "sha256": 0}
    assert sorted(path.name for path in saved.path.iterdir()) == ["empty", MANIFEST, "state", "weights"]


@pytest.mark.parametrize(("moves", "is_new"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_kill_at_any_move_leaves_a_checkpoint_that_verifies(tmp_path: Path, moves: int, is_new: bool) -> None:
    saved = save(RunDir(tmp_path), 4)
    before = (saved.path / "weights").read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, saved.path, str(moves)], check=False)
    assert done.returncode == (9 if moves < 3 else 0)
    found = verify(saved.path)
    assert (saved.path / "weights").read_bytes() == (b"new" if is_new else before)
    replace_file(found, "weights", b"newer")  # and it can be done again
    assert "or" not in verify(saved.path).manifest["files"]["weights"]
    assert (saved.path / "weights").read_bytes() == b"newer"


def test_between_two_contents_a_third_is_still_damage(tmp_path: Path) -> None:
    saved = save(RunDir(tmp_path), 4)
    subprocess.run([sys.executable, "-c", KILLED, saved.path, "1"], check=False)
    (saved.path / "weights").write_bytes(b"odd")
    with pytest.raises(CheckpointError, match="weights does not match its hash"):
        verify(saved.path)
    (saved.path / "weights").write_bytes(b"longer than either")
    with pytest.raises(CheckpointError, match="weights has 18 bytes instead of 300"):
        verify(saved.path)
