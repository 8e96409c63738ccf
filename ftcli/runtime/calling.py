"""Calling a user's own code: with the options that a recipe gives it, and with errors that point into it."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter
from typing import Any

from ftcli.errors import FtcliError, Problem, RecipeError
from ftcli.runtime.code import Factory, Key, find_factory, place_in
from ftcli.spec.nearest import did_you_mean, nearest
from ftcli.spec.problems import dot


class FailingCodeError(RecipeError):
    """Code of the user's own has raised something."""


def call(address: str, *given: Any, key: Key, options_key: Key, options: Mapping[str, Any], **named: Any) -> Any:
    """Call what a recipe's `module:name` means.

    Args:
        address: The module and the name.
        given: What ftcli gives it.
        key: The recipe's key that names it, for errors.
        options_key: The recipe's table of its options.
        options: What the recipe gives it.
        named: What ftcli gives it by name.

    Raises:
        RecipeError: there is no such code, it does not take these options, or it fails.
    """
    factory = find_factory(address, key=key)
    if problems := list(_misfits(factory, address, options, key=options_key, num_given=len(given), named=named)):
        raise RecipeError(problems)
    with failing_as(address, key=key):
        return factory(*given, **named, **options)


@contextmanager
def failing_as(address: str, *, key: Key) -> Generator[None]:
    """Around a call of the user's own code: what it raises becomes an error at the line that raised it.

    Raises:
        FailingCodeError: the code fails.
    """
    try:
        yield
    except FtcliError:
        raise
    except Exception as error:
        what = f"`{address}` fails: {type(error).__name__}: {error}"
        raise FailingCodeError(what, where=place_in(error), key=key) from error


def _misfits(
    factory: Factory, address: str, options: Mapping[str, Any], *, key: Key, num_given: int, named: Mapping[str, Any]
) -> Iterator[Problem]:
    """The options that some code does not take, and those that it can't do without."""
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except ValueError:  # written in C, and without a signature
        return
    places, names = {Parameter.POSITIONAL_ONLY}, {Parameter.KEYWORD_ONLY}
    either = {Parameter.POSITIONAL_OR_KEYWORD}
    positional = [each.name for each in parameters if each.kind in places | either]
    taken = {*positional[:num_given], *named}
    by_name = [each for each in parameters if each.kind in names | either]
    free = {each.name: each for each in by_name if each.name not in taken}
    takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
    for name in options:
        if name in taken or (name not in free and not takes_any):
            near = nearest(name, free)
            hint = did_you_mean(near) if near else f"its options: {', '.join(free) or 'none'}"
            yield Problem(f"`{address}` takes no option `{name}`", hint=hint, key=(*key, name))
    for name, each in free.items():
        if each.default is Parameter.empty and name not in options:
            what = f"`{address}` needs the option `{name}`"
            yield Problem(what, hint=f"`{dot(key)}` = {{ {name} = ... }}", key=key)
