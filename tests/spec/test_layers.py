"""Recipes in layers: what is inherited, what replaces what."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.errors import RecipeError
from ftcli.spec.choices import SGD, AdamW, Cosine, CustomOptimizer
from ftcli.spec.recipe import load_recipe
from tests.spec.loading import SOUND, load, refused


def test_tables_merge_deeply_and_arrays_replace(folder: Path) -> None:
    base = "[model]\npath = 'm'\n[data]\ntrain = 't'\ncolumns = { text = 'a', pair = 'b' }\n"
    base += "[freeze]\npatterns = ['a', 'b']\n"
    recipe = load("[data.columns]\nlabel = 'l'\n[freeze]\npatterns = ['c']\n[data]\nmax_length = 16\n", base=base)
    columns = recipe.spec.data.columns
    assert columns is not None
    assert (columns.text, columns.pair, columns.label) == ("a", "b", "l")
    assert recipe.spec.freeze.patterns == ("c",)
    assert recipe.spec.data.max_length == 16


def test_a_changed_kind_discards_the_inherited_table(folder: Path) -> None:
    base = SOUND + "[optimizer]\nbeta1 = 0.5\nlr = 1.0\n[schedule]\nkind = 'polynomial'\npower = 3.0\n"
    recipe = load("[optimizer]\nkind = 'sgd'\n[schedule]\nkind = 'cosine'\nwarmup = 0.5\n", base=base)
    assert recipe.spec.optimizer == SGD()
    assert recipe.spec.schedule == Cosine(warmup=0.5)


def test_a_kind_that_is_only_said_again_discards_nothing(folder: Path) -> None:
    base = SOUND + "[optimizer]\nbeta1 = 0.5\n[schedule]\nkind = 'cosine'\nwarmup = 7\n"
    recipe = load("[optimizer]\nkind = 'adamw'\n[schedule]\nkind = 'cosine'\n", base=base)
    assert recipe.spec.optimizer == AdamW(beta1=0.5)
    assert recipe.spec.schedule == Cosine(warmup=7)


def test_a_kind_that_is_set_keeps_what_it_knows_too(folder: Path) -> None:
    """So that a sweep over kinds compares recipes that are alike otherwise."""
    text = SOUND + "[optimizer]\nbeta1 = 0.5\nlr = 1.0\n[schedule]\nkind = 'polynomial'\npower = 3.0\nwarmup = 0.2\n"
    recipe = load(text, "optimizer.kind=sgd", "schedule.kind=cosine")
    assert recipe.spec.optimizer == SGD(lr=1.0)
    assert recipe.spec.schedule == Cosine(warmup=0.2)
    assert recipe.origin(("schedule", "warmup")).startswith("a.toml:")
    options = "[optimizer]\nkind = 'torch'\nname = 'RAdam'\noptions = { eps = 1e-6 }\n"
    other = load(SOUND + options, "optimizer.kind=custom", "optimizer.factory=mine:made")
    assert other.spec.optimizer == CustomOptimizer(factory="mine:made", options={})


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_settings_does_not_matter_to_a_kind(folder: Path, turned: bool) -> None:
    settings = ["optimizer.lr=0.5", "optimizer.kind=sgd"]
    recipe = load(SOUND + "[optimizer]\nbeta1 = 0.5\n", *(reversed(settings) if turned else settings))
    assert recipe.spec.optimizer == SGD(lr=0.5)


def test_a_recipe_is_inherited_over_several_folders(folder: Path) -> None:
    (folder / "far").mkdir()
    (folder / "far" / "root.toml").write_text(SOUND + "[batch]\nsize = 2\n[run]\nseed = 1\n[train]\nepochs = 9\n")
    (folder / "far" / "middle.toml").write_text('extends = "root.toml"\n[batch]\nsize = 3\n[run]\nseed = 2\n')
    spec = load('extends = "far/middle.toml"\n[run]\nseed = 3\n').spec
    assert (spec.train.epochs, spec.batch.size, spec.run.seed) == (9, 3, 3)


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_cycle_is_an_error_that_shows_it(folder: Path, names: tuple[str, ...]) -> None:
    for name, following in zip(names, (*names[1:], names[0]), strict=True):
        (folder / f"{name}.toml").write_text(f'extends = "{following}.toml"\n')
    with pytest.raises(RecipeError, match="can't extend itself") as raised:
        load_recipe(Path("a.toml"))
    problem = raised.value.problems[0]
    assert " -> ".join(f"{name}.toml" for name in (*names, "a")) in problem.what
    assert str(problem.where) == f"{names[-1]}.toml:1:11"


def test_what_extends_names_must_be_a_recipe_that_is_there(folder: Path) -> None:
    (problem,) = refused('extends = "none.toml"\n')
    assert "not there" in problem.what
    assert str(problem.where) == "a.toml:1:11"
    (problem,) = refused("extends = 3\n")
    assert "must be the path" in problem.what


def test_extends_can_not_be_set(folder: Path) -> None:
    (problem,) = refused(SOUND, "extends=base.toml")
    assert problem.what == "`extends` can only stand in a recipe"
    assert str(problem.where) == "--set extends=base.toml"


def test_a_kind_that_is_set_of_a_table_without_kinds_is_an_unknown_key(folder: Path) -> None:
    (problem,) = refused(SOUND + "[log]\nevery = 3\n", "log.kind=x")
    assert problem.what == "unknown key `kind` in [log]"
    assert str(problem.where) == "--set log.kind=x"


def test_a_stray_kind_discards_nothing(folder: Path) -> None:
    (problem,) = refused(SOUND, "kind=adamw")
    assert problem.what == "unknown key `kind`"


CUTS = ["micro_size", "max_tokens", "accumulation"]


@pytest.mark.parametrize("upper", CUTS)
@pytest.mark.parametrize("lower", CUTS)
def test_a_later_way_to_cut_a_step_replaces_an_earlier_one(folder: Path, lower: str, upper: str) -> None:
    numbers = {"micro_size": 4, "max_tokens": 256, "accumulation": 2}
    off = {"micro_size": "auto", "max_tokens": "off", "accumulation": "off"}
    base = f"{SOUND}[batch]\nwindow = 3\n{lower} = {numbers[lower]}\n"
    expected = {**off, upper: numbers[upper], "size": 32, "window": 3, "seed": "run", "drop_last": False}
    assert load(f"[batch]\n{upper} = {numbers[upper]}\n", base=base).spec.batch.model_dump() == expected
    assert load(base, f"batch.{upper}={numbers[upper]}").spec.batch.model_dump() == expected


def test_turning_one_way_to_cut_off_leaves_another_alone(folder: Path) -> None:
    batch = load(SOUND + "[batch]\nmicro_size = 4\n", "batch.max_tokens=off").spec.batch
    assert (batch.micro_size, batch.max_tokens) == (4, "off")


def test_two_ways_to_cut_in_one_layer_are_an_error(folder: Path) -> None:
    both = "[batch]\nmicro_size = 4\nmax_tokens = 256\n"
    (problem,) = refused(SOUND + both)
    assert problem.what == "`batch.micro_size` = 4 and `batch.max_tokens` = 256: a step is cut in one way"
    assert str(problem.where) == "a.toml:7:14"


def test_two_ways_to_cut_among_the_settings_are_an_error(folder: Path) -> None:
    (problem,) = refused(SOUND, "batch.accumulation=2", "batch.micro_size=4")
    assert "a step is cut in one way" in problem.what
    assert str(problem.where) == "--set batch.accumulation=2"


def test_two_ways_to_cut_are_an_error_where_they_stand_even_if_a_later_layer_decides(folder: Path) -> None:
    both = SOUND + "[batch]\nmicro_size = 4\naccumulation = 2\n"
    (problem,) = refused("[batch]\nmax_tokens = 256\n", base=both)
    assert str(problem.where) == "base.toml:7:16"


OWN = "[data]\ntrain = 't.csv'\ntest = 'x.csv'\nholdout = 0.1\nlabels = ['a']\ncolumns = { text = 'a' }\n"
MODEL = "[model]\npath = 'm'\n"


def test_a_later_data_name_replaces_own_files_and_what_belongs_to_them(folder: Path) -> None:
    data = load("[data]\nname = 'demo'\n", base=OWN + "max_length = 16\n" + MODEL).spec.data
    assert (data.name, data.train, data.test, data.columns, data.labels, data.holdout, data.max_length) == (
        "demo",
        None,
        "off",
        None,
        "auto",
        0.0,
        16,
    )


def test_later_own_files_replace_a_data_name(folder: Path) -> None:
    data = load(OWN, base=SOUND).spec.data
    assert (data.name, data.train) == (None, "t.csv")
    assert load(SOUND, "data.train=t.csv", "data.columns={ text = 'a' }").spec.data.name is None


def test_a_key_of_own_files_does_not_silently_drop_a_data_name(folder: Path) -> None:
    (problem,) = refused(SOUND, "data.holdout=0.1")
    assert problem.what == '`data.holdout` goes with files of your own, but `data.name` is "demo"'
    assert str(problem.where) == "--set data.holdout=0.1"
    assert load(SOUND, "data.test=off").spec.data.name == "demo"
