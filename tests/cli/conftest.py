"""A finished project, trained once for all tests of the command line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftcli.cli.main import run
from tests.conftest import make_project, make_rows, write_rows
from tests.laws.rig import TASKS, spec_for


def make_classifier_and_tagger(folder: Path, model_folder: Path, *, num_rows: int) -> Path:
    """A project with a classifier of pairs in `run`, a tagger in `tagger`, and `rows.jsonl` for both."""
    make_project(folder, model_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["train", "tiny.toml", "--set", "train.steps=1"]) == 0
        write_rows(folder / "rows.jsonl", make_rows(num_rows, seed=4))
        settings = (*TASKS["tagging in windows"], "train.steps=1")
        spec_for(folder, *settings)
        options = [part for each in settings for part in ("--set", each)]
        assert run(["train", "tiny.toml", "--run-dir", "tagger", *options]) == 0
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[Path]:
    """A project with a finished run in `run`, exported, and a stopped one in `stopped`. Look, don't touch."""
    folder = make_project(tmp_path_factory.mktemp("finished"), model_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["train", "tiny.toml"]) == 0
        assert run(["export", "--ckpt", "run/best"]) == 0
        assert run(["train", "tiny.toml", "--run-dir", "stopped", "--set", "train.stop_after=6"]) == 0
    return folder


@pytest.fixture
def trained(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished project as the working directory. What is written there must have a name of its own."""
    monkeypatch.chdir(finished)
    return finished


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of `run` to damage; the data is still found where it was."""
    shutil.copytree(trained / "run", tmp_path / "run", symlinks=True)
    return tmp_path / "run"
