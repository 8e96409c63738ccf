"""Rows that stand in two splits: as they are, with their texts swapped, or nearly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from ftcli.data.content import content_of
from ftcli.data.doctor.register import Register
from ftcli.data.findings import Finding, rows_in_words, share_of, verb
from ftcli.data.report import LEAKS_FILE
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import SPLITS, Split

SAME, SWAPPED, NEAR, NEAR_SWAPPED = "same", "swapped", "near", "near and swapped"
WARNED_SHARE = 0.005
ROWS_PER_ACTIVITY = 2000

# Each text's first row in a split stands for all, so that rows repeated a thousand times do not meet a thousand others.
_FIRSTS = """
CREATE TABLE firsts AS SELECT split, hash, plain, MIN(id) AS id FROM rows GROUP BY split, hash;
CREATE INDEX firsts_by_hash ON firsts (hash, split);
CREATE INDEX firsts_by_plain ON firsts (plain, split);
"""
_MATCHES = """
INSERT OR IGNORE INTO leaks SELECT here.id, there.split, MIN(there.id), ? FROM rows here JOIN firsts there
ON there.{there} = here.{here} AND there.split < here.split GROUP BY here.id, there.split
"""
_STEPS = ((SAME, "hash", "hash"), (SWAPPED, "hash", "swapped"), (NEAR, "plain", "plain"))
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
    near = yield from register.near.search()
    rows = [(row, split, other, NEAR_SWAPPED if swapped else NEAR) for row, split, other, swapped in near]
    database.executemany("INSERT OR IGNORE INTO leaks VALUES (?, ?, ?, ?)", rows)
    if register.number("SELECT COUNT(*) FROM leaks"):
        yield from _list(register, register.folder / LEAKS_FILE)
    return [*_findings(register)]


def _list(register: Register, path: Path) -> Working[None]:
    with path.open("wb") as file:
        for number, (split, row, start, other_split, other, other_start, kind) in enumerate(register.select(_LISTED)):
            if number % ROWS_PER_ACTIVITY == 0:
                yield Activity("list leaks", number)
            here, there = SPLITS[split], SPLITS[other_split]
            entry = {
                "split": here,
                "row": row,
                "other_split": there,
                "other_row": other,
                "kind": kind,
                **_said(register, here, start, prefix=""),
                **_said(register, there, other_start, prefix="other_"),
            }
            file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))


def _said(register: Register, split: Split, start: int, *, prefix: str) -> dict[str, object]:
    facts = register.facts
    content = content_of(register.fields(split, start), facts.columns, task=facts.task)
    return {f"{prefix}texts": content.texts, f"{prefix}label": content.answer}


def _findings(register: Register) -> Iterator[Finding]:
    splits = sorted(register.facts.splits, key=SPLITS.index)
    for place, split in enumerate(splits):
        for other in splits[:place]:
            found = register.select(_COUNTED, SPLITS.index(split), SPLITS.index(other))
            counts = {str(kind): (count, differing) for kind, count, differing in found}
            if counts:
                yield _finding(register, split, other, counts)
    if register.every > 1 or register.near.is_cut:
        looked = f"one row of train in {register.every}" if register.every > 1 else "the first candidates"
        text = f"near leaks were looked for among {looked} only: there may be more (exact ones are all found)"
        yield Finding(code="near-search-cut", severity="note", count=register.every, text=text)


def _finding(register: Register, split: Split, other: Split, counts: dict[str, tuple[int, int]]) -> Finding:
    total, differing = (sum(count[place] for count in counts.values()) for place in (0, 1))
    rows = register.facts.splits[split].rows
    kinds = {SAME: "as they are", SWAPPED: "with the texts swapped", NEAR: "nearly", NEAR_SWAPPED: "nearly and swapped"}
    how = ", ".join(f"{counts[kind][0]:,} {words}" for kind, words in kinds.items() if kind in counts)
    text = f"{rows_in_words(total)} of {split} ({share_of(total, rows)})"
    text += f" {verb(total, 'stands', 'stand')} in {other} too: {how}"
    if differing:
        text += f"; {differing:,} of them with another label"
    is_trained = other == "train"
    if is_trained:
        text += f". What a model knows by heart can lift the {split} score by up to {100 * total / rows:.1f} points"
    advice = f"leave them out of {other}; {LEAKS_FILE} lists them" if is_trained else f"{LEAKS_FILE} lists them"
    severity = "warning" if is_trained and total / rows >= WARNED_SHARE else "note"
    return Finding(code="leak", severity=severity, split=split, count=total, text=text, advice=advice)
