from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ftcli.spec.contradictions import contradictions, one_cut
from ftcli.spec.dump import dump_recipe
from ftcli.spec.processes import DistributedSection
from tests.spec.loading import SOUND, load, refused

DATA = "[data]\nname = 'demo'\n"
OWN = "[data]\ntrain = 'a'\ncolumns = { text = 'a' }\n"


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("[data]\n", ("data",), "[data] names no data"),
        ("[data]\nmax_length = 9\n", ("data",), "[data] names no data"),
        (
            "[data]\nname = 'demo'\ntrain = 'a'\ncolumns = {}\n",
            ("data", "train"),
            '`data.name` is "demo" and `data.train` is "a": one of them, not both',
        ),
        ("[data]\ntrain = 'a'\n", ("data", "train"), "`data.columns` is needed to read files of your own"),
        (
            "[data]\ntrain = 'a'\ncolumns = {}\nholdout = 0.5\nvalidation = 'b'\n",
            ("data", "holdout"),
            "`data.holdout` makes a validation split, but `data.validation` names one already",
        ),
        (DATA + "test = 'a'\n", ("data", "test"), "`data.test` goes with files of your own"),
        (DATA + "labels = ['a']\n", ("data", "labels"), "`data.labels` goes with files of your own"),
        (DATA + "format = { quotes = 'literal' }\n", ("data", "format"), "`data.format` goes with files of your own"),
        (
            DATA + "[batch]\nmicro_size = 33\n",
            ("batch", "micro_size"),
            "`batch.micro_size` is 33, more than the 32 rows",
        ),
        (
            DATA + "[batch]\nsize = 2\naccumulation = 4\n",
            ("batch", "accumulation"),
            "`batch.accumulation` is 4, more than the 2 rows of a step",
        ),
        (
            DATA + "[batch]\nmax_tokens = 127\n",
            ("batch", "max_tokens"),
            "`batch.max_tokens` is 127, but one row may have 128 tokens (`data.max_length`)",
        ),
        (
            DATA + "[evaluate]\nmetrics = ['f1', 'mcc']\n",
            ("evaluate", "metrics"),
            '`evaluate.best` is "accuracy", which `evaluate.metrics` (f1, mcc) leaves out',
        ),
        (
            DATA + "[evaluate]\nmetrics = ['accuracy', 'loss']\n",
            ("evaluate", "metrics", 1),
            "there is no metric `loss` for classification",
        ),
        (
            DATA + "[task]\nmulti_label = true\n[evaluate]\nbest = 'accuracy'\n",
            ("evaluate", "best"),
            "there is no metric `accuracy` for multilabel",
        ),
        (
            DATA + "[task]\nkind = 'regression'\n[evaluate]\nmetrics = ['mse']\n",
            ("evaluate", "metrics"),
            '`evaluate.best` is "pearson", which `evaluate.metrics` (mse) leaves out',
        ),
        (
            DATA + "[task]\nfocal_gamma = 2.0\nlabel_smoothing = 0.1\n",
            ("task", "label_smoothing"),
            "`task.focal_gamma` is 2 and `task.label_smoothing` 0.1: they pull against each other",
        ),
        (DATA + "[task]\nthreshold = 0.4\n", ("task", "threshold"), "`task.threshold` is for rows with any number"),
        (
            DATA + "[task]\nmulti_label = true\nr_drop = 1.0\n",
            ("task", "r_drop"),
            "`task.r_drop` is for rows with one label",
        ),
        (
            DATA + "[task]\nmulti_label = true\nclass_weights = 'balanced'\n",
            ("task", "class_weights"),
            '`task.class_weights` = "balanced" is for rows with one label',
        ),
        (
            DATA + "[[freeze.stages]]\nat = { step = 1 }\n[[freeze.stages]]\nat = { step = 2, epoch = 1 }\n",
            ("freeze", "stages", 1, "at"),
            "a stage begins at one point, not at step and epoch",
        ),
        (DATA + "[freeze]\npatterns = ['a', '(']\n", ("freeze", "patterns", 1), "`(` is not a regular expression"),
        (
            DATA + "[[freeze.stages]]\nat = { step = 1 }\nunfreeze = ['*']\n",
            ("freeze", "stages", 0, "unfreeze", 0),
            "`*` is not a regular expression",
        ),
        (
            DATA + "[[freeze.stages]]\nat = { step = 1 }\nfreeze = ['a', '[']\n",
            ("freeze", "stages", 0, "freeze", 1),
            "`[` is not a regular expression",
        ),
        (
            DATA + "[[optimizer.groups]]\nmatch = 'a)'\n",
            ("optimizer", "groups", 0, "match"),
            "`a)` is not a regular expression",
        ),
        (
            DATA + "[distributed]\nstrategy = 'fsdp'\nsharding = 'stage1'\noffload = true\n",
            ("distributed", "offload"),
            "`distributed.offload` keeps split weights on the host, but stage1 leaves weights whole",
        ),
        (
            DATA + "[distributed]\nstrategy = 'fsdp'\n[train]\ncompile = true\n",
            ("train", "compile"),
            "steps can't be compiled where weights are split",
        ),
    ],
)
def test_each_contradiction_is_found_at_its_key(text: str, key: tuple[str | int, ...], says: str) -> None:
    (problem,) = contradictions(tomllib.loads(text))
    assert problem.what.startswith(says)
    assert problem.key == key


