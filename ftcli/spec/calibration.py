"""What `ftcli eval` can fit on rows that a model was not trained on; a checkpoint keeps it in ftcli.json."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ftcli.spec.base import Section

Probability = Annotated[float, Field(gt=0, lt=1)]


class Calibration(Section):
    """How a model's scores become probabilities and labels.

    `temperature` divides its logits. `thresholds` are the probabilities from which a row has a label, by label; of two
    labels there is only that of the last one. `data` says which rows they were fitted on.
    """

    temperature: Annotated[float, Field(gt=0)] = 1.0
    thresholds: Annotated[dict[str, Probability], Field(default_factory=dict)]
    data: str = ""
