"""What a head has to give: how many outputs, for each row or for each token, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ftcli.modeling.crf import AllowedSteps

Problem = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What scores of a row mean, in transformers' own words."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The labels a head scores, for each row or each token; regression has one output and no labels.

    `allowed` says which labels may follow which; only a CRF head heeds it. `logits_alone` says that nothing else of the
    model is read, so that an encoder may leave out what its head does not need.
    """

    labels: tuple[str, ...]
    per: Literal["row", "token"] = "row"
    problem: Problem = "single_label_classification"
    allowed: AllowedSteps | None = None
    logits_alone: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each output, as a config of transformers lists them."""
        return self.labels or ("LABEL_0",)

    @property
    def size(self) -> int:
        """How many scores a row or token gets."""
        return len(self.names)
