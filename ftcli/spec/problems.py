"""From pydantic's list of errors to problems a user can mend: what, where, and what was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ftcli.errors import Location, Problem, RecipeError
from ftcli.spec.document import Key, contains, read_document
from ftcli.spec.foreign.values import hint_for_value
from ftcli.spec.nearest import did_you_mean, nearest
from ftcli.spec.run import RunSpec
from ftcli.spec.suggestion import meant, such_as

S = TypeVar("S", bound=BaseModel)
Locate = Callable[[Key, bool], Location | None]

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "an array",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def load_section(model: type[S], path: Path) -> S:
    """Read a TOML file of its own (a data card, say) into `model`.

    Raises:
        RecipeError: with every problem of the file, located.
    """
    document = read_document(path)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        found = problems_of(error, model, document.data)
        raise RecipeError(located(found, lambda key, of_key: document.locate(key, of_key=of_key))) from None


def located(problems: Iterable[Problem], locate: Locate) -> list[Problem]:
    """The problems with their places filled in, sorted by file, line and column."""
    placed = [p if p.where or not p.key else _placed(p, p.key, locate) for p in problems]
    return sorted(placed, key=_place)


def _place(problem: Problem) -> tuple[bool, str, int, int]:
    where = problem.where
    return (False, where.file, where.line or 0, where.column or 0) if where else (True, "", 0, 0)


def _placed(problem: Problem, key: Key, locate: Locate) -> Problem:
    of_key = problem.what.startswith(("unknown key", "missing key"))
    return Problem(problem.what, locate(key, of_key), problem.hint, key)


def problems_of(error: ValidationError, model: type[BaseModel], data: dict[str, Any]) -> list[Problem]:
    """One problem for each key that is wrong, although pydantic reports a key once for each type it may have."""
    found: dict[Key, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        found.setdefault(_toml_key(detail, data), []).append(detail)
    around = {key[:length] for key in found for length in range(len(key))}
    problems = [_problem_of(details, key, model) for key, details in found.items() if key not in around or not key]
    return [problem for problem in problems if not _is_misspelt(problem, problems)]


def _is_misspelt(missing: Problem, problems: Sequence[Problem]) -> bool:
    """Whether a key is missing because it stands there under almost its name, which is a problem already."""
    key = missing.key or ("",)
    hint = did_you_mean(str(key[-1]))
    is_missing = missing.what.startswith("missing key")
    return is_missing and any(p.key and p.key[:-1] == key[:-1] and p.hint == hint for p in problems)


def _toml_key(detail: ErrorDetails, data: object) -> Key:
    """Pydantic's path without the tags of unions and the names of validators, which no recipe has."""
    key: Key = ()
    for position, part in enumerate(detail["loc"]):
        is_absent = detail["type"] == "missing" and position == len(detail["loc"]) - 1
        if is_absent or contains(data, (*key, part)):
            key = (*key, part)
    return key


def _problem_of(details: Sequence[ErrorDetails], key: Key, model: type[BaseModel]) -> Problem:
    """What is wrong with one key, which may be allowed words beside other types (`8`, or "auto")."""
    words = [word for detail in details if detail["type"] == "literal_error" for word in _allowed(detail)]
    others = [detail for detail in details if detail["type"] != "literal_error"]
    if not words or not others:
        return _problem(details[0], key, model)
    value = others[0]["input"]
    if isinstance(value, str) and nearest(value, words):
        return _problem(next(detail for detail in details if detail["type"] == "literal_error"), key, model)
    quoted = [f'"{word}"' for word in words]
    if beyond := [detail for detail in others if detail["type"] not in _EXPECTED]:
        problem = _problem(beyond[0], key, model)
        return Problem(problem.what, hint=f"also allowed: {', '.join(quoted)}", key=key)
    types = dict.fromkeys(_EXPECTED[detail["type"]] for detail in others)
    *first, last = [*types, *quoted]
    what = f"`{dot(key)}` must be {', '.join(first)} or {last}, not {_shown(value)}"
    return Problem(what, hint=_foreign(value, key, model) or _valid(others[0], key, model), key=key)


def _problem(detail: ErrorDetails, key: Key, model: type[BaseModel]) -> Problem:
    dotted, kind = dot(key), detail["type"]
    if kind == "extra_forbidden":
        return Problem(f"unknown key `{key[-1]}`{_within(key)}", hint=meant(key, model), key=key)
    if kind == "missing":
        return Problem(f"missing key `{key[-1]}`{_within(key)}", hint=such_as(key, model), key=key)
    value = _shown(detail["input"])
    if kind in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
        return _not_allowed(detail, key, model)
    if kind in _EXPECTED:
        return Problem(f"`{dotted}` must be {_EXPECTED[kind]}, not {value}", hint=_valid(detail, key, model), key=key)
    if kind == "value_error":
        return Problem(detail["msg"].removeprefix("Value error, "), key=key)
    message = detail["msg"].removeprefix("Input ").removeprefix("String ").removeprefix("Value ")
    return Problem(f"`{dotted}` {message[:1].lower()}{message[1:]}, not {value}", key=key)


def _not_allowed(detail: ErrorDetails, key: Key, model: type[BaseModel]) -> Problem:
    allowed = _allowed(detail)
    value = detail["input"]
    if detail["type"].startswith("union_tag"):
        key = (*key, "kind")
        value = cast("dict[str, object]", value).get("kind") if isinstance(value, dict) else value
    near = nearest(str(value), allowed)
    probably = _foreign(value, key, model) or (did_you_mean(near) if near else "")
    hint = f"{probably} {'Allowed' if probably.endswith('.') else 'allowed'}: {', '.join(allowed)}".lstrip()
    return Problem(f"`{dot(key)}` can't be {_shown(value)}", hint=hint, key=key)


def _allowed(detail: ErrorDetails) -> list[str]:
    context = detail.get("ctx", {})
    return [word.strip("'") for word in _words(str(context.get("expected") or context.get("expected_tags", "")))]


def _words(text: str) -> Iterator[str]:
    for part in text.replace(" or ", ", ").split(","):
        if part.strip():
            yield part.strip()


def _foreign(value: object, key: Key, model: type[BaseModel]) -> str | None:
    """What stands here for a value, if it is another tool's word."""
    return hint_for_value(value, dot(key)) if isinstance(value, str) and model is RunSpec else None


def _valid(detail: ErrorDetails, key: Key, model: type[BaseModel]) -> str | None:
    """A value that would do: the same without quotes, or an example."""
    value = detail["input"]
    is_number = isinstance(value, str) and value.replace(".", "", 1).replace("e-", "", 1).isdigit()
    return f"write {value} without quotes" if is_number else such_as(key, model)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return "a table" if isinstance(value, dict) else str(value)


def dot(key: Key) -> str:
    """A key as it is written: `freeze.stages[0].at`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def _within(key: Key) -> str:
    return f" in [{dot(key[:-1])}]" if len(key) > 1 else ""
