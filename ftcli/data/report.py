"""A profile on disk: `report.json` for programs, and `report.md`, a page to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ftcli.data.dataset import DatasetFile, Prepared
from ftcli.data.findings import share_of
from ftcli.data.profile import Lengths, Profile
from ftcli.errors import DataError
from ftcli.runtime.files import write_atomically, write_json
from ftcli.spec.wording import counted, verb

REPORT_FILE = "report.json"
PAGE_FILE = "report.md"
LEAKS_FILE = "leaks.jsonl"
CONTRADICTIONS_FILE = "contradictions.jsonl"
SHOWN_LABELS = 20


def write_report(folder: Path, profile: Profile, *, facts: DatasetFile) -> None:
    """Write both forms of the report into a prepared folder, over those that are there.

    Raises:
        OSError: They can't be written.
    """
    write_json(folder / REPORT_FILE, profile.model_dump(mode="json"))
    write_atomically(folder / PAGE_FILE, to_markdown(profile, facts=facts).encode())


def read_profile(prepared: Prepared) -> Profile:
    """Read what a prepared data set looks like, as it was found when it was prepared.

    Raises:
        DataError: The report is missing or unreadable.
    """
    path = prepared.folder / REPORT_FILE
    try:
        return Profile.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        hint = f"prepare it again: ftcli prepare {prepared.facts.name} --force"
        raise DataError(f"{path} can't be read: {str(error).splitlines()[0]}", hint=hint) from None


def to_markdown(profile: Profile, *, facts: DatasetFile) -> str:
    """Return the report: findings, counts, labels, lengths, and rows that stand in more than one place."""
    parts = [
        f"# {facts.title or facts.name}",
        f"Data set `{facts.name}`. Licence: {facts.licence}.",
        _findings(profile),
        _answers(profile),
        _lengths(profile),
        _repeats(profile),
        f"Rows left out: {facts.bad_rows.count}. Rows repaired: {facts.repairs.count}.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _findings(profile: Profile) -> str:
    lines = [
        f"- **{finding.severity}** ({finding.code}): {finding.text}."
        + (f" *{finding.advice}*" if finding.advice else "")
        for finding in profile.all_findings
    ]
    return "## Findings\n\n" + ("\n".join(lines) or "Nothing stands out.")


def _answers(profile: Profile) -> str:
    every = profile.splits.values()
    if any(facts.words for facts in every):
        return _tags(profile)
    return _numbers(profile) if any(facts.numbers for facts in every) else _labels(profile)


def _numbers(profile: Profile) -> str:
    rows: list[list[object]] = []
    for split, facts in profile.splits.items():
        found = facts.numbers
        values = (found.min, found.mean, found.max, found.baseline_mse) if found else ()
        rows.append([split, facts.rows, *([f"{value:.4g}" for value in values] or ["–"] * 4)])
    header = ["split", "rows", "min", "mean", "max", "MSE of the mean"]
    note = "The last is the mean squared error of always answering the mean of train; to read nothing is to score that."
    return "## Numbers\n\n" + _table(header, rows) + "\n\n" + note


def _tags(profile: Profile) -> str:
    types = list(dict.fromkeys(kind for facts in profile.splits.values() for kind in facts.entities))
    rows: list[list[object]] = []
    for split, facts in profile.splits.items():
        counts = [facts.entities.get(kind, 0) for kind in types]
        rows.append([split, facts.rows, facts.words, sum(counts), *counts])
    return "## Entities\n\n" + _table(["split", "sentences", "words", "entities", *types], rows)


def _labels(profile: Profile) -> str:
    labels = list(dict.fromkeys(label for facts in profile.splits.values() for label in facts.label_counts))
    shown = labels[:SHOWN_LABELS]
    rows: list[list[object]] = []
    for split, facts in profile.splits.items():
        shares = [f"{facts.label_counts[label]} ({facts.shares[label]:.1%})" for label in shown if facts.label_counts]
        majority = "labelled" if facts.labelled else "unlabelled"
        if facts.majority_label is not None:
            majority = f"{facts.majority_label} ({facts.majority_share:.1%})"
        rows.append([split, facts.rows, majority, *(shares or ["–"] * len(shown))])
    hidden = len(labels) - len(shown)
    more = f"\n\n{counted(hidden, 'more label')} {verb(hidden, 'is', 'are')} in report.json." if hidden else ""
    return "## Labels\n\n" + _table(["split", "rows", "majority", *shown], rows) + more


def _lengths(profile: Profile) -> str:
    rows: list[list[object]] = []
    for split, facts in profile.splits.items():
        rows.append([split, *_percentiles(facts.lengths), "", ""])
        if facts.tokens is not None:
            cut = f"{counted(facts.tokens.cut)} beyond {facts.tokens.max_length}"
            rows.append([split, *_percentiles(facts.tokens), cut, share_of(facts.tokens.unknown, facts.tokens.pieces)])
    header = ["split", "unit", "p50", "p90", "p95", "p99", "max", "cut", "unknown to the tokenizer"]
    return "## Lengths\n\n" + _table(header, rows)


def _percentiles(lengths: Lengths) -> list[object]:
    return [lengths.unit, lengths.p50, lengths.p90, lengths.p95, lengths.p99, lengths.max]


def _repeats(profile: Profile) -> str:
    others = list(profile.splits)
    rows: list[list[object]] = []
    for split, facts in profile.splits.items():
        there = [
            _overlap(facts.overlap[other].same, facts.overlap[other].swapped) if other != split else "–"
            for other in others
        ]
        rows.append([split, facts.duplicates, *there])
    header = ["split", "repeated inside", *(f"also in {other}" for other in others)]
    note = (
        'A repeated row has the texts of one further up; "+ n swapped" are pairs that stand there the other way round.'
    )
    return "## Repeated rows\n\n" + _table(header, rows) + "\n\n" + note


def _overlap(same: int, swapped: int) -> str:
    return f"{same} + {swapped} swapped" if swapped else str(same)