@pytest.mark.parametrize(
    "text",
    [
        DATA,
        DATA + "validation = 'off'\ntest = 'off'\nlabels = 'auto'\nholdout = 0.0\nformat = { kind = 'auto' }\n",
        "[data]\ntrain = 'a'\ncolumns = {}\nholdout = 0.5\nvalidation = 'off'\nformat = { quotes = 'literal' }\n",
        DATA + "tags = { scheme = 'auto', to = 'bioes' }\nlabel_map = {}\nlabel_separator = ','\n",
        OWN + "tags = { to = 'bio' }\n[task]\nkind = 'tagging'\n",
        OWN + "tags = { scheme = 'auto' }\n",
        OWN + "labels = ['a']\nlabel_map = { a = 'b' }\n[task]\nmulti_label = true\n",
        DATA + "[batch]\nmicro_size = 32\n",
        DATA + "[batch]\nsize = 4\naccumulation = 4\n",
        DATA + "[batch]\nmax_tokens = 128\n",
        DATA + "max_length = 16\n[batch]\nmax_tokens = 16\n",
        DATA + "[evaluate]\nmetrics = ['f1']\nbest = 'f1'\n",
        DATA + "[evaluate]\nmetrics = ['f1']\nbest = 'loss'\n",
        DATA + "[task]\nfocal_gamma = 2.0\nr_drop = 1.0\nclass_weights = 'balanced'\n[evaluate]\nbest = 'auto'\n",
        DATA + "[task]\nmulti_label = true\nthreshold = 0.4\nclass_weights = { a = 2.0 }\nfocal_gamma = 'off'\n",
        DATA + "[task]\nkind = 'regression'\n[evaluate]\nmetrics = ['mse']\nbest = 'mse'\n",
        DATA + "[[freeze.stages]]\nat = { fraction = 0.5 }\nunfreeze = ['^a$']\n",
    ],
)
def test_what_can_hold_together_is_left_alone(text: str) -> None:
    assert contradictions(tomllib.loads(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "data = 3\nbatch = []\nfreeze = 'x'\nevaluate = 1\noptimizer = true\n",
        "[data]\nname = 3\nmax_length = 'x'\n[batch]\nsize = 'x'\nmicro_size = true\nmax_tokens = 'y'\n",
        DATA + "[freeze]\npatterns = [1, []]\nstages = [1, { at = 3, unfreeze = 'x' }, { freeze = [2] }]\n",
        DATA + "[optimizer]\ngroups = [3, { match = 4 }, 'x']\n[evaluate]\nmetrics = 'f1'\n",
        DATA + "[[freeze.stages]]\nat = {}\n",
    ],
)
def test_values_of_a_wrong_type_are_left_to_the_models(text: str) -> None:
    assert [problem for problem in contradictions(tomllib.loads(text)) if problem.key != ("data",)] == []


def test_a_recipe_without_data_is_left_to_the_models() -> None:
    assert contradictions({}) == []


