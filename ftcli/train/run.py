"""Run: what is alive while a recipe is carried out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.compiled import CompiledForward
from ftcli.modeling.freezing import FreezePlan
from ftcli.runtime.interrupt import Interrupt
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.sections import EvaluateSection, FreezeSection
from ftcli.tasks.base import Task
from ftcli.train.average import Average
from ftcli.train.cache import PrefixCache
from ftcli.train.feed import Feed
from ftcli.train.meter import Meter
from ftcli.train.optim import NamedOptimizer
from ftcli.train.precision import Precision
from ftcli.train.progress import Limits, Progress
from ftcli.train.saving import Saver


@dataclass
class Run:
    """The live parts of a run. Only model, optimizer, precision and progress carry state that a checkpoint holds.

    `wrapped` is the model as a step calls it (under DDP, its wrapper); `frozen_modules` run in eval mode. `schedule`
    maps a step to the factor on every rate. `tokens` is the folder of the token store, beside which a cache may lie.
    `compiles` is whether steps may be compiled, `compiled` the forward pass of those that are. `best_found` is what the
    task concluded of the validation split when it scored best in this launch.
    """

    model: nn.Module
    wrapped: nn.Module
    frozen_modules: list[nn.Module]
    task: Task
    optimizer: NamedOptimizer
    precision: Precision
    progress: Progress
    feed: Feed
    freezing: FreezePlan
    schedule: Callable[[int], float]
    limits: Limits
    evaluation: EvaluateSection
    splits: dict[str, TokenizedSplit]
    pad_id: int
    seed: int
    max_grad_norm: float
    world: World
    run_dir: RunDir
    meter: Meter
    saver: Saver
    interrupt: Interrupt
    freeze: FreezeSection
    tokens: Path
    compiles: bool = False
    compiled: CompiledForward | None = None
    cache: PrefixCache = field(default_factory=PrefixCache)
    best_found: Tensor | None = None
    average: Average | None = None

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the model has the weights that it is to be judged by."""
        return nullcontext() if self.average is None else self.average.standing_in()

    @property
    def is_out_of_patience(self) -> bool:
        """Whether so many evaluations in a row were no new best that the run is to end."""
        patience = self.evaluation.patience
        return patience != "off" and self.progress.num_worse >= patience

    @property
    def stops_here(self) -> bool:
        """Whether this launch takes no further step."""
        return self.progress.step >= self.limits.stop_step or self.is_out_of_patience

    @property
    def is_over(self) -> bool:
        """Whether all that the recipe asks for is done."""
        return self.progress.step >= self.limits.total_steps or self.is_out_of_patience
