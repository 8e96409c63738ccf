"""The schema that editors get says of a recipe what ftcli says, as far as a schema can."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ftcli.spec.dump import dump_recipe
from ftcli.spec.run import RunSpec
from ftcli.spec.schema import kinds_of, recipe_schema
from tests.readme import blocks
from tests.spec.test_dump import specs

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path for path in (ROOT / "recipes").rglob("*.toml"))
SCHEMA = recipe_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
SOUND = "[data]\nname = 'demo'\n[model]\npath = 'm'\n"


def accepts(text: str) -> bool:
    return VALIDATOR.is_valid(tomllib.loads(text))


def properties(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for form in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        for key, value in form.get("properties", {}).items():
            yield f"{path}{key}", value
            yield from properties(value, f"{path}{key}.")


def readme_recipe() -> str:
    return next(block.text for block in blocks() if block.language == "toml" and not block.file)


def test_it_is_a_schema_of_its_draft_without_references() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"].endswith("/2020-12/schema")
    assert "$ref" not in str(SCHEMA)


def test_every_key_is_described_and_has_its_default() -> None:
    found = dict(properties(SCHEMA))
    assert len(found) > 100
    for path, schema in found.items():
        assert len(schema["description"].split()) >= 3, path
        assert schema["description"].endswith("."), path
        assert "\n" not in schema["description"], path
    without = {path for path, schema in found.items() if "default" not in schema and "properties" not in schema}
    assert without == {
        *("extends", "data.name", "data.train", "data.columns.text", "data.columns.pair", "data.columns.label"),
        *(
            "data.format.delimiter",
            "task.factory",
            "optimizer.factory",
            "optimizer.name",
            "schedule.name",
            "model.path",
            "optimizer.groups.match",
        ),
        *("freeze.stages.at.epoch", "freeze.stages.at.step", "freeze.stages.at.fraction"),
        *("evaluate.every.epochs", "evaluate.delay.epochs", "checkpoint.every.epochs", "log.every.epochs"),
    }


def test_no_key_anywhere_in_it_is_without_a_description() -> None:
    def undescribed(schema: object, path: str) -> Iterator[str]:
        parts = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
        if isinstance(schema, dict):
            keys = schema.get("properties", {})
            yield from (f"{path}/{key}" for key, value in keys.items() if not value.get("description"))
        for name, part in parts:
            if name not in ("if", "else"):  # which only ask after keys that are described where they stand
                yield from undescribed(part, f"{path}/{name}")

    assert list(undescribed(SCHEMA, "")) == []


def test_no_table_takes_a_key_that_it_does_not_know() -> None:
    tables = [schema for _, schema in properties(SCHEMA)] + [SCHEMA]
    forms = [form for each in tables for form in (each, each.get("items", {}), *each.get("anyOf", ()))]
    assert all(form["additionalProperties"] is False for form in forms if "properties" in form)


@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_shipped_recipe_is_valid_and_a_typo_in_it_is_not(recipe: Path) -> None:
    data = tomllib.loads(recipe.read_text(encoding="utf-8"))
    assert list(VALIDATOR.iter_errors(data)) == []
    for section, table in data.items():
        if isinstance(table, dict):
            for key in table:
                wrong = copy.deepcopy(data)
                wrong[section][f"{key}x"] = wrong[section].pop(key)
                assert not VALIDATOR.is_valid(wrong), f"{section}.{key}x"


def test_the_recipe_of_the_readme_is_valid_and_a_typo_in_it_is_not() -> None:
    text = readme_recipe()
    assert list(VALIDATOR.iter_errors(tomllib.loads(text))) == []
    for key in re.findall(r"^(\w+) = ", text, re.MULTILINE):
        assert not accepts(re.sub(rf"^{key} = ", f"{key}x = ", text, flags=re.MULTILINE)), key


@settings(deadline=None, max_examples=100)
@given(specs)
def test_whatever_ftcli_takes_the_schema_takes(spec: RunSpec) -> None:
    assert list(VALIDATOR.iter_errors(tomllib.loads(dump_recipe(spec)))) == []


@pytest.mark.parametrize(
    ("added", "holds"),
    [
        ("[optimizer]\nkind = 'sgd'\nmomentum = 0.9\n", True),
        ("[optimizer]\nmomentum = 0.9\n", False),
        ("[optimizer]\nkind = 'sgd'\nbeta1 = 0.9\n", False),
        ("[optimizer]\nkind = 'adamv'\n", False),
        ("[optimizer]\nkind = 'custom'\nfactory = 'a:b'\noptions = { x = [1] }\n", True),
        ("[optimizer]\nkind = 'custom'\n", False),
        ("[schedule]\npower = 2.0\n", False),
        ("[task]\nkind = 'tagging'\nstride = 8\n", True),
        ("[task]\nkind = 'regression'\nmulti_label = true\n", False),
        ("[task]\nclass_weights = { a = 0 }\n", False),
        ("[batch]\nsize = 8.5\n", False),
        ("[batch]\nsize = true\n", False),
        ("[batch]\nsize = 0\n", False),
        ("[batch]\nmicro_size = 'off'\n", False),
        ("[log]\nevery = { epochs = 0.5 }\n", True),
        ("[log]\nevery = { epoch = 1 }\n", False),
        ("[log]\nevery = {}\n", False),
        ("[train]\nepochs = 2\n", True),
        ("[train]\nepochs = '2'\n", False),
        ("[evaluate]\nat_start = 1\n", False),
        ("[[freeze.stages]]\nat = { step = 1 }\n", True),
        ("[[freeze.stages]]\nunfreeze = ['a']\n", False),
        ("[run]\nname = 'a b'\n", False),
        ("[bach]\nsize = 8\n", False),
        ("nonsense = 1\n", False),
    ],
)
def test_schema_and_recipe_agree(added: str, holds: bool) -> None:
    text = added + SOUND if "=" in added.splitlines()[0] else SOUND + added
    try:
        RunSpec.model_validate(tomllib.loads(text))
        taken = True
    except ValidationError:
        taken = False
    assert (accepts(text), taken) == (holds, holds)


@pytest.mark.parametrize("text", ["", "[data]\nname = 'demo'\n", "[data]\nname = 'demo'\n[model]\nhead = 'cls'\n"])
def test_what_a_recipe_must_have_may_stand_in_the_one_it_extends(text: str) -> None:
    assert not accepts(text)
    assert accepts("extends = 'base.toml'\n" + text)


def test_a_table_whose_kind_another_recipe_says_may_have_the_keys_of_any() -> None:
    assert accepts("extends = 'base.toml'\n[optimizer]\nmomentum = 0.9\n")
    assert not accepts("extends = 'base.toml'\n[optimizer]\nkind = 'adamw'\nmomentum = 0.9\n")
    assert not accepts("extends = 'base.toml'\n[optimizer]\nmomentun = 0.9\n")


@pytest.mark.parametrize("name", ["task", "optimizer", "schedule"])
def test_a_key_means_the_same_under_every_kind_that_has_it(name: str) -> None:
    union = RunSpec.model_json_schema()
    variants = {each["$ref"].rpartition("/")[2] for each in union["properties"][name]["oneOf"]}
    shown = SCHEMA["properties"][name]
    assert len(kinds_of(shown)) == len(variants) == len(shown["properties"]["kind"]["enum"])
    for variant in variants:
        for key, value in union["$defs"][variant]["properties"].items():
            described = " ".join(value["description"].split())
            assert described == shown["properties"][key]["description"], (variant, key)
