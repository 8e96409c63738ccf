from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftcli.errors import CheckpointError, UsageError
from ftcli.runtime.rundir import RunDir, dated


def test_every_path_lies_in_the_run_folder() -> None:
    run = RunDir(Path("run"))
    paths = [run.recipe, run.facts, run.journal, run.out_log, run.metrics, run.predictions, run.checkpoints]
    assert [str(path) for path in (*paths, run.best, run.last)] == [
        "run/recipe.toml",
        "run/run.json",
        "run/log.jsonl",
        "run/out.log",
        "run/metrics.json",
        "run/predictions",
        "run/checkpoints",
        "run/best",
        "run/last",
    ]


def test_a_new_or_an_empty_folder_can_be_claimed(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "a" / "b")
    run.claim()
    assert run.path.is_dir()
    run.claim()


def test_a_folder_with_anything_in_it_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    with pytest.raises(UsageError, match="not empty") as raised:
        RunDir(tmp_path).claim()
    assert raised.value.exit_code == 2
    hint = raised.value.problems[0].hint
    assert hint is not None
    assert f"ftcli resume {tmp_path}" in hint
    assert "--run-dir" in hint


def test_a_file_in_the_way_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UsageError, match="can't make the run folder"):
            RunDir(path).claim()


def test_what_a_launch_left_that_was_killed_before_it_wrote_its_recipe_is_nothing(tmp_path: Path) -> None:
    (tmp_path / ".recipe.toml.partial").write_text("[run")
    RunDir(tmp_path).claim()


def test_a_run_that_failed_before_it_began_gives_its_folder_back(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.claim()
    for path in (run.recipe, run.journal, run.out_log):
        path.touch()
    run.facts.write_text('{"launch": {"id": null}}')
    run.errors.mkdir()
    (run.errors / "rank-1.txt").touch()
    run.release()
    assert not run.path.exists()
    run.release()


def test_a_release_takes_nothing_that_a_run_or_a_user_has_made(tmp_path: Path) -> None:
    begun = RunDir(tmp_path / "begun")
    begun.claim()
    begun.recipe.touch()
    begun.facts.write_text('{"started": 1.5}')
    begun.release()
    assert begun.recipe.is_file()
    noted = RunDir(tmp_path / "noted")
    noted.claim()
    noted.recipe.touch()
    (noted.path / "notes.txt").touch()
    noted.release()
    assert [path.name for path in noted.path.iterdir()] == ["notes.txt"]


def test_only_a_folder_with_a_recipe_is_a_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with pytest.raises(CheckpointError, match=r"it has no recipe\.toml"):
        run.check_is_run()
    with pytest.raises(CheckpointError, match=f"no such folder: {tmp_path}/x"):
        RunDir(tmp_path / "x").check_is_run()
    run.recipe.touch()
    run.check_is_run()


def test_name_and_time_are_filled_in() -> None:
    assert dated("out/{name}", name="a") == Path("out/a")
    assert dated("{odd}/{}", name="a") == Path("{odd}/{}")
    assert re.fullmatch(r"runs/a-\d{8}-\d{6}", str(dated("runs/{name}-{time}", name="a")))


def test_commands_that_name_a_folder_with_blanks_can_be_pasted(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "my run")
    run.claim()
    run.recipe.touch()
    command = f"ftcli resume '{tmp_path}/my run'"
    assert run.resume_command == command
    with pytest.raises(UsageError) as caught:
        run.claim()
    assert f"`{command}`" in str(caught.value.problems[0].hint)
