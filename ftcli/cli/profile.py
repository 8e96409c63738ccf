"""The profile of a data set as tables on stdout, and what was found in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console, RenderableType
from rich.text import Text

from ftcli.cli.table import Column, labelled, table, trimmed
from ftcli.data.findings import Finding, share_of
from ftcli.data.profile import Lengths, Profile, SplitProfile, TokenLengths
from ftcli.flows.figures import flat, percent
from ftcli.flows.prepare import PreparedReport
from ftcli.spec.wording import counted

MOST_PROFILE_LABELS = 20


def show_prepared(console: Console, report: PreparedReport) -> None:
    """Print what a prepared data set looks like, and where it is."""
    show_profile(console, report.profile)
    state = "was prepared already (--force prepares it again)" if report.was_there else "prepared"
    console.print(f"{report.prepared.facts.name} {state}: {report.prepared.folder}", highlight=False, soft_wrap=True)


def show_profile(console: Console, profile: Profile) -> None:
    """Print what a data set looks like: its splits, labels or entities, lengths, repeated rows, and what was found."""
    splits = {str(name): split for name, split in profile.splits.items()}
    facts = f"{counted(sum(split.rows for split in splits.values()), 'row')} in {counted(len(splits), 'split')}"
    parts: list[RenderableType] = [
        Text.assemble((flat(profile.name), "bold"), f"  {facts}"),
        _splits(splits, console.width),
    ]
    if labels := list(_label_columns(splits)):
        parts += [Text(), table(labels, console.width), *_hidden_labels(splits)]
    if numbers := _numbers(splits):
        parts += [Text(), table(numbers, console.width)]
    parts += [Text(), _lengths(splits, console.width)]
    if repeats := _repeats(splits):
        parts += [Text(), table(repeats, console.width)]
    elif len(splits) > 1 and not any(finding.code == "leak" for finding in profile.findings):
        parts += [Text(), Text("no row stands in more than one split", style="dim")]
    if profile.all_findings:
        parts += [Text(), Text("findings", style="dim"), *map(_finding, profile.all_findings)]
    for part in parts:
        console.print(trimmed(console, part), highlight=False)


def _finding(finding: Finding) -> RenderableType:
    """A finding on a few lines: what it costs, and under it, dim, what to do."""
    is_warning = finding.severity == "warning"
    content = Text(flat(finding.text))
    if finding.advice:
        content.append(f"\n{flat(finding.advice)}", "dim")
    return labelled(Text("warning", "yellow") if is_warning else Text("note", "dim"), content)


def _splits(splits: Mapping[str, SplitProfile], width: int) -> RenderableType:
    every = list(splits.values())
    if any(split.words for split in every):
        return table(_tagged(splits), width)
    columns = [
        Column("split", list(splits), justify="left"),
        Column("rows", [f"{split.rows:,}" for split in every]),
        Column("labelled", [f"{split.labelled:,}" for split in every]),
        Column("duplicates", [f"{split.duplicates:,}" for split in every]),
    ]
    if not any(split.numbers for split in every):
        columns.append(Column("majority baseline", [_majority(split) for split in every], rank=1, justify="left"))
    return table(columns, width)


def _numbers(splits: Mapping[str, SplitProfile]) -> list[Column]:
    """What is to be told in regression, and the error of always answering the mean of train's numbers."""
    found = {name: split.numbers for name, split in splits.items() if split.numbers}
    if not found:
        return []
    every = list(found.values())
    return [
        Column("numbers of", list(found), justify="left"),
        Column("least", [f"{numbers.min:.4g}" for numbers in every]),
        Column("mean", [f"{numbers.mean:.4g}" for numbers in every]),
        Column("most", [f"{numbers.max:.4g}" for numbers in every]),
        Column("mse of train's mean", [f"{numbers.baseline_mse:.4g}" for numbers in every]),
    ]


