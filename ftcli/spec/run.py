"""RunSpec: everything that was asked of a run, validated and frozen."""

from __future__ import annotations

from pydantic import model_validator

from ftcli.spec.base import Section
from ftcli.spec.choices import AdamW, ClassificationTask, Linear, OptimizerChoice, ScheduleChoice, TaskChoice
from ftcli.spec.contradictions import contradictions
from ftcli.spec.processes import DistributedSection
from ftcli.spec.sections import (
    BatchSection,
    CheckpointSection,
    DataSection,
    EvaluateSection,
    FreezeSection,
    LogSection,
    ModelSection,
    PrecisionSection,
    RunSection,
    TrainSection,
)


class RunSpec(Section):
    """A recipe, resolved. `ftcli.spec.recipe` reads one from TOML and writes it back."""

    run: RunSection = RunSection()
    data: DataSection
    task: TaskChoice = ClassificationTask()
    """What is learned of a row: a label, labels, a number, or tags."""
    model: ModelSection
    freeze: FreezeSection = FreezeSection()
    optimizer: OptimizerChoice = AdamW()
    """How gradients move the weights, and at what rate."""
    schedule: ScheduleChoice = Linear()
    """How the learning rate goes over the run: a warm-up to its peak, and what comes after."""
    batch: BatchSection = BatchSection()
    precision: PrecisionSection = PrecisionSection()
    train: TrainSection = TrainSection()
    evaluate: EvaluateSection = EvaluateSection()
    checkpoint: CheckpointSection = CheckpointSection()
    log: LogSection = LogSection()
    distributed: DistributedSection = DistributedSection()

    @model_validator(mode="after")
    def _is_consistent(self) -> RunSpec:
        found = contradictions(self.model_dump(exclude_none=True, mode="json"))
        if found:
            raise ValueError("; ".join(problem.what for problem in found))
        return self
