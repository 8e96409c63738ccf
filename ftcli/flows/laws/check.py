"""One thing that was checked, and how it came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ftcli.flows.laws.measure import BOUNDS

LawName = Literal["accumulation", "world size", "resume", "frozen", "cache", "round trip"]


@dataclass(frozen=True, slots=True)
class Check:
    """One measurement of a law.

    `deviation` is in float64: a relative L2 distance, or where the bound is 0 a count of what is not exactly as it
    should be. `deviation_fp32` is the same distance in float32; without a bound it is only shown. `holds` is None where
    there was nothing to check or no way to; `note` says why, or what was compared.
    """

    law: LawName
    what: str
    deviation: float | None = None
    bound: float | None = None
    deviation_fp32: float | None = None
    bound_fp32: float | None = None
    holds: bool | None = None
    note: str = ""


def to_rounding(
    law: LawName, what: str, found: Mapping[torch.dtype, float], *, bound_fp32: float | None = None, note: str = ""
) -> Check:
    """A distance that may be rounding and nothing more, measured in float64 and in float32."""
    fine, coarse = found[torch.float64], found[torch.float32]
    bound = BOUNDS[torch.float64]
    holds = fine <= bound and (bound_fp32 is None or coarse <= bound_fp32)
    return Check(law, what, fine, bound, coarse, bound_fp32, holds, note)


def exact(law: LawName, what: str, wrong: Sequence[str], *, note: str = "") -> Check:
    """Names of what is not exactly as it should be; none may be."""
    listed = ", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else "")
    return Check(law, what, float(len(wrong)), 0.0, holds=not wrong, note=listed or note)


def unchecked(law: LawName, what: str, why: str) -> Check:
    """Something that was not checked, and why."""
    return Check(law, what, note=why)
