"""The data doctor: what in a data set will cost something, found before a run pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from ftcli.data.dataset import DatasetFile
from ftcli.data.doctor.contradictions import find_contradictions
from ftcli.data.doctor.labels import find_imbalance, find_joined, find_spellings
from ftcli.data.doctor.leaks import find_leaks
from ftcli.data.doctor.near_search import NearSearch
from ftcli.data.doctor.register import Register, SourceLines
from ftcli.data.doctor.rows import find_bad_rows, find_empty_questions, find_repairs
from ftcli.data.findings import Finding, worst_first
from ftcli.data.profile import Overlap, Profile, SplitProfile
from ftcli.data.scratch import scratch_database
from ftcli.runtime.activity import Working
from ftcli.spec.card import Split


def examine(
    folder: Path,
    profile: Profile,
    *,
    facts: DatasetFile,
    sources: Mapping[Split, SourceLines],
    before: tuple[Finding, ...] = (),
) -> Working[Profile]:
    """Return the profile of a prepared folder with repeated rows and findings; some are listed in files of the folder.

    Args:
        folder: Where the splits' files lie.
        profile: What is known of them; it stays as it is.
        facts: What is prepared there.
        sources: Where each split's rows come from.
        before: Findings that were made on the way here.
    """
    with scratch_database(folder / "doctor.sqlite") as database, ExitStack() as files:
        register = Register(database, NearSearch(folder, files), folder, facts, sources)
        yield from register.fill()
        splits: dict[Split, SplitProfile] = {
            split: _completed(found, split, register) for split, found in profile.splits.items()
        }
        leaks = yield from find_leaks(register)
        contradictions = yield from find_contradictions(register)
        found = [
            *before,
            *leaks,
            *contradictions,
            *find_spellings(splits),
            *find_joined(splits, task=facts.task),
            *find_imbalance(splits, task=facts.task),
            *find_empty_questions(register),
            *find_bad_rows(facts),
            *find_repairs(facts),
        ]
    return profile.model_copy(update={"splits": splits, "findings": worst_first(found)})


def _completed(profile: SplitProfile, split: Split, register: Register) -> SplitProfile:
    """A split's profile with what only the register knows."""
    tally = register.tallies[split]
    overlap: dict[Split, Overlap] = {
        other: register.overlap(split, other) for other in register.facts.splits if other != split
    }
    known: dict[str, object] = {"duplicates": register.duplicates(split), "overlap": overlap}
    if register.facts.task == "tagging":
        known |= {"words": tally.words, "entities": dict(sorted(tally.entities.items()))}
    return profile.model_copy(update=known)
