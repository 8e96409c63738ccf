"""The labels of rows: what a file writes, as it is written into a prepared folder, or why it can't be used."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from ftcli.data.readers import label_text
from ftcli.data.rows import shown
from ftcli.errors import DataError, RecipeError
from ftcli.spec.card import DataCard

MAX_LABELS = 10_000
SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What is written for a row, and the labels that it counts for."""

    value: object
    labels: tuple[str, ...]


@dataclass(slots=True)
class LabelNames:
    """The names of labels: those that are known, None before train has shown them, and what replaces the file's.

    `seen` are those that came up; `mapped` those of the file that were replaced.
    """

    known: tuple[str, ...] | None
    replaced: Mapping[str, str]
    noun: Literal["label", "entity type"] = "label"
    seen: set[str] = field(default_factory=set[str])
    mapped: set[str] = field(default_factory=set[str])

    def name(self, found: str) -> str:
        """The label that the file's stands for."""
        if found not in self.replaced:
            return found
        self.mapped.add(found)
        return self.replaced[found]

    def refusal(self, labels: Iterable[str]) -> str | None:
        """Why labels can't be used; those that can have been seen."""
        if self.known is not None:
            for label in labels:
                if label not in self.known:
                    return f"unknown {self.noun} `{shown(label)}`; the {self.noun}s known are {listed(self.known)}"
        self.seen.update(labels)
        return None

    def settle(self, *, column: str | None) -> tuple[str, ...]:
        """From now on only those are known that were given, or else have been seen.

        Raises:
            DataError: There are so many that the column can't be one of labels.
        """
        if self.known is None:
            self.known = sort_labels(self.seen, column=column)
        return self.known

    def check_replaced(self) -> None:
        """Make sure that every label that is to be replaced has come up.

        Raises:
            RecipeError: One hasn't.
        """
        for label in self.replaced:
            if label not in self.mapped:
                what = f"`label_map` renames `{label}`, which no row has"
                raise RecipeError(what, hint="spell it as the files do", key=("data", "label_map", label))


def read_label(value: object, *, names: LabelNames, column: str) -> Answer | str | None:
    """One label; None where there is none."""
    found = label_text(value)
    if found is None:
        return None
    if not isinstance(value, str | int | float):
        return f"column `{column}` holds {kind_of(value)}, not a label"
    label = names.name(found)
    return names.refusal((label,)) or Answer(label, (label,))


def read_labels(value: object, *, names: LabelNames, column: str, separator: str) -> Answer | str | None:
    """Any number of labels: a list of them, or a text in which they are parted; an empty one has none."""
    if value is None:
        return None
    if isinstance(value, str):
        parts: list[object] = [*value.split(separator)]
    elif isinstance(value, list):
        parts = cast("list[object]", value)
        if wrong := [part for part in parts if not isinstance(part, str | int | float)]:
            return f"column `{column}` holds a list with {kind_of(wrong[0])} in it, not labels"
    else:
        return f"column `{column}` holds {kind_of(value)}, not a list of labels"
    found = {names.name(text) for part in parts if (text := label_text(part)) is not None}
    reason = names.refusal(found)
    if reason is not None:
        return reason
    order = names.known.index if names.known is not None else _place
    labels = sorted(found, key=order)
    return Answer(labels, tuple(labels))


def read_number(value: object, *, column: str) -> Answer | str | None:
    """A finite number, or a text that is one."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return f"column `{column}` holds {kind_of(value)}, not a number"
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        return f"column `{column}` holds `{shown(str(value))}`, which is no finite number"
    return Answer(number, ())


def kind_of(value: object) -> str:
    """What a value is, for a message."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text `{shown(value)}`"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case _:
            return "an object"


def sort_labels(labels: Iterable[str], *, column: str | None) -> tuple[str, ...]:
    """Return labels in their order: whole numbers by value, then the others by text.

    Raises:
        DataError: There are so many that the column can't be one of labels.
    """
    found = sorted(labels, key=_place)
    if len(found) > MAX_LABELS:
        what = f"column `{column}` has more than {MAX_LABELS} different values, too many for labels"
        raise DataError(what, hint="is it the right column? columns.label names it")
    return tuple(found)


def _place(label: str) -> tuple[bool, int, str]:
    is_number = re.fullmatch(r"-?[0-9]{1,18}", label) is not None
    return (not is_number, int(label) if is_number else 0, label)


def spelling(label: str) -> str:
    """What two spellings of a label have in common, be it that they differ in case, width or space."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def listed(names: Iterable[str]) -> str:
    """Return names as a list for a message, cut off where it gets long."""
    every = list(names)
    more = f" and {len(every) - SHOWN_NAMES} more" if len(every) > SHOWN_NAMES else ""
    return ", ".join(every[:SHOWN_NAMES]) + more


def label_names(card: DataCard) -> LabelNames:
    """The names of a card's labels, before any row has been read."""
    return LabelNames(card.labels, card.label_map, "entity type" if card.task == "tagging" else "label")
