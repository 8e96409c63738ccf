"""A model split over processes (ZeRO: Rajbhandari et al., 2020), by torch's `fully_shard` and its mesh of devices.

Each unit, an encoder's layer or the rest of the model, is gathered for its forward and backward pass; its gradients are
summed and split again; and each process takes the optimizer's step for the part of every weight that it keeps.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from ftcli.errors import RecipeError
from ftcli.spec.processes import DistributedSection

_REPLICA, _SHARD = "replica", "shard"


@dataclass(frozen=True)
class Sharding:
    """How processes split the weights: those of one row of `mesh` [replicas, shards] have a copy between them.

    Rows are alike, and only sum their gradients.
    """

    section: DistributedSection
    mesh: DeviceMesh

    def split(self, model: nn.Module, units: Iterable[nn.Module]) -> None:
        """Leave each process its part of the weights; the parameters become other objects of the same names.

        Raises:
            RecipeError: a parameter can't be split.
        """
        mesh = self.mesh if self.mesh.size(0) > 1 else self.mesh[_SHARD]
        keeps_whole = self.section.sharding == "stage2"
        policy = CPUOffloadPolicy(pin_memory=self.mesh.device_type == "cuda") if self.section.offload else None
        try:
            for module in (*units, model):
                fully_shard(
                    module,
                    mesh=mesh,
                    reshard_after_forward=False if keeps_whole else None,
                    offload_policy=policy or OffloadPolicy(),
                )
        except ValueError as error:
            hint = 'set distributed.sharding = "stage1", which leaves weights whole'
            raise RecipeError(f"the model can't be split: {error}", hint=hint) from error

    @contextmanager
    def gathered(self, model: nn.Module) -> Generator[None]:
        """Within the block every process has all weights, and passes through the model cost no exchange.

        So processes may pass different numbers of batches through it. To be entered by all of them.
        """
        _call_first(model)
        units = [module for module in model.modules() if isinstance(module, FSDPModule)]
        for unit in units:
            unit.set_reshard_after_forward(False, recurse=False)
            unit.unshard()
        try:
            yield
        finally:
            for unit in units:
                keeps = unit is model or self.section.sharding == "stage2"
                unit.set_reshard_after_forward(not keeps, recurse=False)
                unit.reshard()

    def sync_gradients(self, model: nn.Module, *, when: bool) -> None:
        """Let the gradients of the coming backward passes meet, or add up in each process."""
        cast("FSDPModule", model).set_requires_gradient_sync(when)

    def whole(self, tensor: Tensor) -> Tensor:
        """All of a tensor, on every process; to be asked for by all of them, in the same order."""
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def part_of(self, value: Tensor, *, like: Tensor) -> Tensor:
        """This process's part of a whole value, split by rows as a parameter is; a single number is not split."""
        if not isinstance(like, DTensor) or value.dim() == 0:
            return value
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def _call_first(model: nn.Module) -> None:
    """Call the model without computing anything: the module that is called first counts as the whole ever after."""
    model.forward = _nothing
    try:
        model()
    finally:
        del model.forward


def _nothing() -> None: ...


def sharding_mesh(section: DistributedSection, *, size: int, device: torch.device) -> DeviceMesh:
    """The processes as [replicas, shards].

    Raises:
        RecipeError: so many can't be put into groups of that size.
    """
    ranks = torch.arange(size).view(-1, section.degree(size))
    timeout = timedelta(seconds=section.timeout_seconds)  # torch's own meshes wait for half an hour
    members = (cast("list[list[int]]", rows.tolist()) for rows in (ranks.t(), ranks))
    groups = [dist.new_subgroups_by_enumeration(each, timeout=timeout)[0] for each in members]
    return DeviceMesh.from_group(
        cast("list[dist.ProcessGroup]", groups), device.type, mesh=ranks, mesh_dim_names=(_REPLICA, _SHARD)
    )
