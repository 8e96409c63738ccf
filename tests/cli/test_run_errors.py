"""What a user reads when a run can not begin, go on or end well."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftcli.runtime.manifest import seal, verify
from tests.cli.errors import flip, refused
from tests.conftest import Ftcli, Result, make_rows, write_rows


@pytest.mark.parametrize("option", [[], ["--run-dir", "stopped"]])
def test_a_used_run_folder_is_refused_with_both_ways_out(trained: Path, ftcli: Ftcli, option: list[str]) -> None:
    name = option[-1] if option else "run"
    before = sorted(Path(name).rglob("*"))
    error = refused(ftcli("train", "tiny.toml", *option), 2)
    assert error == (
        f"error[usage]: the run folder {name} is not empty\n"
        f"help: go on with it: `ftcli resume {name}`; or put the new run elsewhere: `--run-dir DIR`\n"
    )
    assert sorted(Path(name).rglob("*")) == before


def test_a_run_folder_that_is_a_file_is_refused(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--run-dir", "train.jsonl"), 2)
    assert error == "error[usage]: can't make the run folder train.jsonl: File exists\n"


def test_resuming_what_is_no_run_is_refused(project: Path, ftcli: Ftcli) -> None:
    help_line = "help: name the folder that `ftcli train` made, such as `run`\n"
    assert refused(ftcli("resume", "none"), 6) == f"error[checkpoint]: no such folder: none\n{help_line}"
    Path("empty").mkdir()
    what = "empty is no run folder: it has no recipe.toml"
    assert refused(ftcli("resume", "empty"), 6) == f"error[checkpoint]: {what}\n{help_line}"
    assert refused(ftcli("resume", "tiny.toml"), 6) == (
        "error[checkpoint]: tiny.toml is a file, not a run folder\n"
        f"{help_line.rstrip()}; a new run of a recipe is `ftcli train tiny.toml`\n"
    )


def test_what_would_make_it_another_run_can_not_change_in_the_middle(trained: Path, ftcli: Ftcli) -> None:
    before = Path("stopped/recipe.toml").read_text()
    error = refused(ftcli("resume", "stopped", "--set", "run.seed=7", "--set", "batch.size=9"), 2)
    way = "help: start a new run from its weights: ftcli train RECIPE --init-from stopped/last\n"
    assert error == (
        "error[recipe]: `batch.size` can't change in the middle of a run: every step would have other rows, and"
        " progress counts steps\n"
        "  --> --set batch.size=9\n"
        f"{way}"
        "\n"
        "error[recipe]: `run.seed` can't change in the middle of a run: every later step would have other rows and"
        " other dropout\n"
        "  --> --set run.seed=7\n"
        f"{way}"
        "\n"
        "2 problems\n"
    )
    assert Path("stopped/recipe.toml").read_text() == before


def test_a_run_does_not_go_on_with_other_rows(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "train.stop_after=3").code == 0
    rows = (project / "train.jsonl").read_text()
    write_rows(project / "train.jsonl", make_rows(45, seed=9))
    error = refused(ftcli("resume", "run"), 3)
    assert error.splitlines()[0].endswith(" does not hold the rows that run/checkpoints/step-000003 was trained on")
    assert "\nhelp: bring the old data back, or start a new run with `ftcli train`\n" in error
    (project / "train.jsonl").write_text(rows)
    assert ftcli("resume", "run").code == 0


def test_a_run_that_took_its_rows_in_another_order_does_not_go_on(trained: Path, ftcli: Ftcli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree("stopped", run, symlinks=True)
    newest = verify(run / "last")
    facts = {name: value for name, value in newest.manifest.items() if name not in {"files", "sha256"}}
    (newest.path / "manifest.json").unlink()
    seal(newest.path, {**facts, "format_version": 1})
    error = refused(ftcli("resume", run), 6)
    assert error == (
        f"error[checkpoint]: {run}/checkpoints/{newest.path.resolve().name} was saved by a version of ftcli that takes"
        " the rows of an epoch in another order\n"
        "help: go on with that version, or start a new run from its weights: ftcli train RECIPE --init-from"
        f" {run}/last\n"
    )
    assert ftcli("eval", "--ckpt", run / "last").code == 0


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(copied: Path, ftcli: Ftcli) -> None:
    for folder in (copied / "checkpoints").iterdir():
        flip(folder / "state" / "optimizer.safetensors")
    error = refused(ftcli("resume", copied), 6)
    assert error.startswith(f"error[checkpoint]: no checkpoint of {copied} can be used: checkpoint ")
    assert error.count("state/optimizer.safetensors does not match its hash") == 2
    assert error.endswith(f"\nhelp: start anew: ftcli train {copied}/recipe.toml --run-dir DIR\n")


EXPLODES = ("--set", "optimizer.kind=sgd", "--set", "optimizer.lr=1e30", "--set", "evaluate.every=never")


def test_a_loss_that_is_no_number_stops_the_run_and_what_came_before_is_saved(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", *EXPLODES, "--set", "log.every=never"), 5)
    what, help_line, note = error.splitlines()
    number = "(nan|inf)"
    pattern = rf"error\[loss\]: the loss is {number} and the gradient norm {number} in step 2, among 8 of its rows"
    assert re.fullmatch(pattern, what)
    assert help_line == "help: lower optimizer.lr, lengthen schedule.warmup, or use precision.kind = fp32"
    assert note == "note: details: run/postmortem.md; go on with: ftcli resume run --set optimizer.lr=..."
    assert [path.name for path in (project / "run" / "checkpoints").iterdir()] == ["step-000001"]


def test_the_postmortem_shows_rows_layers_and_steps_and_the_way_on(project: Path, ftcli: Ftcli) -> None:
    refused(ftcli("train", "tiny.toml", *EXPLODES), 5)
    text = (project / "run" / "postmortem.md").read_text(encoding="utf-8")
    assert "After step 1" in text
    assert "exit code 5" in text
    assert "Last good checkpoint: run/checkpoints/step-000001." in text
    assert "```\nftcli resume run --set optimizer.lr=...\n```" in text
    assert re.search(r"^\| bert\.encoder\.layer\.0 \| (nan|inf) \|$", text, re.MULTILINE)
    assert re.search(r"^\| 1 \| 0\.\d+ \| \d", text, re.MULTILINE)
    prepared = next((project / "data").rglob("train.jsonl")).read_text(encoding="utf-8")
    trained_on = [json.loads(line) for line in prepared.splitlines()]
    for number, shown in re.findall(r"^\| (\d+) \| (.+ \\\| .+ \\\| .+) \|$", text, re.MULTILINE):
        row = trained_on[int(number)]
        assert shown.split(" \\| ") == [row["a"], row["b"], row["label"]]
    last = json.loads((project / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["error"], last["exit_code"], last["step"]) == ("run_failed", "loss", 5, 1)


def test_a_failed_run_goes_on_with_another_rate_and_forgets_its_postmortem(project: Path, ftcli: Ftcli) -> None:
    refused(ftcli("train", "tiny.toml", "--set", "optimizer.kind=sgd", "--set", "optimizer.lr=1e30"), 5)
    refused(ftcli("resume", "run"), 5)
    done = ftcli("resume", "run", "--set", "optimizer.lr=1e-3")
    assert done.code in (0, 5), done.err
    assert "optimizer.lr" in done.err


def test_a_last_step_that_breaks_the_weights_is_found_by_the_evaluation(project: Path, ftcli: Ftcli) -> None:
    options = ("--set", "optimizer.kind=sgd", "--set", "optimizer.lr=1e30", "--set", "train.steps=1")
    error = refused(ftcli("train", "tiny.toml", *options, "--set", "evaluate.every=1"), 5)
    assert re.match(r"error\[loss\]: the validation loss is (nan|inf) after step 1\n", error)
    assert not (project / "run" / "checkpoints").exists()


def test_a_full_disk_costs_the_new_checkpoint_only(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    folder = tmp_path / "full"
    shutil.copytree("stopped", folder, symlinks=True)
    weights = (folder / "last" / "model.safetensors").stat().st_size
    # The first limit is met by the weights, the second one by the optimizer's state.
    limited = (
        "import resource, sys\nfrom ftcli.cli.main import run\n"
        "no_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        f"for limit in ({weights // 2}, {weights * 3 // 2}):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, no_limit))\n"
        "    code = run(sys.argv[1:])\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", limited, "resume", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    error = refused(Result(done.returncode, done.stdout, done.stderr), 6)
    assert len(re.findall(r"can't save a checkpoint at step 12, which needs [\d,]{8,} bytes: ", done.stderr)) == 2
    assert done.stderr.count("File too large") == 2
    assert f"\nhelp: free some space under {folder}, then `ftcli resume {folder}`\n" in error
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-000006"]
    assert ftcli("eval", "--ckpt", folder / "last").code == 0
    again = ftcli("resume", folder)
    assert again.code == 0, again.err
    assert "resuming from step 6" in again.err
