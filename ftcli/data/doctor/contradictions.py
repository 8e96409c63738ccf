"""Texts that stand in one split with several answers: the best that one answer a text can score, and a list of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from ftcli.data.doctor.register import Register
from ftcli.data.findings import WARNED_SHARE, Finding
from ftcli.data.report import CONTRADICTIONS_FILE
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import Split
from ftcli.spec.wording import counted, verb

ROWS_PER_ACTIVITY = 2000
_EITHER_WAY = "MIN(hash, IFNULL(swapped, hash))"

# Groups of rows of one split that say the same, each with its rows, those of its commonest answer, and its answers.
_GROUPS = """
WITH counts AS (
    SELECT {key} AS text, answer, COUNT(*) AS rows FROM rows WHERE split = ? AND answer IS NOT NULL GROUP BY 1, 2
), texts AS (SELECT SUM(rows) AS rows, MAX(rows) AS most, COUNT(*) AS answers FROM counts GROUP BY text)
SELECT COUNT(*), SUM(rows), SUM(rows - most) FROM texts WHERE answers > 1
"""
# The rows of such groups; of those, some contradict one another only if the order of their texts means nothing.
_LISTED = f"""
WITH keyed AS (
    SELECT id, split, number, start, answer, {_EITHER_WAY} AS text,
        MIN(answer) OVER same <> MAX(answer) OVER same AS as_they_are
    FROM rows WHERE answer IS NOT NULL WINDOW same AS (PARTITION BY split, hash)
), texts AS (SELECT split, text, MIN(id) AS first FROM keyed GROUP BY 1, 2 HAVING MIN(answer) <> MAX(answer))
SELECT split, first, number, start, as_they_are FROM texts JOIN keyed USING (split, text) ORDER BY first, id
"""


def find_contradictions(register: Register) -> Working[list[Finding]]:
    """Find texts that bear several answers, and list their rows in a file of the folder."""
    yield Activity("look for contradictions", 0)
    found = [*_findings(register)]
    if found:
        yield from _list(register, register.folder / CONTRADICTIONS_FILE)
    return found


def _list(register: Register, path: Path) -> Working[None]:
    group, before = -1, -1
    with path.open("wb") as file:
        for number, (split, first, row, start, as_they_are) in enumerate(register.select(_LISTED)):
            if number % ROWS_PER_ACTIVITY == 0:
                yield Activity("list contradictions", number)
            group, before = group + (first != before), first
            entry = {"group": group, "kind": "same" if as_they_are else "swapped"}
            entry |= register.described(register.splits[split], row, start)
            file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))


def _findings(register: Register) -> Iterator[Finding]:
    for split in register.splits:
        place = register.splits.index(split)
        same = next(register.select(_GROUPS.format(key="hash"), place))
        either = next(register.select(_GROUPS.format(key=_EITHER_WAY), place))
        if same[0]:
            yield _finding(register, split, same, swapped="")
        if either[0] > same[0]:
            yield _finding(register, split, either, swapped=", counting pairs that are swapped")


def _finding(register: Register, split: Split, found: tuple[int, ...], *, swapped: str) -> Finding:
    texts, rows, wrong = found
    facts = register.facts
    total = facts.splits[split].labelled
    what = {"regression": "numbers", "tagging": "tags"}.get(facts.task, "labels")
    text = f"{counted(rows)} of {split} {verb(rows, 'has', 'have')} {counted(texts, 'text')}"
    text += f" that {verb(texts, 'stands', 'stand')} with different {what}{swapped}"
    if what == "labels":
        text += (
            f": no model that gives a text one answer can be right on more than {_down(1 - wrong / total)} of them all"
        )
    advice = f"decide on one of the {what}" + (", unless the order of the two texts means something" if swapped else "")
    advice += f"; {CONTRADICTIONS_FILE} lists the rows"
    severity = "warning" if not swapped and wrong / total >= WARNED_SHARE else "note"
    code = "contradiction-swapped" if swapped else "contradiction"
    return Finding(code=code, severity=severity, split=split, count=rows, text=text, advice=advice)


def _down(share: float) -> str:
    """A ceiling that is below 100 % never reads as 100 %."""
    return f"{share:.1%}" if share < 0.9995 else f"{share:.4%}"
