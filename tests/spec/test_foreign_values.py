"""Other tools' words for values: none is forgotten, and what is said to stand here for one is accepted."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from accelerate.utils.constants import FSDP_SHARDING_STRATEGY
from transformers.trainer_utils import SaveStrategy, SchedulerType
from transformers.training_args import OptimizerNames

from ftcli.errors import RecipeError
from ftcli.spec.document import parse_document, parse_setting
from ftcli.spec.foreign.values import VALUES, Value, hint_for_value
from ftcli.spec.recipe import Recipe, resolve_layers
from ftcli.spec.reference import every_key
from ftcli.spec.run import RunSpec
from ftcli.spec.torch_names import NO_OPTIMIZERS, NO_SCHEDULES, TORCH_OPTIMIZERS, TORCH_SCHEDULERS

KEYS = {entry.key for entry in every_key()}
each_value = pytest.mark.parametrize("value", VALUES, ids=[f"{each.keys[0]}-{each.words[0]}" for each in VALUES])


def with_setting(text: str) -> Recipe:
    sound = parse_document('[data]\nname = "demo"\n[model]\npath = "m"\n', "a.toml")
    return resolve_layers([sound, parse_setting(text)])


@each_value
def test_what_stands_for_a_word_is_accepted(value: Value) -> None:
    assert set(value.keys) <= KEYS
    assert value.here or value.note
    if value.here:
        with_setting(value.here)


@each_value
def test_a_note_is_a_sentence_and_names_only_keys_that_a_recipe_has(value: Value) -> None:
    assert not value.note or re.match(r"[A-Z`\"].*\.$", value.note)
    named = re.findall(r"`(\w+(?:\.\w+)+)`", value.note)
    assert {key for key in named if key.split(".")[0] in RunSpec.model_fields} <= KEYS


def test_a_word_has_one_meaning_for_a_key() -> None:
    found = Counter((key, word.casefold()) for each in VALUES for key in each.keys for word in each.words)
    assert [pair for pair, times in found.items() if times > 1] == []


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optimizer.kind", [each.value for each in OptimizerNames]),
        ("optimizer.kind", [*TORCH_OPTIMIZERS, *NO_OPTIMIZERS]),
        ("schedule.kind", [each.value for each in SchedulerType]),
        ("schedule.kind", [*TORCH_SCHEDULERS, *(name for name in NO_SCHEDULES if not name.startswith("_"))]),
        ("evaluate.every", ["no", "steps", "epoch"]),
        ("checkpoint.every", [each.value for each in SaveStrategy]),
        ("distributed.strategy", FSDP_SHARDING_STRATEGY),
        ("distributed.sharding", FSDP_SHARDING_STRATEGY),
    ],
)
def test_every_word_of_a_tool_is_accepted_or_answered(key: str, words: list[str]) -> None:
    assert [word for word in words if hint_for_value(word, key) is None and not is_accepted(key, word)] == []


def is_accepted(key: str, word: str) -> bool:
    try:
        with_setting(f"{key}={word}")
    except RecipeError:
        return False
    return True
