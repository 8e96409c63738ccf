"""Rows that stand in two splits: as they are, with their texts swapped, or nearly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from ftcli.data.doctor.near import MEANING
from ftcli.data.doctor.register import Register
from ftcli.data.findings import WARNED_SHARE, Finding, share_of
from ftcli.data.report import LEAKS_FILE
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import Split
from ftcli.spec.wording import counted, verb

SAME, SWAPPED, NEAR, NEAR_SWAPPED = "same", "swapped", "near", "near and swapped"
ROWS_PER_ACTIVITY = 2000

# A text's first row with an answer stands for all: rows repeated a thousand times do not meet as many others.
_FIRSTS = """
CREATE TABLE firsts AS SELECT split, hash, plain, answer, MIN(id) AS id FROM rows GROUP BY split, hash, answer;
CREATE INDEX firsts_by_hash ON firsts (hash, split);
CREATE INDEX firsts_by_plain ON firsts (plain, split);
"""
# Of several rows the first with the same answer is taken: it is what a model that knows them by heart may well say.
_MATCHES = """
INSERT OR IGNORE INTO leaks
SELECT here.id, there.split, MIN((there.answer IS NOT here.answer) << 40 | there.id) & 0xFFFFFFFFFF, ?
FROM rows here JOIN firsts there
ON there.{there} = here.{here} AND there.split < here.split GROUP BY here.id, there.split
"""
_LEAKED = "SELECT row FROM leaks WHERE other_split = ?"
_STEPS = ((SAME, "hash", "hash"), (SWAPPED, "hash", "swapped"), (NEAR, "plain", "plain"))
_OTHER = {"regression": "another number", "tagging": "other tags", "multilabel": "other labels"}
_LISTED = """
SELECT here.split, here.number, here.start, there.split, there.number, there.start, kind FROM leaks
JOIN rows here ON here.id = leaks.row JOIN rows there ON there.id = leaks.other ORDER BY leaks.row, leaks.other_split
"""
_COUNTED = """
SELECT kind, COUNT(*), SUM(here.answer IS NOT NULL AND there.answer IS NOT NULL AND here.answer <> there.answer)
FROM leaks JOIN rows here ON here.id = leaks.row JOIN rows there ON there.id = leaks.other
WHERE here.split = ? AND there.split = ? GROUP BY kind
"""


def find_leaks(register: Register) -> Working[list[Finding]]:
    """Find the rows of each split that an earlier one has too, and list them in a file of the folder."""
    database = register.database
    database.executescript(_FIRSTS)
    for kind, there, here in (*_STEPS, (NEAR_SWAPPED, "plain", "plain_swapped")):
        yield Activity("look for leaks", 0)
        database.execute(_MATCHES.format(there=there, here=here), (kind,))
    near = yield from register.near.search(lambda split: (row for (row,) in register.select(_LEAKED, split)))
    rows = np.array([(row, other) for row, _, other, _ in near], dtype=np.int64)
    yield from register.enter(np.unique(rows))
    found = [(row, split, other, NEAR_SWAPPED if swapped else NEAR) for row, split, other, swapped in near]
    database.executemany("INSERT OR IGNORE INTO leaks VALUES (?, ?, ?, ?)", found)
    if register.number("SELECT COUNT(*) FROM leaks"):
        yield from _list(register, register.folder / LEAKS_FILE)
    return [*_findings(register)]


def _list(register: Register, path: Path) -> Working[None]:
    with path.open("wb") as file:
        for number, (split, row, start, other_split, other, other_start, kind) in enumerate(register.select(_LISTED)):
            if number % ROWS_PER_ACTIVITY == 0:
                yield Activity("list leaks", number)
            entry: dict[str, object] = {"kind": kind}
            entry |= register.described(register.splits[split], row, start)
            entry |= register.described(register.splits[other_split], other, other_start, prefix="other_")
            file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))


def _findings(register: Register) -> Iterator[Finding]:
    splits = register.splits
    for place, split in enumerate(splits):
        for other in splits[:place]:
            found = register.select(_COUNTED, register.splits.index(split), register.splits.index(other))
            counts = {str(kind): (count, differing) for kind, count, differing in found}
            if counts:
                yield _finding(register, split, other, counts)
    sampled = [f"one row of {split} in {every}" for split, every in register.every.items() if every > 1]
    looked = sampled + (["rows that share a rare 3-letter piece"] if register.near.is_cut else [])
    if looked and len(splits) > 1:
        among = " and ".join(looked)
        text = f"near leaks were looked for among {among} only: there may be more (exact ones are all found)"
        yield Finding(code="near-search-cut", severity="note", count=len(looked), text=text)


def _finding(register: Register, split: Split, other: Split, counts: dict[str, tuple[int, int]]) -> Finding:
    total, differing = (sum(count[place] for count in counts.values()) for place in (0, 1))
    rows = register.facts.splits[split].rows
    kinds = {SAME: "as they are", SWAPPED: "with the texts swapped", NEAR: "nearly", NEAR_SWAPPED: "nearly and swapped"}
    how = ", ".join(f"{counts[kind][0]:,} {words}" for kind, words in kinds.items() if kind in counts)
    text = f"{counted(total)} of {split} ({share_of(total, rows)})"
    text += f" {verb(total, 'stands', 'stand')} in {other} too: {how}"
    if differing:
        text += f"; {differing:,} of them with {_OTHER.get(register.facts.task, 'another label')}"
    is_trained = other == "train"
    if is_trained:
        text += _price(register, split, total - differing)
    lists = f"{LEAKS_FILE} lists them"
    advice = f"leave them out of {other}; {lists}" if is_trained else lists
    if NEAR in counts or NEAR_SWAPPED in counts:
        advice += f". {MEANING}"
    severity = "warning" if is_trained and total / rows >= WARNED_SHARE else "note"
    return Finding(code="leak", severity=severity, split=split, count=total, text=text, advice=advice)


def _price(register: Register, split: Split, agreeing: int) -> str:
    """What rows that are known by heart do to a score: those with another answer are told wrong, and lift nothing."""
    if not agreeing:
        return ". What a model knows by heart is wrong for them"
    if register.facts.task != "classification":
        return f". What a model knows by heart makes its {split} score look better than it is"
    points = 100 * agreeing / register.facts.splits[split].rows
    return f". What a model knows by heart can lift the {split} accuracy by up to {points:.1f} points"
