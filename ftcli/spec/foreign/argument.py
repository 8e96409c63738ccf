"""What an argument of another tool is to a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["recipe", "command", "always", "none"]
"""Where a behaviour has its place: in the recipe, on the command line, in every run unasked, nowhere."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One or several arguments of another tool, and what is here in their place.

    `here` are keys of the recipe or command lines. `note` is a sentence: how it differs, or why there is no such thing.
    """

    names: tuple[str, ...]
    place: Place
    here: tuple[str, ...] = ()
    note: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the recipe, if it is those that do the work."""
        return self.here if self.place == "recipe" else ()


def in_recipe(names: str, keys: str, note: str = "") -> Argument:
    """Arguments whose work is done by keys of the recipe; spaces part names, and keys."""
    return Argument(tuple(names.split()), "recipe", tuple(keys.split()), note)


def by_command(names: str, command: str, note: str = "") -> Argument:
    """Arguments whose work is done by a command line."""
    return Argument(tuple(names.split()), "command", (command,), note)


def always(names: str, note: str) -> Argument:
    """Arguments that ask for what is so in every run, or that follows from something else."""
    return Argument(tuple(names.split()), "always", (), note)


def no_place(names: str, note: str) -> Argument:
    """Arguments that ask for what does not belong here, and why."""
    return Argument(tuple(names.split()), "none", (), note)


def plain(name: str) -> str:
    """A name however it is written, on a command line or in capitals: `--Learning-Rate` is `learning_rate`."""
    return name.lstrip("-").replace("-", "_").casefold()
