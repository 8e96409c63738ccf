"""Calling code that a recipe names: with the options that it gives, checked, and with errors that point into it."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter
from typing import Any

from ftcli.errors import FtcliError, Problem, RecipeError
from ftcli.runtime.arguments import Options
from ftcli.runtime.code import Key, find_factory, place_in
from ftcli.spec.dump import toml_value
from ftcli.spec.nearest import did_you_mean, nearest
from ftcli.spec.problems import dot


class FailingCodeError(RecipeError):
    """Code of the user's own has raised something."""


def call(
    address: str,
    *given: Any,
    key: Key,
    options_key: Key,
    options: Mapping[str, Any],
    reserved: Collection[str] = (),
    **named: Any,
) -> Any:
    """Call what a recipe's `module:name` means.

    Args:
        address: The module and the name.
        given: What ftcli gives it.
        key: The recipe's key that names it, for errors.
        options_key: The recipe's table of its options.
        options: What the recipe gives it.
        reserved: What it could take and a recipe can't give it.
        named: What ftcli gives it by name.

    Raises:
        RecipeError: there is no such code, it does not take these options, or it fails.
    """
    factory = find_factory(address, key=key)
    known = Options.of(factory, num_given=len(given), named={*named, *reserved})
    if problems := list(_misfits(known, address, options, key=options_key)):
        raise RecipeError(problems)
    with failing_as(address, key=key, hint=known.hint):
        return factory(*given, **named, **known.given(options))


@contextmanager
def failing_as(address: str, *, key: Key, hint: str | None = None) -> Generator[None]:
    """Around a call of code that a recipe names: what it raises becomes an error, at the user's own line if it has one.

    `hint` is what to do where it has none.

    Raises:
        FailingCodeError: the code fails.
    """
    try:
        yield
    except FtcliError:
        raise
    except Exception as error:
        what, where = f"`{address}` fails: {type(error).__name__}: {error}", place_in(error)
        raise FailingCodeError(what, where=where, hint=None if where else hint, key=key) from error


def _misfits(known: Options, address: str, options: Mapping[str, Any], *, key: Key) -> Iterator[Problem]:
    """The options that some code does not take, those of another type, and those that it can't do without."""
    for name, value in options.items():
        if name in known.taken or (name not in known.free and not known.takes_any):
            near = nearest(name, known.free)
            hint = did_you_mean(near) if near else f"its options: {', '.join(known.free) or 'none'}"
            yield Problem(f"`{address}` takes no option `{name}`", hint=hint, key=(*key, name))
        elif not known.fits(name, value):
            default = known.default(name)
            what = f"`{dot((*key, name))}` of `{address}` must be {known.forms[name].one}, not {toml_value(value)}"
            hint = f"its default is {default}" if default != name else known.hint
            yield Problem(what, hint=hint, key=(*key, name))
    for name, each in known.free.items():
        if each.default is Parameter.empty and name not in options:
            what = f"`{address}` needs the option `{name}`"
            yield Problem(what, hint=f"`{dot(key)}` = {{ {name} = ... }}", key=key)
