"""Results as tables on stdout: an evaluation, and the profile of a data set."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

import orjson
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from ftcli.cli.table import Column, table
from ftcli.data.profile import Profile, SplitProfile
from ftcli.flows.figures import counted, figure, flat, percent
from ftcli.tasks.breakdown import ClassRow

MOST_MATRIX_LABELS = 12
MOST_CONFUSIONS = 5
MOST_PROFILE_LABELS = 20
INDENT = "  "


def show_evaluation(
    console: Console,
    *,
    title: str,
    rows: int,
    loss: float | None,
    metrics: Mapping[str, float],
    per_class: Sequence[ClassRow],
    confusion: Sequence[Sequence[int]] | None,
    labels: Sequence[str],
) -> None:
    """Print an evaluation.

    Args:
        console: Where to print.
        title: What was scored: the split's name.
        rows: Rows scored.
        loss: The mean loss over items; None where there is none.
        metrics: Each metric's value.
        per_class: Label, precision, recall, f1 and support; empty for tasks without labels.
        confusion: Counts, one row for each gold label; may be empty.
        labels: The labels in the matrix's order.
    """
    scores = {**({} if loss is None else {"loss": loss}), **metrics}
    parts: list[RenderableType] = [_title(title, counted(rows, "row")), _scores(scores)]
    if per_class:
        parts += [Text(), _classes(per_class, console.width)]
    if confusion:
        parts += [Text(), *_confusion(confusion, [flat(label) for label in labels], console.width)]
    for part in parts:
        console.print(part, highlight=False)


def _title(name: str, facts: str) -> Text:
    return Text.assemble((flat(name), "bold"), f"  {facts}")


def _scores(scores: Mapping[str, float]) -> Text:
    width = max(map(cell_len, scores), default=0)
    lines = [f"{INDENT}{_padded(name, width)}  {figure(value):>8}" for name, value in scores.items()]
    return Text("\n".join(lines))


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - cell_len(text))


def _classes(per_class: Sequence[ClassRow], width: int) -> RenderableType:
    columns = [
        Column("label", [flat(row.label) for row in per_class], justify="left", folds=True),
        Column("precision", [figure(row.precision) for row in per_class], rank=2),
        Column("recall", [figure(row.recall) for row in per_class], rank=2),
        Column("f1", [figure(row.f1) for row in per_class], least=6),
        Column("support", [f"{row.support:,}" for row in per_class], rank=1),
    ]
    return table(columns, width)


def _confusion(counts: Sequence[Sequence[int]], labels: Sequence[str], width: int) -> Iterator[RenderableType]:
    if len(labels) <= MOST_MATRIX_LABELS:
        for names in (labels, [str(number + 1) for number in range(len(labels))]):
            columns = _matrix(counts, labels, names)
            if sum(column.width + 2 for column in columns) - 2 <= width:
                yield Text("confusion matrix (rows: gold, columns: predicted)", style="dim")
                yield table(columns, width, diagonal=True)
                return
    yield from _most_confused(counts, labels, width)


def _matrix(counts: Sequence[Sequence[int]], labels: Sequence[str], names: Sequence[str]) -> list[Column]:
    """The matrix under the labels, or under their numbers where the labels are too wide."""
    rows = labels if names is labels else [f"{name} {label}" for name, label in zip(names, labels, strict=True)]
    heads = Column("", rows, justify="left")
    return [heads, *(Column(name, [f"{row[place]:,}" for row in counts]) for place, name in enumerate(names))]


def _most_confused(counts: Sequence[Sequence[int]], labels: Sequence[str], width: int) -> Iterator[RenderableType]:
    pairs = [
        (count, gold, predicted)
        for gold, row in zip(labels, counts, strict=True)
        for predicted, count in zip(labels, row, strict=True)
        if count and gold != predicted
    ]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:MOST_CONFUSIONS]
    if not worst:
        yield Text(f"no label was mistaken for another of the {len(labels)}", style="dim")
        return
    yield Text(f"most frequent confusions (there is no room for a matrix of {len(labels)} labels)", style="dim")
    columns = [
        Column("gold", [gold for _, gold, _ in worst], justify="left", folds=True),
        Column("predicted", [predicted for _, _, predicted in worst], justify="left", folds=True),
        Column("rows", [f"{count:,}" for count, _, _ in worst]),
    ]
    yield table(columns, width)


def show_profile(console: Console, profile: Profile) -> None:
    """Print what a data set looks like: its splits, labels, lengths and repeated rows."""
    splits = {str(name): split for name, split in profile.splits.items()}
    facts = f"{counted(sum(split.rows for split in splits.values()), 'row')} in {counted(len(splits), 'split')}"
    parts: list[RenderableType] = [_title(profile.name, facts), _splits(splits, console.width)]
    if labels := list(_label_columns(splits)):
        parts += [Text(), table(labels, console.width), *_hidden_labels(splits)]
    parts += [Text(), _lengths(splits, console.width), *_cuts(splits)]
    if repeats := _repeats(splits):
        parts += [Text(), table(repeats, console.width)]
    elif len(splits) > 1:
        parts += [Text(), Text("no row stands in more than one split", style="dim")]
    for part in parts:
        console.print(part, highlight=False)


def _splits(splits: Mapping[str, SplitProfile], width: int) -> RenderableType:
    every = list(splits.values())
    columns = [
        Column("split", list(splits), justify="left"),
        Column("rows", [f"{split.rows:,}" for split in every]),
        Column("labelled", [f"{split.labelled:,}" for split in every]),
        Column("duplicates", [f"{split.duplicates:,}" for split in every]),
        Column("majority baseline", [_majority(split) for split in every], rank=1, justify="left"),
    ]
    return table(columns, width)


def _majority(split: SplitProfile) -> str:
    if split.majority_label is None or split.majority_share is None:
        return "-"
    return f"{split.majority_share:.4f} (always {flat(split.majority_label)})"


def _label_columns(splits: Mapping[str, SplitProfile]) -> Iterator[Column]:
    """Each label's count and share in every split that has labels; frequent labels first where they are many."""
    labelled = {name: split for name, split in splits.items() if split.labelled}
    labels = _shown_labels(labelled)
    if not labels:
        return
    yield Column("label", [flat(label) for label in labels], justify="left", folds=True)
    for place, (name, split) in enumerate(labelled.items()):
        cells = [f"{split.label_counts.get(label, 0):,}" for label in labels]
        yield Column(name, cells, rank=place)
        yield Column("share", [percent(split.label_shares.get(label, 0.0)) for label in labels], rank=place, least=5)


def _shown_labels(splits: Mapping[str, SplitProfile]) -> list[str]:
    labels = _all_labels(splits)
    if len(labels) <= MOST_PROFILE_LABELS:
        return labels
    first = next(iter(splits.values()))
    return sorted(labels, key=lambda label: -first.label_counts.get(label, 0))[:MOST_PROFILE_LABELS]


def _all_labels(splits: Mapping[str, SplitProfile]) -> list[str]:
    return list(dict.fromkeys(label for split in splits.values() for label in split.label_counts))


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
    return table(columns, width)


def _cuts(splits: Mapping[str, SplitProfile]) -> Iterator[Text]:
    for name, split in splits.items():
        if split.tokens is not None and split.tokens.cut:
            share = percent(split.tokens.cut / split.rows)
            cut = f"{counted(split.tokens.cut, 'row')} of {name} ({share})"
            yield Text(f"max_length {split.tokens.max_length} cuts {cut}", style="yellow")


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


def print_json(value: object) -> None:
    """Print a dataclass as JSON on standard output, whole, whatever the terminal's width."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
