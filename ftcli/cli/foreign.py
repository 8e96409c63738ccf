"""Other tools' names, and what stands here for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from ftcli.spec.foreign.argument import Argument, Place
from ftcli.spec.foreign.names import Meaning, Tool
from ftcli.spec.foreign.values import Value
from ftcli.spec.reference import every_key

_TITLES: dict[Place, str] = {
    "recipe": "in the recipe",
    "command": "on the command line",
    "always": "without being asked for",
    "none": "no place here",
}


def correspondences(tool: Tool) -> Iterator[Table | Text]:
    """Everything that a tool has a name for, by where it has its place here; keys are in the recipe's order."""
    order = {entry.key: number for number, entry in enumerate(every_key())}
    for place, title in _TITLES.items():
        found = [each for each in tool.arguments if each.place == place]
        found.sort(key=lambda each: [order[key] for key in each.keys])
        yield Text(f"{title}\n", "bold")
        yield _side_by_side((each.names, _here(each), each.note) for each in found)
        yield Text()
    yield Text(f"ftcli explain NAME says all of what a name of {tool.title} is here.")


def meant_by(meanings: Iterable[Meaning]) -> Table:
    """What a name is to each tool that has it, and what is here in its place."""
    return _side_by_side(
        ((each.name, f"of {each.owners}"), _here(each.argument) or _TITLES[each.argument.place], each.argument.note)
        for each in meanings
    )


def written_for(word: str, values: Iterable[Value]) -> Table:
    """What is written here for a word that other tools have as a value, as they write it."""
    return _side_by_side(
        ((each.word(word) or word, *(f"as {key}" for key in each.keys)), each.here or _TITLES["none"], each.note)
        for each in values
    )


def _here(argument: Argument) -> str:
    return ", ".join(argument.here)


def _side_by_side(rows: Iterable[tuple[tuple[str, ...], str, str]]) -> Table:
    """Names on the left; on the right what is here in their place, and below it a note."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1), show_header=False)
    shown.add_column(no_wrap=True, style="bold")
    shown.add_column()
    for names, here, note in rows:
        shown.add_row("\n".join(names), Text("\n").join(filter(None, (Text(here, "cyan"), Text(note)))))
    return shown
