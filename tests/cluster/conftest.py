"""The run that all others here are held against."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import make_project, spawn
from tests.laws.test_elastic import OPTIONS

SECONDS = "distributed.timeout_seconds=5"
TRAIN = ("train", "tiny.toml", *OPTIONS, "--set", "evaluate.every={epochs=1}")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A run of two processes on one machine."""
    folder = make_project(tmp_path_factory.mktemp("whole"), model_folder)
    done = spawn(*TRAIN, ranks=2, cwd=folder)
    assert done.code == 0, done.err
    return folder / "run"
