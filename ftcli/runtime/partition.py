"""An optimizer whose state is split over processes, parameter by parameter (ZeRO, stage 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

Groups = list[dict[str, Any]]
Build = Callable[[Groups], torch.optim.Optimizer]


class PartitionedOptimizer(torch.optim.Optimizer):
    """Takes each step for the parameters of this process alone, and gets the others' from those that own them.

    Gradients have to be the same on all processes, as they are under DDP. State is that of the own parameters.
    """

    def __init__(self, groups: Groups, build: Build, group: dist.ProcessGroup) -> None:
        """Deal the parameters out by size, and build an optimizer over this process's share."""
        parameters: list[Tensor] = [p for each in groups for p in each["params"]]
        dealt = deal_tensors([p.numel() for p in parameters], group.size())
        owners = dict(zip(parameters, dealt, strict=True))
        mine = [{**each, "params": [p for p in each["params"] if owners[p] == group.rank()]} for each in groups]
        self._inner = build(mine)
        options = ({k: v for k, v in each.items() if k != "params"} for each in self._inner.param_groups)
        super().__init__([{**more, **each} for more, each in zip(options, groups, strict=True)], self._inner.defaults)
        self._owners = owners
        self._group = group
        self.state = self._inner.state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take the step of the own parameters, then exchange all that are trained."""
        for whole, own in zip(self.param_groups, self._inner.param_groups, strict=True):
            own["lr"] = whole["lr"]
        self._inner.step(closure)
        for owner in range(self._group.size()):
            moved = [p for p, place in self._owners.items() if place == owner and p.grad is not None]
            for dtype in dict.fromkeys(p.dtype for p in moved):
                self._send([p for p in moved if p.dtype == dtype], owner)

    def _send(self, parameters: list[Tensor], owner: int) -> None:
        if owner == self._group.rank():
            buffer = torch.cat([p.flatten() for p in parameters])
        else:
            buffer = parameters[0].new_empty(sum(p.numel() for p in parameters))
        dist.broadcast(buffer, group_src=owner, group=self._group)
        if owner != self._group.rank():
            for parameter, part in zip(parameters, torch.split(buffer, [p.numel() for p in parameters]), strict=True):
                parameter.copy_(part.view_as(parameter))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the own parameters' part of what `state_dict` holds."""
        flat = cast("list[Tensor]", [p for each in self.param_groups for p in each["params"]])
        own = {n: v for n, v in state_dict["state"].items() if self._owners[flat[n]] == self._group.rank()}
        super().load_state_dict({**state_dict, "state": own})
        self._inner.state = self.state


def deal_tensors(sizes: Sequence[int], count: int) -> list[int]:
    """Each tensor's owner: the largest first, each to who has least so far (longest processing time first)."""
    loads, owners = [0] * count, [0] * len(sizes)
    for place in sorted(range(len(sizes)), key=lambda each: -sizes[each]):
        owner = min(range(count), key=loads.__getitem__)
        owners[place] = owner
        loads[owner] += sizes[place]
    return owners
