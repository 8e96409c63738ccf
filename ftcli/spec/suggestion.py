"""What was probably meant by a key that there is not."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ftcli.spec.document import Key
from ftcli.spec.dump import toml_value
from ftcli.spec.foreign.names import foreign_names, hint_for, meanings_of, owner_of_table
from ftcli.spec.nearest import did_you_mean, nearest
from ftcli.spec.run import RunSpec

_BAR = 0.9
"""How like a name must be to one that does not stand in its table."""


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
    if whole := _paths(model).get(name):
        return did_you_mean(whole, *(f"{home}.{name}" for home in homes))
    if homes:
        return f"`{name}` belongs in [{homes[0]}]"
    if model is RunSpec and (hint := _of_another_tool(key)):
        return hint
    return _like(name, siblings, model) or (f"keys here: {', '.join(siblings)}" if siblings else None)


def _like(name: str, siblings: list[str], model: type[BaseModel]) -> str | None:
    """A key that is almost called so: in the same table, by its path, or by another tool."""
    paths, theirs = _paths(model), foreign_names() if model is RunSpec else []
    near = nearest(name, [*theirs, *paths, *siblings], _BAR) or nearest(name, siblings)
    if near is None or near in siblings:
        return did_you_mean(near) if near else None
    return did_you_mean(paths[near]) if near in paths else hint_for(meanings_of(near))


def _paths(model: type[BaseModel]) -> dict[str, str]:
    """The keys in tables by their path in one word, as other tools write it: `batch_size` for `batch.size`."""
    return {
        f"{table}_{name}": f"{table}.{name}" for table in model.model_fields for name in _fields_at(model, (table,))
    }


def such_as(key: Key, model: type[BaseModel]) -> str | None:
    """What a key may be, by its examples, or else by its default; None if it has neither."""
    fields = [table.model_fields[str(key[-1])] for table in models_at(model, key[:-1]) if key[-1] in table.model_fields]
    examples = [example for field in fields for example in field.examples or _default(field)]
    return f"such as {', '.join(dict.fromkeys(map(toml_value, examples)))}" if examples else None


def _default(field: FieldInfo) -> list[object]:
    """Its default, if it is a number or text; true and false go without saying."""
    is_plain = isinstance(field.default, int | float | str) and not isinstance(field.default, bool)
    return [field.default] if is_plain else []


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
