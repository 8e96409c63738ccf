"""What a recipe makes of a data set: what is cut off, what its tokenizer doesn't know, and how much is padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import cast

from ftcli.data.dataset import Prepared
from ftcli.data.findings import Finding, share_of
from ftcli.data.profile import SplitProfile, TokenLengths
from ftcli.runtime.encoding import EncodeRows, Fields
from ftcli.spec.card import Split
from ftcli.spec.wording import counted, verb

NOTED_UNKNOWN, WARNED_UNKNOWN = 0.005, 0.03
WARNED_CUT = 0.01
WARNED_PADDING = 0.3
LEAST_SAVED = 0.005
ROWS_AT_ONCE = 512


def find_cuts(splits: Mapping[Split, SplitProfile], lengths: Mapping[Split, Mapping[int, int]]) -> Iterator[Finding]:
    """Find rows that are longer than max_length, with the tokens that no model sees."""
    for split, profile in splits.items():
        tokens = profile.tokens
        if tokens is None or not tokens.cut:
            continue
        every = sum(length * count for length, count in lengths[split].items())
        lost = sum(
            (length - tokens.max_length) * count
            for length, count in lengths[split].items()
            if length > tokens.max_length
        )
        text = (
            f"{counted(tokens.cut)} of {split} ({share_of(tokens.cut, profile.rows)})"
            f" {verb(tokens.cut, 'is', 'are')} longer than"
            f" max_length {tokens.max_length} and cut: {share_of(lost, every)} of its tokens are never read"
        )
        advice = f"max_length = {tokens.max} would cut none" + (
            f", {tokens.p99} one row in a hundred" if tokens.max_length < tokens.p99 < tokens.max else ""
        )
        severity = "warning" if tokens.cut / profile.rows >= WARNED_CUT else "note"
        yield Finding(code="cut", severity=severity, split=split, count=tokens.cut, text=text, advice=advice)


def find_lost_entities(prepared: Prepared, *, encode: EncodeRows, max_length: int) -> Iterator[Finding]:
    """Find the entities of long sentences that would be lost if these were cut rather than read in windows.

    Args:
        prepared: Rows of words and tags.
        encode: Encodes rows uncut, each as one sequence.
        max_length: The tokens of one window.
    """
    for split in prepared.facts.splits:
        cut = lost = total = 0
        rows = prepared.rows(split)
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            positions = encode(chunk).positions or []
            for fields, starts in zip(chunk, positions, strict=True):
                ends = _entity_ends(prepared, fields)
                last = max_length - 1  # the last place is the separator's
                gone = sum(starts[end - 1] >= last for end in ends)
                cut += bool(starts) and starts[-1] >= last
                lost, total = lost + gone, total + len(ends)
        if cut:
            yield _entities_finding(split, cut, prepared.facts.splits[split].rows, lost, total)


def _entity_ends(prepared: Prepared, fields: Fields) -> list[int]:
    """Where each entity of a row ends, exclusive."""
    tags = cast("Sequence[str]", fields.get(prepared.facts.columns.label or "") or ())
    ends: list[int] = []
    for number, tag in enumerate(tags):
        kind = tag.partition("-")[2]
        following = tags[number + 1] if number + 1 < len(tags) else "O"
        goes_on = following[0] not in "BSO" and following.partition("-")[2] == kind
        if kind and not goes_on:
            ends.append(number + 1)
    return ends


def _entities_finding(split: Split, cut: int, rows: int, lost: int, total: int) -> Finding:
    recall = 1 - lost / total if total else 1.0
    text = (
        f"{counted(cut, 'sentence')} of {split} ({share_of(cut, rows)})"
        f" {verb(cut, 'is', 'are')} longer than max_length. Cut"
        f" there, {lost:,} of {total:,} entities ({share_of(lost, total)}) would be lost and F1 could be at most"
        f" {2 * recall / (1 + recall):.4f}; windows keep them"
    )
    return Finding(code="cut-entities", severity="note", split=split, count=lost, text=text)


def find_unknown(splits: Mapping[Split, SplitProfile]) -> Iterator[Finding]:
    """Find out whether the tokenizer knows the texts, of which the profiles have lengths in tokens."""
    counts: dict[Split, TokenLengths] = {
        split: profile.tokens for split, profile in splits.items() if profile.tokens is not None
    }
    shares: dict[Split, float] = {split: found.unknown_share for split, found in counts.items()}
    worst: Split = max(shares, key=lambda split: shares[split])
    if shares[worst] < NOTED_UNKNOWN:
        return
    each = ", ".join(f"{share_of(share, 1)} of {split}" for split, share in shares.items())
    yield Finding(
        code="unknown",
        severity="warning" if shares[worst] >= WARNED_UNKNOWN else "note",
        split=worst,
        count=counts[worst].unknown,
        text=f"of the pieces of a text the tokenizer doesn't know {each}: these all look alike to the model",
        advice="is it the right tokenizer for this language?",
    )


def find_padding(padding: float, *, unsorted: float, how: str, sample: str = "") -> Iterator[Finding]:
    """Say what share of the work is padding, and how much more it would be without sorting.

    Args:
        padding: The share of train's token slots under the recipe's batch.
        unsorted: The share with whole steps as they come.
        how: The cut, in words.
        sample: What was looked at, in words, where it isn't the whole epoch.
    """
    saved = 1 - (1 - unsorted) / (1 - padding)
    text = f"{padding:.1%} of train's token slots are padding in {how}"
    if sample:
        text = f"about {text} (from {sample})"
    if saved >= LEAST_SAVED:
        text += f"; unsorted and uncut it would be {unsorted:.1%}, so sorting saves {saved:.0%} of the work"
    text += "; on a CPU, BERT and its kin compute none of it"
    is_much = padding >= WARNED_PADDING
    advice = "smaller micro-batches or batch.window = 8 leave less" if is_much else ""
    severity = "warning" if is_much else "note"
    yield Finding(code="padding", severity=severity, split="train", count=0, text=text, advice=advice)
