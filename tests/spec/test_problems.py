"""What a user is told: every problem of a recipe at once, each with its place and its way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.errors import Problem, RecipeError
from ftcli.spec.card import DataCard
from ftcli.spec.document import parse_document
from ftcli.spec.problems import dot, load_section
from ftcli.spec.recipe import resolve_layers

_PATTERNS = r"such as ['^bert\.embeddings', '^bert\.encoder\.layer\.[0-8]\.']"
SOUND = '[data]\nname = "demo"\n[model]\npath = "m"\n'


def problems(text: str) -> list[Problem]:
    with pytest.raises(RecipeError) as raised:
        resolve_layers([parse_document(text, "a.toml")])
    assert raised.value.exit_code == 2
    return list(raised.value.problems)


def only(added: str) -> Problem:
    (problem,) = problems(SOUND + added)
    return problem


def underlined(problem: Problem) -> str:
    where = problem.where
    assert where is not None
    assert where.text is not None
    assert where.column is not None
    return where.text[where.column - 1 : where.column - 1 + where.width]


@pytest.mark.parametrize(
    ("added", "what", "hint", "shown"),
    [
        ("[batch]\nsise = 8", "unknown key `sise` in [batch]", "did you mean `size`?", "sise"),
        ("[bach]\nsize = 8", "unknown key `bach`", "did you mean `batch`?", "[bach]"),
        ("[train]\nlr = 1", "unknown key `lr` in [train]", "`lr` belongs in [optimizer]", "lr"),
        ("[log]\nqqqq = 1", "unknown key `qqqq` in [log]", "keys here: every, tensorboard, report", "qqqq"),
        ("[optimizer]\nmomentun = 1", "unknown key `momentun` in [optimizer]", "did you mean `momentum`?", "momentun"),
        ("[batch]\nsize = '8'", '`batch.size` must be a whole number, not "8"', "write 8 without quotes", "'8'"),
        ("[batch]\nsize = 8.5", "`batch.size` must be a whole number, not 8.5", "such as 32", "8.5"),
        ("[batch]\nsize = true", "`batch.size` must be a whole number, not true", "such as 32", "true"),
        ("[batch]\nsize = 0", "`batch.size` should be greater than 0, not 0", None, "0"),
        ("[run]\ndir = 3", "`run.dir` must be text, not 3", 'such as "runs/{name}-{time}"', "3"),
        ("[optimizer]\nlr = '2e-5'", '`optimizer.lr` must be a number, not "2e-5"', "write 2e-5 without quotes", None),
        ("[optimizer]\nlr = nan", "`optimizer.lr` should be a finite number, not nan", None, "nan"),
        ("[evaluate]\nat_start = 1", "`evaluate.at_start` must be true or false, not 1", None, "1"),
        ("[freeze]\npatterns = 'x'", '`freeze.patterns` must be an array, not "x"', _PATTERNS, "'x'"),
        ("[run]\nname = 'a b'", "`run.name` should match pattern", None, "'a b'"),
        (
            "[[freeze.stages]]\nunfreeze = ['x']",
            "missing key `at` in [freeze.stages[0]]",
            "such as { epoch = 1 }",
            "[[freeze.stages]]",
        ),
    ],
)
def test_each_kind_of_error_says_what_is_wrong_and_how_to_mend_it(
    added: str, what: str, hint: str | None, shown: str | None
) -> None:
    problem = only(added)
    assert problem.what.startswith(what)
    assert problem.hint == hint
    if shown is not None:
        assert underlined(problem) == shown


@pytest.mark.parametrize(
    ("added", "what", "hints"),
    [
        ("[optimizer]\nkind = 'adamv'", '`optimizer.kind` can\'t be "adamv"', ["did you mean `adamw`?", "sgd"]),
        ("[schedule]\nkind = 3", "`schedule.kind` can't be 3", ["allowed: linear, cosine, polynomial, constant"]),
        ("[precision]\nkind = 'bf32'", '`precision.kind` can\'t be "bf32"', ["did you mean", "fp32", "fp16"]),
        ("[run]\ndevice = 'gpu'", '`run.device` can\'t be "gpu"', ["auto, cpu, cuda"]),
    ],
)
def test_a_word_that_is_no_choice_gets_the_nearest_and_the_list(added: str, what: str, hints: list[str]) -> None:
    problem = only(added)
    assert problem.what == what
    assert problem.hint is not None
    assert all(hint in problem.hint for hint in hints)
    assert underlined(problem) in {"'adamv'", "3", "'bf32'", "'gpu'"}


@pytest.mark.parametrize(
    ("added", "what", "hint"),
    [
        ("[batch]\nmicro_size = 'all'", '`batch.micro_size` must be a whole number or "auto", not "all"', "such as 8"),
        ("[batch]\nmicro_size = 'auot'", '`batch.micro_size` can\'t be "auot"', "did you mean `auto`? allowed: auto"),
        ("[batch]\nmicro_size = 0", "`batch.micro_size` should be greater than 0, not 0", 'also allowed: "auto"'),
        ("[train]\nsteps = '9'", '`train.steps` must be a whole number or "off", not "9"', "write 9 without quotes"),
        ("[log]\nevery = 'x'", '`log.every` must be a whole number, a table or "never", not "x"', "such as 10"),
        ("[log]\nevery = { epochs = 0 }", "`log.every.epochs` should be greater than 0, not 0", None),
    ],
)
def test_a_key_that_may_be_a_word_or_something_else_is_reported_once(added: str, what: str, hint: str | None) -> None:
    problem = only(added)
    assert (problem.what, problem.hint) == (what, hint)


def test_a_key_that_is_misspelt_is_not_missing_too() -> None:
    (unknown,) = problems(SOUND + "[log]\nevery = { epoch = 1 }")
    assert (unknown.what, unknown.hint) == ("unknown key `epoch` in [log.every]", "did you mean `epochs`?")
    assert underlined(unknown) == "epoch"


def test_a_key_that_is_missing_beside_one_of_another_name_is_reported() -> None:
    assert {p.what for p in problems(SOUND + "[log]\nevery = { minutes = 1 }")} == {
        "missing key `epochs` in [log.every]",
        "unknown key `minutes` in [log.every]",
    }


def test_an_item_of_an_array_is_reported_and_not_the_array_too() -> None:
    problem = only("[evaluate]\nbest = 'loss'\nmetrics = ['f1', 'acuracy']")
    assert problem.key == ("evaluate", "metrics", 1)
    assert underlined(problem) == "'acuracy'"


def test_a_table_where_a_value_belongs_and_a_value_where_a_table_belongs() -> None:
    assert only("[run.dir]\nx = 1").what == "`run.dir` must be text, not a table"
    assert only("[run.dir]\nx = 1").where is not None
    problem = problems("batch = 3\n" + SOUND)
    assert [p.what for p in problem] == ["`batch` must be a table, not 3"]


def test_every_problem_is_reported_at_once_sorted_by_line() -> None:
    found = problems(
        "[run]\nseed = -1\n[data]\nname = 'demo'\nmax_length = 2\n[model]\n[batch]\nsise = 3\nmicro_size = 64\n"
        "max_tokens = 'x'\n[optimizer]\nlr = 'high'\n[freeze]\npatterns = ['ok', '(']\n"
    )
    assert [(p.where.line if p.where else None, p.key) for p in found] == [
        (2, ("run", "seed")),
        (5, ("data", "max_length")),
        (6, ("model", "path")),
        (8, ("batch", "sise")),
        (9, ("batch", "micro_size")),
        (10, ("batch", "max_tokens")),
        (12, ("optimizer", "lr")),
        (14, ("freeze", "patterns", 1)),
    ]


def test_problems_of_one_line_are_sorted_by_column() -> None:
    found = problems("[model]\npath = 'm'\n[data]\ntrain = 't'\ncolumns = { zzz = 1, text = 2, pear = 'b' }\n")
    assert [p.where.column if p.where else None for p in found] == [13, 22, 32]


def test_an_empty_recipe_says_what_it_needs() -> None:
    found = problems("")
    assert [p.what for p in found] == ["missing key `data`", "missing key `model`"]
    assert {str(p.where) for p in found} == {"a.toml"}


def test_a_file_of_its_own_is_read_with_the_same_care(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text("name = 'x y'\ntitel = 'T'\n[columns]\ntext = 't'\n[files]\ntrain = 3\n")
    with pytest.raises(RecipeError) as raised:
        load_section(DataCard, path)
    found = raised.value.problems
    assert [p.where.line if p.where else None for p in found] == [1, 2, 6]
    assert found[1].hint == "did you mean `title`?"
    path.write_text("name = 'x'\n[columns]\ntext = 't'\n[files]\ntrain = 'a.csv'\n")
    assert load_section(DataCard, path).files == {"train": "a.csv"}


def test_a_rule_of_a_whole_file_is_reported_too(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text("name = 'x'\n[columns]\ntext = 't'\n")
    with pytest.raises(RecipeError, match="a data card needs"):
        load_section(DataCard, path)


def test_keys_are_written_as_a_recipe_writes_them() -> None:
    assert dot(("freeze", "stages", 0, "at")) == "freeze.stages[0].at"


def test_a_wrong_value_is_reported_once_and_not_for_what_it_contradicts_too() -> None:
    found = problems(SOUND + "[batch]\nmax_tokens = -3\nmicro_size = 0\n")
    assert [problem.what for problem in found] == [
        "`batch.max_tokens` should be greater than 0, not -3",
        "`batch.micro_size` should be greater than 0, not 0",
    ]
