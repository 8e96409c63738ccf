"""What there is to say of each key of a recipe."""

from __future__ import annotations

import tomllib

import pytest
from jsonschema import Draft202012Validator

from ftcli.errors import UsageError
from ftcli.spec.reference import Entry, entry_of, every_key, sections
from ftcli.spec.relations import RELATIONS
from ftcli.spec.run import RunSpec
from ftcli.spec.schema import recipe_schema
from tests.spec import test_contradictions

ENTRIES = list(every_key())
NAMES = {entry.key for entry in ENTRIES}
VALIDATOR = Draft202012Validator(recipe_schema())


def test_the_sections_are_those_of_a_recipe_in_their_order() -> None:
    assert [entry.key for entry in sections()] == ["extends", *RunSpec.model_fields]


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.key for entry in ENTRIES])
def test_every_key_can_be_looked_up_and_its_example_can_stand_in_a_recipe(entry: Entry) -> None:
    assert entry_of(entry.key) == entry
    assert entry.takes
    if entry.example is None:
        assert entry.key in RunSpec.model_fields
        return
    found = tomllib.loads(entry.example)
    assert list(VALIDATOR.iter_errors({"extends": "base.toml", **found})) == []
    value: object = found
    for name in entry.key.split("."):
        value = value[0] if isinstance(value, list) else value
        assert isinstance(value, dict)
        value = value[name]


@pytest.mark.parametrize(
    ("key", "takes", "default", "example"),
    [
        ("batch.micro_size", 'a whole number > 0 or "auto"', '"auto"', "[batch]\nmicro_size = 8"),
        ("train.deterministic", "true or false", "false", "[train]\ndeterministic = true"),
        ("data.holdout", "a number ≥ 0 and < 1", "0.0", "[data]\nholdout = 0.1"),
        ("data.labels", 'an array of texts or "auto"', '"auto"', '[data]\nlabels = ["no", "yes"]'),
        ("freeze.stages[0].at.step", "a whole number ≥ 0", None, "[[freeze.stages]]\nat = { step = 500 }"),
        ("optimizer.momentum", "a number ≥ 0 and < 1", "0.0", '[optimizer]\nkind = "sgd"\nmomentum = 0.9'),
        ("log.every", 'a whole number > 0, a table or "never"', "10", "[log]\nevery = 10"),
        (
            "task.class_weights",
            'a table of numbers > 0, "balanced" or "off"',
            '"off"',
            '[task]\nkind = "classification"\nclass_weights = "balanced"',
        ),
    ],
)
def test_a_key_is_told_as_a_recipe_writes_it(key: str, takes: str, default: str | None, example: str) -> None:
    entry = entry_of(key)
    assert (entry.takes, entry.default, entry.example) == (takes, default, example)


def test_a_table_in_kinds_tells_what_each_is_and_which_key_is_whose() -> None:
    entry = entry_of("optimizer")
    assert [name for name, _ in entry.choices] == ["adamw", "sgd", "torch", "custom"]
    kinds = {each.key: each.kinds for each in entry.keys}
    assert kinds["optimizer.lr"] == ()
    assert kinds["optimizer.momentum"] == ("sgd",)


def test_relations_name_keys_that_exist() -> None:
    assert {key for keys, _ in RELATIONS for key in keys} <= NAMES


def contradictory() -> list[str]:
    """The keys at which the tests of contradictions find one."""
    tests = (
        test_contradictions.test_each_contradiction_is_found_at_its_key,
        test_contradictions.test_what_does_not_go_with_a_task_or_a_built_in_is_found,
    )
    cases = [case for test in tests for mark in test.pytestmark for case in mark.args[1]]
    keys = {".".join(part for part in key if isinstance(part, str)) for _, key, _ in cases}
    return sorted(keys - {"data"})


@pytest.mark.parametrize("key", contradictory())
def test_every_contradiction_that_is_checked_is_told_at_its_key(key: str) -> None:
    assert entry_of(key).relations


@pytest.mark.parametrize(
    ("key", "what", "hint"),
    [
        ("bacth", "a recipe has no key `bacth`", "did you mean `batch`?"),
        ("batch.sise", "a recipe has no key `batch.sise`", "did you mean `size`?"),
        ("freez.cache", "a recipe has no key `freez`", "did you mean `freeze`?"),
        ("cache", "a recipe has no key `cache`", "`cache` belongs in [freeze]"),
        ("schedule.lr", "a recipe has no key `schedule.lr`", "`lr` belongs in [optimizer]"),
        ("freeze.stages.at.setp", "a recipe has no key `freeze.stages.at.setp`", "did you mean `step`?"),
        ("qqqq", "a recipe has no key `qqqq`", "keys here: run, data, task, "),
        ("run.dir.x", "a recipe has no key `run.dir.x`", "`run.dir` is text"),
    ],
)
def test_an_unknown_key_gets_what_was_probably_meant(key: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        entry_of(key)
    (problem,) = raised.value.problems
    assert problem.what == what
    assert (problem.hint or "").startswith(hint)
