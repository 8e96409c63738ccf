"""Recipes in layers: what is inherited, what replaces what, and where a value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.errors import CheckpointError, Problem, RecipeError
from ftcli.spec.choices import SGD, AdamW, Cosine, Linear
from ftcli.spec.recipe import Recipe, anchored, load_recipe
from ftcli.spec.run import RunSpec

SOUND = '[data]\nname = "demo"\n[model]\npath = "m"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, *settings: str, base: str | None = None) -> Recipe:
    """The recipe `a.toml`, which extends `base.toml` where there is one, under `--set` options."""
    if base is not None:
        Path("base.toml").write_text(base)
        text = 'extends = "base.toml"\n' + text
    Path("a.toml").write_text(text)
    return load_recipe(Path("a.toml"), settings)


def refused(text: str, *settings: str, base: str | None = None) -> list[Problem]:
    with pytest.raises(RecipeError) as raised:
        load(text, *settings, base=base)
    return list(raised.value.problems)


def test_a_recipe_needs_little(folder: Path) -> None:
    spec = load(SOUND).spec
    assert (spec.data.name, spec.model.path) == ("demo", "m")
    assert (spec.data.max_length, spec.batch.micro_size, spec.checkpoint.keep) == (128, "auto", 2)


def test_a_setting_wins_over_the_recipe_and_the_recipe_over_the_default(folder: Path) -> None:
    recipe = load(SOUND + "[batch]\nsize = 8\n", "batch.size=4", "optimizer.lr=1e-3", "run.dir=out")
    assert (recipe.spec.batch.size, recipe.spec.optimizer.lr, recipe.spec.run.dir) == (4, 1e-3, "out")


def test_of_two_equal_settings_the_last_counts(folder: Path) -> None:
    assert load(SOUND, "batch.size=4", "batch.size=5").spec.batch.size == 5


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
    expected = {**off, upper: numbers[upper], "size": 32, "window": 3}
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
        None,
        "did you mean `size`?",
        None,
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