def _tagged(splits: Mapping[str, SplitProfile]) -> list[Column]:
    every = list(splits.values())
    return [
        Column("split", list(splits), justify="left"),
        Column("sentences", [f"{split.rows:,}" for split in every]),
        Column("words", [f"{split.words:,}" for split in every]),
        Column("entities", [f"{sum(split.entities.values()):,}" for split in every]),
        Column("duplicates", [f"{split.duplicates:,}" for split in every], rank=1),
    ]


def _majority(split: SplitProfile) -> str:
    if split.majority_label is None or split.majority_share is None:
        return "-"
    return f"{split.majority_share:.4f} (always {flat(split.majority_label)})"


def _label_columns(splits: Mapping[str, SplitProfile]) -> Iterator[Column]:
    """Each label's, or entity type's, count and share in every split that has any; of many, the frequent first."""
    shown = {name: split for name, split in splits.items() if split.counts}
    labels = _shown_labels(shown)
    if not labels:
        return
    head = "entity" if any(split.words for split in splits.values()) else "label"
    yield Column(head, [flat(label) for label in labels], justify="left", folds=True)
    for place, (name, split) in enumerate(shown.items()):
        yield Column(name, [f"{split.counts.get(label, 0):,}" for label in labels], rank=place)
        yield Column("share", [percent(split.shares.get(label, 0.0)) for label in labels], rank=place, least=5)


def _shown_labels(splits: Mapping[str, SplitProfile]) -> list[str]:
    labels = _all_labels(splits)
    if len(labels) <= MOST_PROFILE_LABELS:
        return labels
    first = next(iter(splits.values()))
    return sorted(labels, key=lambda label: -first.counts.get(label, 0))[:MOST_PROFILE_LABELS]


def _all_labels(splits: Mapping[str, SplitProfile]) -> list[str]:
    return list(dict.fromkeys(label for split in splits.values() for label in split.counts))


def _hidden_labels(splits: Mapping[str, SplitProfile]) -> Iterator[Text]:
    hidden = len(_all_labels(splits)) - MOST_PROFILE_LABELS
    if hidden > 0:
        yield Text(f"and {counted(hidden, 'rarer label')}", style="dim")


def _lengths(splits: Mapping[str, SplitProfile], width: int) -> RenderableType:
    found = [(name, lengths) for name, split in splits.items() for lengths in (split.lengths, split.tokens) if lengths]
    columns = [
        Column("length of", [name for name, _ in found], justify="left"),
        Column("in", [lengths.unit for _, lengths in found], justify="left"),
        Column("median", [f"{lengths.p50:,}" for _, lengths in found]),
        Column("90%", [f"{lengths.p90:,}" for _, lengths in found], least=5),
        Column("95%", [f"{lengths.p95:,}" for _, lengths in found], least=5),
        Column("99%", [f"{lengths.p99:,}" for _, lengths in found], least=5),
        Column("longest", [f"{lengths.max:,}" for _, lengths in found]),
    ]
    if any(split.tokens for split in splits.values()):
        columns.append(Column("unknown", [_unknown(lengths) for _, lengths in found]))
    return table(columns, width)


def _unknown(lengths: Lengths) -> str:
    """The share of a text's pieces that the tokenizer doesn't know."""
    return share_of(lengths.unknown, lengths.pieces) if isinstance(lengths, TokenLengths) else ""


def _repeats(splits: Mapping[str, SplitProfile]) -> list[Column]:
    """The rows of a split that stand in another one, for all pairs where there are any."""
    found = [
        (name, str(other), overlap)
        for name, split in splits.items()
        for other, overlap in split.overlap.items()
        if overlap.same or overlap.swapped
    ]
    if not found:
        return []
    columns = [
        Column("rows of", [name for name, _, _ in found], justify="left"),
        Column("also in", [other for _, other, _ in found], justify="left"),
        Column("as they are", [f"{overlap.same:,}" for _, _, overlap in found]),
    ]
    if any(overlap.swapped for _, _, overlap in found):
        columns.append(Column("with texts swapped", [f"{overlap.swapped:,}" for _, _, overlap in found]))
    return columns
