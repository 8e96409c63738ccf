"""A recipe's values, problems and paths, and where each value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.errors import CheckpointError, Problem
from ftcli.spec.choices import AdamW, Linear
from ftcli.spec.recipe import anchored
from ftcli.spec.run import RunSpec
from tests.spec.loading import SOUND, load, refused


def test_a_recipe_needs_little(folder: Path) -> None:
    spec = load(SOUND).spec
    assert (spec.data.name, spec.model.path) == ("demo", "m")
    assert (spec.data.max_length, spec.batch.micro_size, spec.checkpoint.keep) == (128, "auto", 2)


def test_a_setting_wins_over_the_recipe_and_the_recipe_over_the_default(folder: Path) -> None:
    recipe = load(SOUND + "[batch]\nsize = 8\n", "batch.size=4", "optimizer.lr=1e-3", "run.dir=out")
    assert (recipe.spec.batch.size, recipe.spec.optimizer.lr, recipe.spec.run.dir) == (4, 1e-3, "out")


def test_of_two_equal_settings_the_last_counts(folder: Path) -> None:
    assert load(SOUND, "batch.size=4", "batch.size=5").spec.batch.size == 5


def test_every_problem_of_every_layer_is_reported_at_once(folder: Path) -> None:
    found = refused(
        "[batch]\nsise = 3\n", "run.seed=x", "data.maxlength=3", base=SOUND + "[train]\nepochs = 'many'\nstepps = 3\n"
    )
    assert [str(problem.where) for problem in found] == [
        "--set data.maxlength=3",
        "--set run.seed=x",
        "a.toml:3:1",
        "base.toml:6:10",
        "base.toml:7:1",
    ]
    assert [problem.hint for problem in found] == [
        "did you mean `max_length`?",
        "such as 42",
        "did you mean `size`?",
        "such as 3.0",
        "did you mean `steps`?",
    ]


def test_a_problem_between_layers_is_shown_at_the_value_in_force(folder: Path) -> None:
    (problem,) = refused("[batch]\nmicro_size = 16\n", "batch.size=8", base=SOUND + "[batch]\nmicro_size = 64\n")
    assert problem.what == "`batch.micro_size` is 16, more than the 8 rows of a step (`batch.size`)"
    assert str(problem.where) == "a.toml:3:14"


def test_a_missing_key_is_shown_at_its_table_and_not_at_an_option(folder: Path) -> None:
    (problem,) = refused("[data]\nname = 'demo'\n[model]\n", "model.head=mean")
    assert problem.what == "missing key `path` in [model]"
    assert str(problem.where) == "a.toml:3:1"
    (problem,) = refused("[log]\nevery = 1\n", base="[data]\nname = 'demo'\n")
    assert (problem.what, str(problem.where)) == ("missing key `model`", "a.toml")


def test_the_origin_of_a_value_is_where_it_was_said_last(folder: Path) -> None:
    recipe = load(
        "[batch]\nsize = 8\n[freeze]\npatterns = ['x']\n",
        "optimizer.lr=1e-3",
        base=SOUND + "[optimizer]\nlr = 1.0\nweight_decay = 0.5\n[batch]\nsize = 16\n",
    )
    assert {key: recipe.origin(key) for key in [("data", "name"), ("optimizer", "weight_decay")]} == {
        ("data", "name"): "base.toml:2",
        ("optimizer", "weight_decay"): "base.toml:7",
    }
    assert recipe.origin(("batch", "size")) == "a.toml:3"
    assert recipe.origin(("freeze", "patterns", 0)) == "a.toml:5"
    assert recipe.origin(("optimizer", "lr")) == "--set optimizer.lr=1e-3"
    assert recipe.origin(("train", "epochs")) == "default"


def test_the_origin_of_what_a_later_layer_discarded_is_the_default(folder: Path) -> None:
    base = SOUND + "[optimizer]\nlr = 1.0\n[batch]\nmicro_size = 4\n"
    recipe = load("[optimizer]\nkind = 'sgd'\n", "batch.max_tokens=512", base=base)
    assert recipe.spec.optimizer.lr == AdamW().lr
    assert recipe.origin(("optimizer", "lr")) == "default"
    assert recipe.origin(("batch", "micro_size")) == "default"
    assert recipe.origin(("batch", "max_tokens")) == "--set batch.max_tokens=512"


def test_a_later_error_is_pinned_to_the_line_that_caused_it(folder: Path) -> None:
    recipe = load("[freeze]\npatterns = [\n  'a',\n  'b',\n]\n", "run.device=cuda", base=SOUND)
    error = CheckpointError(
        [
            Problem("no parameter matches `b`", key=("freeze", "patterns", 1)),
            Problem("no such model", hint="look there", key=("model", "path")),
            Problem("no CUDA", key=("run", "device")),
            Problem("a default is bad", key=("log", "every")),
            Problem("no key"),
        ]
    )
    pinned = recipe.pinpoint(error)
    assert type(pinned) is CheckpointError
    assert [(p.what, str(p.where)) for p in pinned.problems] == [
        ("no CUDA", "--set run.device=cuda"),
        ("a default is bad", "a.toml"),
        ("no parameter matches `b`", "a.toml:5:3"),
        ("no such model", "base.toml:4:8"),
        ("no key", "None"),
    ]
    assert pinned.problems[3].hint == "look there"


def test_local_paths_are_made_absolute_and_everything_else_stays(folder: Path) -> None:
    (folder / "m").mkdir()
    (folder / "t.csv").touch()
    (folder / "card.toml").touch()
    text = "[data]\ntrain = 't.csv'\nvalidation = 'https://x/t.csv'\ncolumns = { text = 'a' }\n[model]\npath = 'm'\n"
    spec = anchored(load(text).spec)
    assert (spec.data.train, spec.data.validation, spec.data.test) == (
        str(folder / "t.csv"),
        "https://x/t.csv",
        "off",
    )
    assert (spec.model.path, spec.model.tokenizer) == (str(folder / "m"), "auto")
    assert spec.data.root == str(folder / "data")
    assert anchored(spec) == spec
    by_name = anchored(load("[data]\nname = 'card.toml'\n[model]\npath = 'hub/id'\n").spec)
    assert (by_name.data.name, by_name.model.path) == (str(folder / "card.toml"), "hub/id")
    (folder / "demo").mkdir()
    assert anchored(load(SOUND).spec).data.name == "demo"


def test_a_spec_can_be_made_without_a_recipe() -> None:
    spec = RunSpec.model_validate({"data": {"name": "demo"}, "model": {"path": "m"}, "schedule": {"warmup": 5}})
    assert (spec.optimizer, spec.schedule) == (AdamW(), Linear(warmup=5))
    with pytest.raises(ValueError, match="more than the 4 rows"):
        RunSpec.model_validate(
            {"data": {"name": "demo"}, "model": {"path": "m"}, "batch": {"size": 4, "micro_size": 8}}
        )
