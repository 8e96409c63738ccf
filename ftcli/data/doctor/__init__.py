"""The data doctor: what in a data set will cost something, found before a run pays for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ftcli.data.dataset import DatasetFile
from ftcli.data.doctor.answers import (
    find_bad_rows,
    find_contradictions,
    find_empty_questions,
    find_imbalance,
    find_repairs,
)
from ftcli.data.doctor.leaks import find_leaks
from ftcli.data.doctor.register import Register
from ftcli.data.findings import Finding, worst_first
from ftcli.data.profile import Profile
from ftcli.runtime.activity import Working


def examine(
    folder: Path, profile: Profile, *, facts: DatasetFile, before: tuple[Finding, ...] = ()
) -> Working[Profile]:
    """Return the profile of a prepared folder with its findings; leaks are listed in a file of the folder.

    Args:
        folder: Where the splits' files lie.
        profile: What is known of them; it stays as it is.
        facts: What is prepared there.
        before: Findings that were made on the way here.
    """
    scratch = folder / "doctor.sqlite"
    try:
        with closing(sqlite3.connect(scratch, isolation_level=None)) as database:
            register = Register(database, folder, facts)
            yield from register.fill()
            leaks = yield from find_leaks(register)
            found = [
                *before,
                *leaks,
                *find_contradictions(register),
                *find_imbalance(profile.splits, task=facts.task),
                *find_empty_questions(register),
                *find_bad_rows(facts),
                *find_repairs(facts),
            ]
    finally:
        scratch.unlink(missing_ok=True)
    splits = dict(profile.splits)
    if facts.task == "tagging":
        for split, tally in register.tallies.items():
            counted = {"words": tally.words, "entities": dict(sorted(tally.entities.items()))}
            splits[split] = splits[split].model_copy(update=counted)
    return profile.model_copy(update={"splits": splits, "findings": worst_first(found)})
