"""What a task wants of a model's head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Problem = Literal["single_label_classification", "multi_label_classification", "regression"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """One output for each label, for the input as a whole ("row") or for each of its tokens ("token")."""

    labels: tuple[str, ...]
    per: Literal["row", "token"] = "row"
    problem: Problem = "single_label_classification"
