"""`train --dry-run`: the plan of the run that the same command line would start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from tests.conftest import Ftcli, spawn


def test_a_dry_run_trains_nothing_and_shows_where_values_come_from(
    project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = ftcli("train", "tiny.toml", "--dry-run", "--set", "optimizer.lr=5e-4")
    assert result.code == 0, result.err
    assert not (project / "run").exists()
    assert "12 of 8 rows" in result.out
    assert "--set optimizer.lr" in result.out
    assert "tiny.toml:" in result.out
    assert "logits [4, 2]" in result.out


def test_the_batch_that_is_tried_is_a_micro_batch_of_the_run(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", "tiny.toml", "--dry-run", "--set", "batch.max_tokens=64")
    assert result.code == 0, result.err
    rows, tokens = map(int, re.findall(r"input_ids \[(\d+), (\d+)\]", result.out)[0])
    assert rows * tokens <= 64
    assert f"logits [{rows}, 2]" in result.out


@pytest.mark.slow
def test_under_torchrun_one_plan_is_made_for_all_processes(project: Path) -> None:
    result = spawn("train", "tiny.toml", "--dry-run", "--set", "batch.accumulation=2", ranks=2, cwd=project)
    assert result.code == 0, result.err
    assert result.out.count("12 of 8 rows") == 1
    assert "2 micro-batches on each rank" in result.out
    assert "logits [2, 2]" in result.out  # a quarter of a step: two ranks, two micro-batches each
    assert result.err.count("read train") == 1


def test_on_a_terminal_no_value_is_lost_beside_a_long_option(
    project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    pattern = r"^bert\.(embeddings|encoder\.layer\.0\.attention\.self\.(query|key|value)\.weight)"
    done = ftcli("train", "tiny.toml", "--dry-run", "--set", f"freeze.patterns=['{pattern}']")
    assert done.code == 0, done.err
    shown = Text.from_ansi(done.out).plain
    lines = shown[shown.index("\nrecipe\n") :].splitlines()
    table = [line for line in lines if not line.startswith(("note:", "warning:"))]
    assert max(map(len, table)) <= 80
    assert any(re.match(r"train\.epochs +2\.0 +tiny\.toml:\d+$", line) for line in table)
    start = next(n for n, line in enumerate(table) if line.startswith("freeze.patterns"))
    end = next(n for n in range(start + 1, len(table)) if not table[n].startswith(" "))
    assert table[start].endswith(" --set freeze.patterns")
    folded = "".join(
        line.removesuffix("--set freeze.patterns")[len("freeze.patterns") :].strip() for line in table[start:end]
    )
    assert folded.replace("\\\\", "\\") == f'["{pattern}"]' or folded == f"['{pattern}']"


def test_a_dry_run_in_a_pipe_can_be_searched(project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Path("recipes").mkdir()
    Path("tiny.toml").rename("recipes/a-recipe-of-mine.toml")
    lines = ftcli("train", "recipes/a-recipe-of-mine.toml", "--dry-run").out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert any(re.match(r"batch\.size +8 +recipes/a-recipe-of-mine\.toml:13$", line) for line in lines)


def test_whoever_reads_a_plan_may_stop_reading(project: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        command = [sys.executable, "-m", "ftcli", "train", "tiny.toml", "--dry-run"]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "rror" in done.stderr) == (0, False), done.stderr


def test_each_stage_says_what_becomes_of_its_frozen_layers_and_what_room_that_takes(
    project: Path, ftcli: Ftcli
) -> None:
    frozen = r"freeze.patterns=['^bert\.embeddings', '^bert\.encoder\.layer\.[01]\.']"
    stages = r"freeze.stages=[{at = {epoch = 1}, unfreeze = ['^bert\.encoder\.layer\.1\.']}]"
    settings = [part for each in (frozen, stages, "freeze.cache=disk") for part in ("--set", each)]
    shown = ftcli("train", "tiny.toml", "--dry-run", *settings).out
    assert shown.index("stage 1") < shown.index("the 2 frozen layers is computed once and cached in")
    assert shown.index("stage 2") < shown.index("the 1 frozen layer is computed once and cached in")
    assert re.search(r"disk .*; \d+(\.\d)? kB of cached states", shown)


def test_a_schedule_that_climbs_above_the_rate_is_drawn_up_to_its_highest(project: Path, ftcli: Ftcli) -> None:
    settings = ("schedule.kind=torch", "schedule.name=ExponentialLR", "schedule.options={gamma=2}", "train.steps=4")
    done = ftcli("train", "tiny.toml", "--dry-run", *(part for each in settings for part in ("--set", each)))
    assert done.code == 0, done.err
    assert re.search(r"^schedule +▂▃▅█  x1 at step 0, x8 at step 3$", done.out, re.MULTILINE), done.out


def test_it_says_that_steps_may_be_compiled(project: Path, ftcli: Ftcli) -> None:
    shown = ftcli("train", "tiny.toml", "--dry-run", "--set", "train.compile=true").out
    assert "each stage's steps are compiled if a trial on the first of them shows that it pays" in shown


def test_it_tells_what_each_of_several_processes_would_take(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", "tiny.toml", "--dry-run", "--world", "4", "--device-memory", "200kB")
    assert result.code == 0, result.err
    lines = result.out[result.out.index("\nmemory of each of 4 processes, ") :].splitlines()[2:7]
    assert max(map(len, lines)) <= 80
    assert lines[0].split("  ")[-1] == "fits 200 kB"
    assert [line.split("  ")[0] for line in lines[1:]] == ["ddp *", "stage1", "stage2", "stage3"]
    cells = [re.split(r" {2,}", line.strip()) for line in lines[1:]]
    assert [each[3] for each in cells] == [
        "69.8 kB",
        "17.5 kB",
        "17.4 kB",
        "17.4 kB",
    ]  # two moments, split by four; stage1 deals whole tensors
    assert cells[0][6] == "52.3 kB"  # a ring of four: 2 * 3/4 of the gradients
    assert {each[7] for each in cells} <= {"yes", "no"}


def test_processes_that_can_have_no_rows_are_warned_of(project: Path, ftcli: Ftcli) -> None:
    shown = ftcli("train", "tiny.toml", "--dry-run", "--world", "20").out
    assert "warning: 12 processes of 20 will have nothing to do: a step of 8 rows is dealt to 8; use no more" in shown
    assert "nothing to do" not in ftcli("train", "tiny.toml", "--dry-run", "--world", "8").out
    pairs = ftcli("train", "tiny.toml", "--dry-run", "--world", "20", "--set", "task.symmetric=true").out
    assert "warning: 4 processes of 20 will have nothing to do: a step of 8 rows is dealt to 16" in pairs


def test_it_says_where_stage1_takes_no_less_with_more_processes(project: Path, ftcli: Ftcli) -> None:
    shown = ftcli("train", "tiny.toml", "--dry-run", "--world", "64").out
    (floor,) = re.findall(
        r"stage1 deals whole tensors, so the largest \((.*) of optimizer\) is its floor; stage2", shown
    )
    more = ftcli("train", "tiny.toml", "--dry-run", "--world", "128").out
    for table in (shown, more):
        (row,) = (line for line in table.splitlines() if line.startswith("stage1  "))
        assert re.split(r" {2,}", row)[3] == floor
    assert "stage1 deals" not in ftcli("train", "tiny.toml", "--dry-run", "--world", "2").out
    assert "stage1 deals" not in ftcli("train", "tiny.toml", "--dry-run").out


@pytest.mark.slow
def test_the_split_of_a_launch_is_the_recipes(project: Path) -> None:
    result = spawn("train", "tiny.toml", "--dry-run", "--set", "distributed.strategy=fsdp", ranks=2, cwd=project)
    assert result.code == 0, result.err
    assert "stage3 *" in result.out
    assert "logits [4, 2]" in result.out


def test_processes_and_memory_are_for_a_dry_run(project: Path, ftcli: Ftcli) -> None:
    for option in ("--world", "--device-memory"):
        result = ftcli("train", "tiny.toml", option, "8")
        assert result.code == 2
        assert "error[usage]" in result.err
    assert not (project / "run").exists()


def test_a_size_that_is_none_is_refused(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", "tiny.toml", "--dry-run", "--device-memory", "8x")
    assert (result.code, result.err) == (
        2,
        "error[usage]: --device-memory 8x: this is no size\nhelp: --device-memory 80GB, or --device-memory 24GiB\n",
    )


def test_processes_that_do_not_make_whole_groups_are_refused(project: Path, ftcli: Ftcli) -> None:
    fsdp = ("--set", "distributed.strategy=fsdp", "--set", "distributed.sharding_degree=4")
    assert ftcli("train", "tiny.toml", "--dry-run", *fsdp).code == 0  # one process splits nothing
    result = ftcli("train", "tiny.toml", "--dry-run", "--world", "6", *fsdp)
    assert result.code == 2
    assert "error[recipe]: `distributed.sharding_degree` is 4, which does not divide 6 processes" in result.err
