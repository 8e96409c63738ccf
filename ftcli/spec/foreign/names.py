"""Other tools' names for what a recipe says: which tools are known, and who calls what by a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ftcli.spec.foreign.accelerate import ACCELERATE
from ftcli.spec.foreign.adaseq import ADASEQ
from ftcli.spec.foreign.argument import Argument, plain
from ftcli.spec.foreign.paddlenlp import PADDLENLP
from ftcli.spec.foreign.transformers import TRANSFORMERS
from ftcli.spec.nearest import did_you_mean
from ftcli.spec.wording import verb


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool by the name it goes by, and all that it has names for."""

    title: str
    arguments: tuple[Argument, ...]


TOOLS = {
    "paddlenlp": Tool("PaddleNLP", PADDLENLP),
    "adaseq": Tool("AdaSeq", ADASEQ),
    "transformers": Tool("transformers", TRANSFORMERS),
    "accelerate": Tool("Accelerate", ACCELERATE),
}
"""By the word that `--from` takes."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name means to those tools (their titles) that have it; `name` is the whole of it."""

    name: str
    tools: tuple[str, ...]
    argument: Argument

    @property
    def owners(self) -> str:
        """The tools in words: `PaddleNLP and transformers`."""
        *first, last = self.tools
        return f"{', '.join(first)} and {last}" if first else last


def meanings_of(name: str, tools: Iterable[Tool] = TOOLS.values()) -> list[Meaning]:
    """Who has a name, and for what.

    Where no tool has just this name, it may be written in another way, or be the end of a path (`regex`).
    """
    named = [(full, tool.title, each) for tool in tools for each in tool.arguments for full in each.names]
    names = dict.fromkeys(full for full, _, _ in named)
    meant = (
        [full for full in names if full == name]
        or [full for full in names if plain(full) == plain(name)]
        or [full for full in names if plain(full).endswith(f".{plain(name)}")]
    )
    found: dict[tuple[str, Argument], list[str]] = {}
    for full, title, argument in named:
        if full in meant:
            found.setdefault((full, argument), []).append(title)
    return [Meaning(full, tuple(titles), argument) for (full, argument), titles in found.items()]


def foreign_names() -> list[str]:
    """Every name that a tool has for something, whole."""
    return list(dict.fromkeys(name for tool in TOOLS.values() for each in tool.arguments for name in each.names))


def owner_of_table(path: str) -> str | None:
    """What to say to somebody who writes a table of another tool's (`experiment`); None if no tool has it."""
    for word, tool in TOOLS.items():
        if any(name.startswith(f"{path}.") for each in tool.arguments for name in each.names):
            return f"`{path}` is a table of {tool.title}: ftcli explain --from {word} tells what its keys are here"
    return None


def hint_for(meanings: Iterable[Meaning]) -> str | None:
    """What to say to somebody who writes another tool's name where a recipe has none; None without a meaning."""
    meaning = next(iter(meanings), None)
    if meaning is None:
        return None
    argument, whose = meaning.argument, f"`{meaning.name}` of {meaning.owners}"
    calls = verb(len(meaning.tools), "calls", "call")
    match argument.place:
        case "recipe":
            told = f"{meaning.owners} {calls} it `{meaning.name}`. {argument.note}".rstrip()
            return f"{did_you_mean(*argument.here)} {told}"
        case "command":
            return f"{whose} is a command here: {argument.here[0]}. {argument.note}".rstrip()
        case "always":
            return f"{whose} has no key here. {argument.note}"
        case "none":
            return f"{whose} has no place here. {argument.note}"
