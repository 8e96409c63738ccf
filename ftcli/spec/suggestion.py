"""What was probably meant by a key that there is not."""

from __future__ import annotations

import difflib
import typing
from typing import Any

from pydantic import BaseModel

from ftcli.spec.document import Key
from ftcli.spec.dump import toml_value
from ftcli.spec.foreign.names import foreign_names, hint_for, meanings_of, owner_of_table
from ftcli.spec.run import RunSpec


def meant(key: Key, model: type[BaseModel]) -> str | None:
    """What was probably meant.

    The table in which a key of this name stands; of a recipe also what another tool's name is here; or else what has
    the nearest name.
    """
    name = str(key[-1])
    siblings = [field for field in _fields_at(model, key[:-1]) if field != name]
    homes = [section for section in model.model_fields if name in _fields_at(model, (section,))]
    if [str(part) for part in key[:-1]] in [[home] for home in homes]:
        return f"`{name}` goes with `kind` = {_kinds_with(key, model)}; leave it out"
    if homes:
        return f"`{name}` belongs in [{homes[0]}]"
    is_recipe = model is RunSpec
    if is_recipe and (hint := _of_another_tool(key)):
        return hint
    theirs = difflib.get_close_matches(name, foreign_names(), 1, cutoff=0.8) if is_recipe else []
    close = difflib.get_close_matches(name, [*siblings, *theirs], 1, cutoff=0.6)
    if close and close[0] not in siblings:
        return hint_for(meanings_of(close[0]))
    if close:
        return f"did you mean `{close[0]}`?"
    return f"keys here: {', '.join(siblings)}" if siblings else None


def such_as(key: Key, model: type[BaseModel]) -> str | None:
    """What a key that is missing may be, by its examples; None if it has none."""
    fields = [table.model_fields[str(key[-1])] for table in models_at(model, key[:-1]) if key[-1] in table.model_fields]
    examples = [toml_value(example) for field in fields for example in field.examples or ()]
    return f"such as {', '.join(examples)}" if examples else None


def _of_another_tool(key: Key) -> str | None:
    """What the name is here that another tool has for something: the whole path, or its end."""
    path, name = ".".join(part for part in key if isinstance(part, str)), str(key[-1])
    found = meanings_of(path) or meanings_of(name)
    near = [each for each in found if any(here.startswith(f"{key[0]}.") for here in each.argument.here)]
    return hint_for(near or found) or owner_of_table(path)


def _kinds_with(key: Key, model: type[BaseModel]) -> str:
    tables = [table.model_fields for table in models_at(model, key[:-1]) if key[-1] in table.model_fields]
    return " or ".join(toml_value(fields["kind"].default) for fields in tables)


def _fields_at(model: type[BaseModel], key: Key) -> list[str]:
    return list(dict.fromkeys(name for table in models_at(model, key) for name in table.model_fields))


def models_at(model: type[BaseModel], key: Key) -> list[type[BaseModel]]:
    """The table under a key, in each of the kinds that it comes in."""
    models = [model]
    for part in key:
        if isinstance(part, str):
            annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
            models = [found for annotation in annotations for found in _models_in(annotation)]
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _models_in(part)]