def test_ways_to_cut_are_counted_as_numbers_only() -> None:
    assert not list(one_cut({"batch": {"micro_size": "auto", "max_tokens": 256, "accumulation": "off"}}))
    (problem,) = one_cut({"batch": {"micro_size": 1, "max_tokens": 256, "accumulation": 2}})
    assert problem.key == ("batch", "max_tokens")


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (DATA + "tags = { to = 'bio' }\n[task]\nkind = 'tagging'\n", ("data", "tags"), "`data.tags` goes with files"),
        (DATA + "label_map = { a = 'b' }\n", ("data", "label_map"), "`data.label_map` goes with files"),
        (DATA + "label_separator = ';'\n", ("data", "label_separator"), "`data.label_separator` goes with files"),
        (DATA + "format = { comments = true }\n", ("data", "format"), "`data.format` goes with files"),
        (OWN + "tags = { to = 'bio' }\n", ("data", "tags"), "`data.tags` is for tagged words"),
        (OWN + "labels = ['a']\n[task]\nkind = 'regression'\n", ("data", "labels"), "`data.labels` has no place"),
        (
            OWN + "label_map = { a = 'b' }\n[task]\nkind = 'regression'\n",
            ("data", "label_map"),
            "`data.label_map` has no place",
        ),
        (
            "[data]\ntrain = 'a'\ncolumns = { text = 'a', pair = 'b' }\n[task]\nkind = 'tagging'\n",
            ("data", "columns", "pair"),
            "`data.columns.pair` has no place",
        ),
    ],
)
def test_what_does_not_go_with_a_task_or_a_built_in_is_found(text: str, key: tuple[str | int, ...], says: str) -> None:
    (problem,) = contradictions(tomllib.loads(text))
    assert problem.what.startswith(says)
    assert problem.key == key


def test_several_contradictions_are_all_found() -> None:
    found = contradictions(tomllib.loads("[data]\ntrain = 'a'\n[batch]\nmicro_size = 64\n[freeze]\npatterns = ['(']\n"))
    assert [problem.key for problem in found] == [("data", "train"), ("batch", "micro_size"), ("freeze", "patterns", 0)]


@pytest.mark.parametrize(("name", "value"), [("sharding", "'stage1'"), ("sharding_degree", "2"), ("offload", "true")])
def test_a_way_to_split_stands_over_a_strategy_that_splits(folder: Path, name: str, value: str) -> None:
    key, split = f"distributed.{name}", f"{SOUND}[distributed]\n{name} = {value}\n"
    alone = f'`{key}` goes with `distributed.strategy = "fsdp"`'
    for found in (refused(SOUND, f"{key}={value}"), refused(split)):
        assert [(problem.what, problem.key) for problem in found] == [(alone, ("distributed", name))]
    fsdp, ddp = (f"{SOUND}[distributed]\nstrategy = '{strategy}'\n" for strategy in ("fsdp", "ddp"))
    beside = f'{alone}, and it is "ddp"'
    for found in (
        refused(f"{ddp}{name} = {value}\n"),
        refused(ddp, f"{key}={value}"),
        refused(SOUND, f"{key}={value}", "distributed.strategy=ddp"),
        refused(fsdp, f"{key}={value}", "distributed.strategy=ddp"),
        refused(split, "distributed.strategy=ddp"),
    ):
        assert [(problem.what, problem.key) for problem in found] == [(beside, ("distributed", name))]
    assert load(fsdp, f"{key}={value}")
    assert load(SOUND, f"{key}={value}", "distributed.strategy=fsdp")
    assert load(split, "distributed.strategy=fsdp")


@pytest.mark.parametrize(("name", "value"), [("sharding", "'stage1'"), ("sharding_degree", "2"), ("offload", "true")])
def test_a_later_ddp_discards_ways_to_split(folder: Path, name: str, value: str) -> None:
    """So that a run that was split goes on under it, and its recipe can be read once more."""
    fsdp = f"{SOUND}[distributed]\nstrategy = 'fsdp'\n{name} = {value}\n"
    recipe = load(fsdp, "distributed.strategy=ddp")
    assert recipe.spec.distributed == DistributedSection()
    assert recipe.origin(("distributed", name)) == "default"
    assert load(dump_recipe(recipe.spec)).spec == recipe.spec


def test_ways_to_split_that_are_the_defaults_may_stand_beside_ddp(folder: Path) -> None:
    said = "strategy = 'ddp'\nsharding = 'stage3'\nsharding_degree = 'all'\noffload = false\n"
    assert load(f"{SOUND}[distributed]\n{said}")
    (problem,) = refused(f"{SOUND}[distributed]\nstrategy = 'ddp'\n", "distributed.sharding=stage3")
    assert problem.key == ("distributed", "sharding")
