"""`ftcli explain` and `ftcli schema`: what a recipe may say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ftcli.cli.foreign import correspondences, meant_by, written_for
from ftcli.cli.options import Debug
from ftcli.cli.table import labelled, trimmed
from ftcli.errors import UsageError
from ftcli.spec.foreign.argument import plain
from ftcli.spec.foreign.names import TOOLS, Tool, meanings_of
from ftcli.spec.foreign.values import values_of
from ftcli.spec.reference import Entry, entry_of, every_key, sections
from ftcli.spec.schema import recipe_schema


def explain(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="A key or a table, such as freeze.cache or optimizer.")
    ] = None,
    other: Annotated[
        str | None, typer.Option("--from", metavar="TOOL", help=f"List the names of another tool: {', '.join(TOOLS)}.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Say what a key of the recipe means: what it takes, its default, an example.

    Of a table its keys; without KEY the tables of a recipe. KEY may also be another tool's name for something, such as
    learning_rate or train.max_epochs, in capitals or after dashes, too; or a value of theirs, such as adamw_torch.
    """
    console, tool = Console(), _tool_of(other)
    listed = _overview() if tool is None else correspondences(tool)
    for part in listed if key is None else _answer(key, tool):
        console.print(trimmed(console, part), highlight=False, soft_wrap=True)


def schema(
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="The file; standard output otherwise.")] = None,
    debug: Debug = False,
) -> None:
    """Write the recipe's JSON Schema, by which an editor checks and completes recipes.

    A recipe names it in its first line: #:schema ./ftcli.schema.json
    """
    text = json.dumps(recipe_schema(), indent=2, ensure_ascii=False)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {output}: {error.strerror}", hint="say where else: --output FILE") from None
    Console().print(f"schema: {output}", highlight=False, soft_wrap=True)


def _tool_of(word: str | None) -> Tool | None:
    """The tool that `--from` names.

    Raises:
        UsageError: it is not known.
    """
    if word is not None and word.casefold() not in TOOLS:
        raise UsageError(f"--from {word}: its names are not known here", hint=f"known: {', '.join(TOOLS)}")
    return None if word is None else TOOLS[word.casefold()]


def _answer(key: str, tool: Tool | None) -> Iterator[Table | Text]:
    """All there is to say of a key, or of another tool's name or value.

    A recipe's own comes first, unless the tool is named; of theirs, names come before values.
    """
    meanings = meanings_of(key, TOOLS.values() if tool is None else [tool])
    own = next((name for name in (key, plain(key)) if any(entry.key == name for entry in every_key())), None)
    values = [] if meanings else values_of(key)
    if not (meanings or values) or (tool is None and own is not None):
        yield from _about(entry_of(own or key.lstrip("-")))
        return
    yield meant_by(meanings) if meanings else written_for(key, values)
    keys = [each.argument.keys for each in meanings] or [each.keys for each in values if len(values) == 1]
    for here in dict.fromkeys(here for some in keys for here in some):
        yield Text()
        yield from _about(entry_of(here))


def _overview() -> Iterator[Table | Text]:
    """Every table of a recipe in a sentence."""
    yield _columns(None, [(_title(entry), entry.description) for entry in sections()])
    yield Text("\nftcli explain TABLE lists a table's keys, ftcli explain TABLE.KEY says all of one.")
    yield Text(f"ftcli explain --from {'|'.join(TOOLS)} tells what their names are here.")


def _about(entry: Entry) -> Iterator[Table | Text]:
    """All there is to say of a key, or of a table."""
    yield Text(f"{_title(entry)}\n", "bold")
    yield Text(entry.description)
    yield Text()
    if entry.choices:
        yield _columns(("kind", "what it is"), entry.choices)
        yield Text()
    for label, lines in _facts(entry):
        yield labelled(label, Text("\n".join(lines)))
    if entry.keys:
        rows = [(each.key.rpartition(".")[2], each.default or "", _in_brief(each)) for each in entry.keys]
        yield _columns(("key", "default", "what it is"), rows)
        yield Text(f"\nftcli explain {entry.key}.KEY says all of a key.")


def _facts(entry: Entry) -> Iterator[tuple[str, list[str]]]:
    if "." not in entry.key and entry.keys:
        return
    yield "takes", [entry.takes]
    if entry.default is not None:
        yield "default", [entry.default]
    if entry.kinds:
        yield "only with", [f'kind = "{kind}"' for kind in entry.kinds]
    if entry.example is not None:
        yield "example", entry.example.splitlines()
    if entry.relations:
        yield "note", list(entry.relations)
    if entry.keys:
        yield "", []


def _title(entry: Entry) -> str:
    return f"[{entry.key}]" if entry.keys and "." not in entry.key else entry.key


def _in_brief(entry: Entry) -> str:
    kinds = " or ".join(f'"{kind}"' for kind in entry.kinds)
    return f"{entry.description} Only with kind = {kinds}." if kinds else entry.description


def _columns(titles: tuple[str, ...] | None, rows: Iterable[tuple[str, ...]]) -> Table:
    """Names on the left, what is said of them on the right and folded under itself."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim", show_header=titles is not None)
    found = list(rows)
    for place, title in enumerate(titles or found[0]):
        shown.add_column(title, no_wrap=place < len(found[0]) - 1, style="bold" if place == 0 else "")
    for row in found:
        shown.add_row(*map(Text, row))
    return shown
