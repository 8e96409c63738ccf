"""What the labels of a data set allow: how well one can score at best, and how well without reading anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ftcli.data.dataset import DatasetFile
from ftcli.data.doctor.register import Register
from ftcli.data.findings import Finding, rows_in_words, share_of, verb
from ftcli.data.profile import SplitProfile
from ftcli.spec.card import SPLITS, Split

FEW_ROWS = 10
UNEVEN, VERY_UNEVEN = 2, 20
SHOWN_LABELS = 5
WARNED_SHARE = 0.005

# Groups of rows of one split that say the same, each with its rows, those of its commonest answer, and its answers.
_GROUPS = """
WITH counts AS (
    SELECT {key} AS text, answer, COUNT(*) AS rows FROM rows WHERE split = ? AND answer IS NOT NULL GROUP BY 1, 2
), texts AS (SELECT SUM(rows) AS rows, MAX(rows) AS most, COUNT(*) AS answers FROM counts GROUP BY text)
SELECT COUNT(*), SUM(rows), SUM(rows - most) FROM texts WHERE answers > 1
"""
_AS_IT_IS, _EITHER_WAY = "hash", "MIN(hash, IFNULL(swapped, hash))"


def find_contradictions(register: Register) -> Iterator[Finding]:
    """Find texts that bear several answers, and the best that one answer a text can score."""
    for split in sorted(register.facts.splits, key=SPLITS.index):
        place = SPLITS.index(split)
        same = next(register.select(_GROUPS.format(key=_AS_IT_IS), place))
        either = next(register.select(_GROUPS.format(key=_EITHER_WAY), place))
        if same[0]:
            yield _contradiction(register.facts, split, same, swapped="")
        if either[0] > same[0]:
            yield _contradiction(register.facts, split, either, swapped=", counting pairs that are swapped")


def _contradiction(facts: DatasetFile, split: Split, found: tuple[int, ...], *, swapped: str) -> Finding:
    texts, rows, wrong = (value or 0 for value in found)
    total = facts.splits[split].rows
    what = {"regression": "numbers", "tagging": "tags"}.get(facts.task, "labels")
    text = f"{rows_in_words(rows)} of {split} {verb(rows, 'has', 'have')} {rows_in_words(texts, 'text')}"
    text += f" that {verb(texts, 'stands', 'stand')} with different {what}{swapped}"
    if what == "labels":
        text += (
            f": no model that gives a text one answer can be right on more than {_down(1 - wrong / total)} of them all"
        )
    advice = f"decide on one of the {what}" + (", unless the order of the two texts means something" if swapped else "")
    severity = "warning" if not swapped and wrong / total >= WARNED_SHARE else "note"
    code = "contradiction-swapped" if swapped else "contradiction"
    return Finding(code=code, severity=severity, split=split, count=rows, text=text, advice=advice)


def _down(share: float) -> str:
    """A ceiling that is below 100 % never reads as 100 %."""
    return f"{share:.1%}" if share < 0.9995 else f"{share:.4%}"


def find_imbalance(splits: Mapping[Split, SplitProfile], *, task: str) -> Iterator[Finding]:
    """Find labels that most rows bear, and those that hardly any does."""
    if task not in ("classification", "multilabel"):
        return
    if task == "classification":
        yield from _majority(splits)
    train = splits["train"].label_counts
    few = sorted((count, label) for label, count in train.items() if count < FEW_ROWS)
    if few and len(train) > 1:
        shown = ", ".join(f"`{label}` ({count})" for count, label in few[:SHOWN_LABELS])
        more = f" and {len(few) - SHOWN_LABELS} more" if len(few) > SHOWN_LABELS else ""
        text = (
            f"{rows_in_words(len(few), 'label')} of {len(train)} with fewer than {FEW_ROWS} rows in train:"
            f" {shown}{more}."
            " Such a label is hardly learned, yet it weighs as much as any other in a macro average"
        )
        yield Finding(
            code="rare-labels", severity="warning", split="train", count=len(few), text=text, advice="merge or collect"
        )


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
    share = splits[split].label_shares.get(most, 0.0)
    f1 = 2 * share / (1 + share) / len(counts)
    text = (
        f"`{most}` is {share_of(counts[most], train.labelled)} of train, the rarest label `{least}`"
        f" {share_of(counts[least], train.labelled)} ({counts[least]:,}). Always answering `{most}` scores accuracy"
        f" {share:.3f}, macro F1 {f1:.3f} and MCC 0 on {split}: judge a run by what lies above"
    )
    severity = "warning" if ratio >= VERY_UNEVEN else "note"
    advice = 'look at macro F1 or MCC; task.class_weights = "balanced" weighs rare labels up'
    yield Finding(code="imbalance", severity=severity, split="train", count=counts[most], text=text, advice=advice)


def find_empty_questions(register: Register) -> Iterator[Finding]:
    """Find pairs that say the same thing twice."""
    for split, tally in register.tallies.items():
        if tally.same_texts:
            total = register.facts.splits[split].rows
            text = (
                f"{rows_in_words(tally.same_texts)} of {split} ({share_of(tally.same_texts, total)})"
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
        text = f"{rows_in_words(bad.count)} ({share_of(bad.count, bad.count + kept)} of all) could not be used and"
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
        text = f"{rows_in_words(repairs.count)} had tags that the scheme {facts.source_scheme} does not allow and"
        text += f" {verb(repairs.count, 'was', 'were')} repaired, the first at {first.location}: {first.reason}"
        advice = "dataset.json lists the first hundred"
        yield Finding(code="repairs", severity="note", count=repairs.count, text=text, advice=advice)
