"""Law 7: any flipped byte, truncated or missing file in a checkpoint is found before training continues."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ftcli.errors import CheckpointError
from ftcli.flows.train import resume, train
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.manifest import verify
from ftcli.runtime.rundir import RunDir
from ftcli.train.events import Noted, StepDone
from tests.laws.rig import spec_of
from tests.laws.test_resume import assert_same_bytes

FLIPS = 400


@pytest.fixture
def stopped(project: Path) -> Path:
    """A run stopped at step 8, with checkpoints at steps 4 and 8."""
    settings = ("train.stop_after=8", "checkpoint.every=4", "evaluate.every=never")
    list(train(spec_of(project / "tiny.toml", *settings), run_dir="run"))
    return project / "run"


def files_of(run: Path) -> list[Path]:
    return sorted(path for path in (run / "checkpoints/step-000008").rglob("*") if path.is_file())


def newest_step(run: Path) -> int | None:
    found, _ = CheckpointStore(RunDir(run), keep=2).newest()
    return found.step if found else None


def test_every_one_of_400_random_flipped_bytes_over_all_files_is_found(stopped: Path) -> None:
    rng = random.Random(3)
    files = files_of(stopped)
    assert {"manifest.json", "model.safetensors", "optimizer.safetensors", "progress.json", "recipe.toml"} <= {
        path.name for path in files
    }
    for number in range(FLIPS):
        path = files[number % len(files)]
        content = bytearray(path.read_bytes())
        place, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        content[place] ^= bit
        path.write_bytes(bytes(content))
        with pytest.raises(CheckpointError):
            verify(stopped / "checkpoints/step-000008")
        assert newest_step(stopped) == 4, f"byte {place} of {path}"
        content[place] ^= bit
        path.write_bytes(bytes(content))
    assert newest_step(stopped) == 8


def test_every_truncated_and_every_missing_file_is_found(stopped: Path) -> None:
    for path in files_of(stopped):
        content = path.read_bytes()
        for kept in (0, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:kept])
            assert newest_step(stopped) == 4, f"{path} cut to {kept} bytes"
        path.unlink()
        assert newest_step(stopped) == 4, f"{path} is missing"
        path.write_bytes(content)
    assert newest_step(stopped) == 8


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["model.safetensors", "state/optimizer.safetensors", "manifest.json", "config.json"])
@pytest.mark.parametrize("damage", [cut, Path.unlink], ids=["cut", "missing"])
def test_training_goes_on_from_the_older_good_checkpoint_to_the_same_bytes(
    stopped: Path, project: Path, name: str, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(stopped, project / "whole", symlinks=True)
    list(resume(project / "whole"))
    damage(stopped / "checkpoints/step-000008" / name)
    events = list(resume(stopped))
    skipped = [e.text for e in events if isinstance(e, Noted) and "passed over a checkpoint" in e.text]
    assert len(skipped) == 1
    assert name in skipped[0]
    assert next(e.step for e in events if isinstance(e, StepDone)) == 5
    assert_same_bytes(stopped, project / "whole")
