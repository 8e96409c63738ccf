"""Rows whose answer says little: pairs of one text, and rows that were left out or repaired."""

from __future__ import annotations

from collections.abc import Iterator

from ftcli.data.dataset import DatasetFile
from ftcli.data.doctor.register import Register
from ftcli.data.findings import WARNED_SHARE, Finding, share_of
from ftcli.spec.wording import counted, verb


def find_empty_questions(register: Register) -> Iterator[Finding]:
    """Find pairs that say the same thing twice."""
    for split, tally in register.tallies.items():
        if tally.same_texts:
            total = register.facts.splits[split].rows
            text = (
                f"{counted(tally.same_texts)} of {split} ({share_of(tally.same_texts, total)})"
                f" {verb(tally.same_texts, 'holds', 'hold')} the same text"
                " twice: their answer needs no reading of the other"
            )
            severity = "warning" if tally.same_texts / total >= WARNED_SHARE else "note"
            yield Finding(
                code="same-texts",
                severity=severity,
                split=split,
                count=tally.same_texts,
                text=text,
                advice="leave them out",
            )


def find_bad_rows(facts: DatasetFile) -> Iterator[Finding]:
    """Say what was left out because it could not be used."""
    bad = facts.bad_rows
    if bad.count:
        first = bad.examples[0].location
        kept = sum(split.rows for split in facts.splits.values())
        text = f"{counted(bad.count)} ({share_of(bad.count, bad.count + kept)} of all) could not be used and"
        text += f" {verb(bad.count, 'was', 'were')} left out, the first at {first}: {bad.examples[0].reason}"
        yield Finding(
            code="bad-rows",
            severity="warning",
            count=bad.count,
            text=text,
            advice="dataset.json lists the first hundred",
        )


def find_repairs(facts: DatasetFile) -> Iterator[Finding]:
    """Say how many rows had tags that their scheme does not allow, and were repaired."""
    repairs = facts.repairs
    if repairs.count:
        first = repairs.examples[0]
        text = f"{counted(repairs.count)} had tags that the scheme {facts.source_scheme} does not allow and"
        text += f" {verb(repairs.count, 'was', 'were')} repaired, the first at {first.location}: {first.reason}"
        advice = "dataset.json lists the first hundred"
        yield Finding(code="repairs", severity="note", count=repairs.count, text=text, advice=advice)
