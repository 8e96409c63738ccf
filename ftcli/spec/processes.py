"""The recipe's [distributed]: how several processes share a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ftcli.errors import RecipeError
from ftcli.spec.base import Section

SPLIT_KEYS = ("sharding", "sharding_degree", "offload")
"""What says how "fsdp" splits, and nothing of another strategy."""


class DistributedSection(Section):
    """How several processes share a run."""

    strategy: Literal["ddp", "fsdp"] = "ddp"
    """"ddp": each process has the whole model, and gradients are summed. "fsdp": what takes memory is split."""
    sharding: Literal["stage1", "stage2", "stage3"] = "stage3"
    """What "fsdp" splits: the optimizer's state; gradients as well; the weights as well, gathered layer by layer."""
    sharding_degree: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    """Over how many processes, neighbours by rank, a copy is split; further ones hold copies of it."""
    offload: bool = False
    """Keep split weights, gradients and state on the host, for a GPU that is too small even so; slow."""
    backend: Literal["auto", "gloo", "nccl"] = "auto"
    """What processes talk through; "auto" is nccl on GPUs and gloo on CPUs. Over gloo, several may share a GPU."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    """After how many seconds without a sign of life one process ends the others."""
    storage: Literal["shared", "local"] = "shared"
    """Of several machines: all see the same files ("shared"), or each has its own ("local"); then each prepares the
    data, and writes log and checkpoints. What one that comes back has missed is sent to it."""

    def degree(self, size: int) -> int:
        """Over how many of so many processes a copy is split.

        Raises:
            RecipeError: so many can't be put into groups of that size.
        """
        degree = size if self.sharding_degree == "all" or size == 1 else self.sharding_degree
        if size % degree:
            what = f"`distributed.sharding_degree` is {degree}, which does not divide {size} processes"
            raise RecipeError(what, hint='give a divisor, or "all"', key=("distributed", "sharding_degree"))
        return degree
