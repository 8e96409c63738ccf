"""What the doctor finds in a data set: one record a finding, with what it costs and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ftcli.spec.base import Section
from ftcli.spec.card import Split

WARNED_SHARE = 0.005
"""Of a split's rows: what is wrong with so many is worth a warning."""


class Finding(Section):
    """One finding. `text` is a sentence that says what it costs; `advice` is empty where nothing need be done."""

    code: str
    severity: Literal["warning", "note"]
    split: Split | None = None
    count: int
    text: str
    advice: str = ""


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the warnings before the notes, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: finding.severity != "warning"))


def share_of(part: float, whole: float) -> str:
    """`3.1%`; small shares keep a digit that isn't zero."""
    share = part / whole if whole else 0.0
    digits = 1 if share >= 0.001 or share == 0 else 2 if share >= 0.0001 else 3
    return f"{share:.{digits}%}"
