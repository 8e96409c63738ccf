"""What a user reads when a recipe, a setting or a command line is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.errors import line_of, recipe, refused
from tests.conftest import Ftcli


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
        ("nonsense", "a setting is written section.key=value", "such as --set optimizer.lr=1e-5"),
        ("=3", "a setting is written section.key=value", "such as --set optimizer.lr=1e-5"),
        ("batch.sise=3", "unknown key `sise` in [batch]", "did you mean `size`?"),
        ("bacth.size=3", "unknown key `bacth`", "did you mean `batch`?"),
        ("batch.size=three", '`batch.size` must be a whole number, not "three"', "such as 32"),
        ("evaluate.best=eval_loss", "there is no metric `eval_loss` for classification", "did you mean `loss`? trans"),
        ("optimizer.lr=abc", '`optimizer.lr` must be a number, not "abc"', "such as 2e-05"),
        ("batch.batch_sise=3", "unknown key `batch_sise` in [batch]", "did you mean `batch.size`?"),
        ("train.batch_size=3", "unknown key `batch_size` in [train]", "did you mean `batch.size` or `evaluate.batch"),
        ("evaluate.every={epoch=1}", "unknown key `epoch` in [evaluate.every]", "did you mean `epochs`?"),
        ("evaluate.every={}", "missing key `epochs` in [evaluate.every]", "such as 0.5"),
        ("optimizer={kind='torch'}", "missing key `name` in [optimizer]", 'such as "Adagrad", '),
        ("freeze.stages=[{freeze=['x']}]", "missing key `at` in [freeze.stages[0]]", "such as { epoch = 1 }"),
        ("schedule.kind=liner", '`schedule.kind` can\'t be "liner"', "did you mean `linear`? allowed:"),
    ],
)
def test_a_setting_that_is_none_is_shown_as_it_was_written(
    project: Path, ftcli: Ftcli, setting: str, what: str, hint: str
) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert error.startswith(f"error[recipe]: {what}\n")
    assert f"\n  --> --set {setting}\n" in error
    assert f"help: {hint}" in error
    assert error.count("error[") == 1


def test_a_key_that_an_option_leaves_out_is_shown_there_and_not_at_what_it_replaces(
    project: Path, ftcli: Ftcli
) -> None:
    name = recipe(extra="[evaluate]\nevery = 4\n[[freeze.stages]]\nat = { step = 2 }\n")
    for setting in ("evaluate.every={}", "optimizer.kind=torch", "freeze.stages=[{freeze=['x']}]"):
        error = refused(ftcli("train", name, "--set", setting), 2)
        assert error.startswith("error[recipe]: missing key ")
        assert f"\n  --> --set {setting}\nhelp: such as " in error


def test_a_folder_where_a_recipe_belongs_is_told_with_the_recipes_in_it(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "."), 2)
    assert error == "error[recipe]: . is a folder, not a TOML file\nhelp: ./ has tiny.toml\n"


def test_a_freeze_pattern_that_matches_nothing_names_the_nearest_parameters(project: Path, ftcli: Ftcli) -> None:
    name = recipe(extra="[freeze]\npatterns = ['^bert\\.embeddings', 'bert\\.encoder\\.layr\\.0']\n")
    assert refused(ftcli("train", name), 2) == (
        "error[recipe]: `bert\\.encoder\\.layr\\.0` matches none of the 57 parameters\n"
        "  --> a.toml:23\n"
        "   |\n"
        "23 | patterns = ['^bert\\.embeddings', 'bert\\.encoder\\.layr\\.0']\n"
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


def test_a_recipe_that_fails_before_its_run_begins_leaves_the_run_folder_free(project: Path, ftcli: Ftcli) -> None:
    refused(ftcli("train", "tiny.toml", "--set", "freeze.patterns=['brt']"), 2)
    assert not (project / "run").exists()
    assert ftcli("train", "tiny.toml", "--set", "train.steps=1").code == 0


@pytest.mark.parametrize("order", [("train", "a.toml", "--debug"), ("--debug", "train", "a.toml")])
def test_the_traceback_is_shown_on_request(project: Path, ftcli: Ftcli, order: tuple[str, ...]) -> None:
    recipe(("micro_size", "micro_sise"))
    result = ftcli(*order)
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
