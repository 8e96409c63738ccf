"""What some code can be given: its options, their defaults, and the types that they are written with, in words."""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, Union, cast, get_args, get_origin, get_type_hints

from ftcli.spec.dump import toml_value

_NEVER_IN_TOML = (NoneType, collections.abc.Callable)
_ARRAYS = (list, tuple, collections.abc.Iterable, collections.abc.Sequence)
_BY_PLACE = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
_BY_NAME = {Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD}


@dataclass(frozen=True, slots=True)
class Form:
    """What a value may be: one such thing and several in words, whether a value is one, and what is made of it then."""

    one: str
    many: str
    holds: Callable[[object], bool]
    made: Callable[[Any], object] = lambda value: value


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


_ANYTHING = Form("anything", "values", lambda _: True)
_PLAIN = {
    bool: Form("true or false", "true or false", lambda value: isinstance(value, bool)),
    int: Form("a whole number", "whole numbers", lambda value: _is_number(value) and float(value).is_integer(), int),
    float: Form("a number", "numbers", _is_number, float),
    str: Form("text", "texts", lambda value: isinstance(value, str)),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What some code can be given beside what ftcli gives it; `taken` are the names of that.

    `free` has each option's default and `forms` what those may be that are written with a type. Where `takes_any`,
    there may be others.
    """

    free: Mapping[str, Parameter]
    forms: Mapping[str, Form]
    taken: frozenset[str] = frozenset()
    takes_any: bool = False

    @classmethod
    def of(cls, factory: Callable[..., Any], *, num_given: int, named: Collection[str]) -> Options:
        """The options of what is called with so many values, and these by name."""
        try:
            parameters = list(inspect.signature(factory).parameters.values())
        except ValueError:  # written in C, and without a signature
            return cls({}, {}, takes_any=True)
        places = [each.name for each in parameters if each.kind in _BY_PLACE]
        taken, types = frozenset({*places[:num_given], *named}), _types_in(factory)
        free = {each.name: each for each in parameters if each.kind in _BY_NAME and each.name not in taken}
        forms = {name: _form_of(types[name]) for name in free if name in types}
        return cls(free, forms, taken, any(each.kind is Parameter.VAR_KEYWORD for each in parameters))

    def fits(self, name: str, value: object) -> bool:
        """Whether an option's value is of the type that it is written with; its default always is."""
        return name not in self.forms or self.forms[name].holds(value) or value == self.free[name].default

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as their types have them: 0 as 0.0 where numbers have a point, and 1e3 as 1000 for a whole one."""
        return {
            name: self.forms[name].made(value) if name in self.forms and self.forms[name].holds(value) else value
            for name, value in values.items()
        }

    def default(self, name: str) -> str:
        """An option as it would be left out, `gamma = 0.1`; its name alone where TOML has no such value."""
        value: object = self.free[name].default
        items = cast("tuple[object, ...]", value if isinstance(value, tuple) else (value,))
        is_plain = all(isinstance(item, bool | int | float | str) for item in items)
        return f"{name} = {toml_value(cast('object', value))}" if is_plain else name

    @property
    def hint(self) -> str | None:
        """All of them with their defaults, for where the code fails."""
        return f"its options: {', '.join(map(self.default, self.free))}" if self.free else None


def _types_in(code: Callable[..., Any]) -> dict[str, Any]:
    """The types of some code's parameters, so far as they are written and can be told."""
    named = dict(vars(collections.abc))  # torch imports these for type checkers alone
    try:
        return get_type_hints(_called(code), localns=named)
    except Exception:  # whatever stands there: a name that nobody has, a call that fails
        return {}


def _called(code: Callable[..., Any]) -> Callable[..., Any]:
    """The function that runs when some code is called."""
    if inspect.isclass(code):
        return code.__init__
    return code if inspect.isroutine(code) else type(code).__call__


def _form_of(written: Any) -> Form:
    """What a value of that type may be; a type that says nothing of a recipe's values allows any."""
    forms = list(_forms(written)) or [_ANYTHING]
    one, many = dict.fromkeys(each.one for each in forms), dict.fromkeys(each.many for each in forms)
    return Form(
        " or ".join(one),
        " or ".join(many),
        lambda value: any(each.holds(value) for each in forms),
        lambda value: next(each for each in forms if each.holds(value)).made(value),
    )


def _forms(written: Any) -> Iterator[Form]:
    origin, inner = get_origin(written), get_args(written)
    if origin in (Union, UnionType):
        for each in inner:
            yield from _forms(each)
    elif origin is Literal:
        words = " or ".join(toml_value(each) for each in inner if each is not None)
        yield Form(words, words, lambda value: any(value == each and type(value) is type(each) for each in inner))
    elif origin is tuple and ... not in inner:
        yield _row([_form_of(each) for each in inner])
    elif origin in _ARRAYS and inner:
        yield _array(_form_of(inner[0]))
    elif not ({written, origin}.intersection(_NEVER_IN_TOML) or _is_of_torch(written)):
        yield _PLAIN.get(written, _ANYTHING)


def _is_of_torch(written: Any) -> bool:
    """Whether a type is a tensor or the like; recipes are read before torch is loaded, so it is told by its module."""
    return getattr(written, "__module__", None) == "torch"


def _row(forms: Sequence[Form]) -> Form:
    kinds = {each.many for each in forms}
    words = f"of {len(forms)} {kinds.pop() if len(kinds) == 1 else 'values'}"

    def holds(value: object) -> bool:
        items = cast("list[object]", value) if isinstance(value, list) else []
        return len(items) == len(forms) and all(form.holds(item) for form, item in zip(forms, items, strict=True))

    def made(value: list[object]) -> list[object]:
        return [form.made(item) for form, item in zip(forms, value, strict=True)]

    return Form(f"an array {words}", f"arrays {words}", holds, made)


def _array(form: Form) -> Form:
    def holds(value: object) -> bool:
        return isinstance(value, list) and all(map(form.holds, cast("list[object]", value)))

    def made(value: list[object]) -> list[object]:
        return list(map(form.made, value))

    return Form(f"an array of {form.many}", f"arrays of {form.many}", holds, made)
