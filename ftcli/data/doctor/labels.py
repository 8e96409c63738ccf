"""What the labels of a data set are like: how well one can score without reading, and which are not what they seem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from ftcli.data.findings import Finding, share_of
from ftcli.data.labels import spelling
from ftcli.data.profile import SplitProfile
from ftcli.spec.card import Split
from ftcli.spec.wording import counted, verb

FEW_ROWS = 10
UNEVEN, VERY_UNEVEN = 2, 20
SHOWN_LABELS = 5
SEPARATORS = "|;,/+&"
_LABELLED = ("classification", "multilabel")


def find_imbalance(splits: Mapping[Split, SplitProfile], *, task: str) -> Iterator[Finding]:
    """Find labels that most rows bear, and those that hardly any does."""
    if task not in _LABELLED:
        return
    if task == "classification":
        yield from _majority(splits)
    train = splits["train"].label_counts
    few = sorted((count, label) for label, count in train.items() if count < FEW_ROWS)
    if few and len(train) > 1:
        shown = _listed(f"`{label}` ({count})" for count, label in few)
        text = (
            f"{counted(len(few), 'label')} of {len(train)} with fewer than {FEW_ROWS} rows in train: {shown}."
            " Such a label is hardly learned, yet it weighs as much as any other in a macro average"
        )
        yield Finding(
            code="rare-labels", severity="warning", split="train", count=len(few), text=text, advice="merge or collect"
        )


def _listed(labels: Iterable[str]) -> str:
    every = list(labels)
    more = f" and {len(every) - SHOWN_LABELS} more" if len(every) > SHOWN_LABELS else ""
    return ", ".join(every[:SHOWN_LABELS]) + more


def _majority(splits: Mapping[Split, SplitProfile]) -> Iterator[Finding]:
    counts = {label: count for label, count in splits["train"].label_counts.items() if count}
    if len(counts) < 2:
        return
    most, least = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    ratio = counts[most] / counts[least]
    if ratio < UNEVEN:
        return
    train = splits["train"]
    split: Split = "validation" if "validation" in splits and splits["validation"].labelled else "train"
    share = splits[split].shares.get(most, 0.0)
    f1 = 2 * share / (1 + share) / len(counts)
    text = (
        f"`{most}` is {share_of(counts[most], train.labelled)} of train, the rarest label `{least}`"
        f" {share_of(counts[least], train.labelled)} ({counts[least]:,}). Always answering `{most}` scores accuracy"
        f" {share:.3f}, macro F1 {f1:.3f} and MCC 0 on {split}: judge a run by what lies above"
    )
    severity = "warning" if ratio >= VERY_UNEVEN else "note"
    advice = 'look at macro F1 or MCC; task.class_weights = "balanced" weighs rare labels up'
    yield Finding(code="imbalance", severity=severity, split="train", count=counts[most], text=text, advice=advice)


def find_spellings(splits: Mapping[Split, SplitProfile]) -> Iterator[Finding]:
    """Find labels, or types of entities, that are one but for case, width or space."""
    counts = splits["train"].counts
    ordered = groupby(sorted(counts, key=lambda label: (spelling(label), -counts[label])), key=spelling)
    groups = [found for _, group in ordered if len(found := list(group)) > 1]
    # One table for all of them, whichever finding it is read in: a recipe can have no second.
    renamed = ", ".join(f'"{label}" = "{kept}"' for kept, *others in groups for label in others)
    for kept, *others in groups:
        rows = sum(counts[label] for label in others)
        each = _listed(f"`{label}` ({counts[label]:,})" for label in (kept, *others))
        text = f"{each} differ only in case, width or space, yet each is learned as a label of its own"
        advice = f"data.label_map = {{ {renamed} }} makes them one"
        yield Finding(code="label-spelling", severity="warning", split="train", count=rows, text=text, advice=advice)


def find_joined(splits: Mapping[Split, SplitProfile], *, task: str) -> Iterator[Finding]:
    """Find labels that look like several others with a separator between them."""
    counts = splits["train"].label_counts
    for separator in SEPARATORS if task in _LABELLED else "":
        parts = {label: [part.strip() for part in label.split(separator)] for label in counts}
        uses = Counter(part for found in parts.values() for part in {*found})
        joined = [label for label, found in parts.items() if len(found) > 1 and all(p and uses[p] > 1 for p in found)]
        if joined:
            rows = sum(counts[label] for label in joined)
            text = f"{counted(len(joined), 'label')} of {len(counts)} {verb(len(joined), 'looks', 'look')} like several"
            text += f" joined by `{separator}`, and {verb(len(joined), 'comes', 'come')} up"
            text += f" {counted(rows, 'time')} in train: {_listed(f'`{each}`' for each in joined)}."
            text += " Each combination is learned as a label of its own"
            advice = "" if task == "multilabel" else "task.multi_label = true and "
            advice = f'{advice}data.label_separator = "{separator}" {"part" if advice else "parts"} them'
            yield Finding(code="joined-labels", severity="warning", split="train", count=rows, text=text, advice=advice)
            return
