"""The processes of one run, and all that they do together.

Every method does nothing special in a world of one, so callers have no `if`. Values that live on the host (flags,
row counts, scores) travel over gloo also where gradients travel over NCCL: agreeing on a flag must not stall a GPU.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # pyright: ignore[reportUnusedImport] - imported later it would hold the group
from safetensors.torch import load, save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ftcli.errors import LostContactError
from ftcli.runtime.heartbeat import beating, wait_for
from ftcli.runtime.meeting import KeyValueStore

if TYPE_CHECKING:
    from ftcli.runtime.sharding import Sharding


def is_lost_contact(error: BaseException) -> bool:
    """Whether an error says that another rank is gone or silent, which is never its own cause."""
    if isinstance(error, dist.DistError | LostContactError):
        return True
    marks = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in marks)


@dataclass(slots=True, eq=False)
class World:
    """This process's place among the processes of the run, and what they can do together.

    `near` are the ranks that see the same files as this one, `writers` the first of each such group.
    `gpu_bytes` is the GPU memory that each process has at least: what follows from it must be the same for all.
    `sharding` is how weights are split, `owners` are the ranks that have the optimizer's state between them, if so.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    hosts: dist.ProcessGroup | None = None
    store: KeyValueStore | None = None
    timeout_seconds: float = 300.0
    near: range = range(1)
    writers: tuple[int, ...] = (0,)
    gpu_bytes: int = 2**34
    sharding: Sharding | None = None
    owners: dist.ProcessGroup | None = None
    _turns: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _wrapped: weakref.WeakSet[nn.Module] = field(default_factory=lambda: weakref.WeakSet[nn.Module](), repr=False)

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that talks to the user."""
        return self.rank == 0

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder: rank 0, or where machines share no files the first of each."""
        return self.rank == self.near[0]

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all ranks, in place."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def largest(self, value: int) -> int:
        """The largest of the ranks' integers."""
        if self.size == 1:
            return value
        host = torch.tensor(value, dtype=torch.int64)
        dist.all_reduce(host, op=dist.ReduceOp.MAX, group=self.hosts)
        return int(host.item())

    def numbers(self, number: int) -> list[int]:
        """Every rank's number, by rank."""
        return cast("list[int]", self.gather_rows(torch.tensor([number])).tolist())

    def gather_rows(self, value: Tensor) -> Tensor:
        """Every rank's rows [n_r, ...] one below the other [sum n_r, ...] on the CPU, on every rank; n_r may differ."""
        value = value.detach().cpu().contiguous()
        if self.size == 1:
            return value
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor([len(value)]), group=self.hosts)
        sizes = [int(count) for count in counts]
        padded = value.new_zeros((max(sizes), *value.shape[1:]))
        padded[: len(value)] = value
        parts = [torch.zeros_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded, group=self.hosts)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    def share_text(self, text: str, *, source: int = 0) -> str:
        """The text of one rank, on every rank."""
        return self.share_bytes(text.encode(), source=source).decode()

    def share_bytes(self, content: bytes, *, source: int) -> bytes:
        """What one rank gives, on every rank."""
        if self.size == 1:
            return content
        size = self.largest(len(content) if self.rank == source else 0)
        if size == 0:
            return b""
        given = bytearray(content if self.rank == source else size)
        buffer = torch.frombuffer(given, dtype=torch.uint8)
        dist.broadcast(buffer, src=source, group=self.hosts)
        return bytes(given)

    @contextmanager
    def leading(self) -> Generator[bool]:
        """True on the ranks that write, which work in the block; all wait at its end until every one of these is done.

        They wait on the rendezvous store, not in a collective, so the work may take longer than any timeout; what they
        watch is a heartbeat.

        Raises:
            LostContactError: one of these ranks has failed, or its heart has stopped; it raises its own error.
        """
        if self.store is None:
            yield True
            return
        key = f"ftcli/leading/{next(self._turns)}"
        if self.writes:
            with beating(self.store, f"{key}/{self.rank}"):
                yield True
        else:
            yield False
        for rank in self.writers:
            wait_for(self.store, f"{key}/{rank}", name=f"rank {rank}", timeout_seconds=self.timeout_seconds)

    def split(self, model: nn.Module, units: Iterable[nn.Module]) -> None:
        """Leave this process its part of the weights, where they are split; the parameters become other objects.

        Raises:
            RecipeError: the model can't be split.
        """
        if self.sharding is not None:
            self.sharding.split(model, units)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model as a step calls it. DDP synchronises only what is trainable now: wrap anew when that changes."""
        if self.size == 1 or self.sharding is not None:
            return model
        ids = [self.device] if self.device.type == "cuda" else None
        wrapped = DistributedDataParallel(
            model, device_ids=ids, forward_sync_buffers=False, gradient_as_bucket_view=True
        )
        self._wrapped.add(wrapped)
        return wrapped

    def syncing(self, wrapped: nn.Module, *, when: bool) -> AbstractContextManager[None]:
        """Around forward and backward: gradients meet across ranks only `when` the step's last micro-batch runs."""
        if self.sharding is not None:
            self.sharding.sync_gradients(wrapped, when=when)
        elif isinstance(wrapped, DistributedDataParallel) and not when:
            return wrapped.no_sync()
        return nullcontext()

    def gathered(self, model: nn.Module) -> AbstractContextManager[None]:
        """Within the block, which all ranks enter, the model has all of its weights on each of them."""
        return nullcontext() if self.sharding is None else self.sharding.gathered(model)

    @property
    def is_apart(self) -> bool:
        """Whether it takes all ranks to tell the state of a run."""
        return self.sharding is not None or self.owners is not None

    def whole(self, tensor: Tensor) -> Tensor:
        """A value of which each rank may hold a part; all ask for the same, in the same order."""
        return tensor if self.sharding is None else self.sharding.whole(tensor)

    def copied(self, tensor: Tensor, *, keeps: bool) -> Tensor:
        """A whole copy on the host, for who keeps it; where ranks hold parts, all ask for the same, in turn."""
        whole = self.whole(tensor.detach())
        return whole.to("cpu", copy=True) if keeps else torch.empty(0)

    def part_of(self, value: Tensor, *, like: Tensor) -> Tensor:
        """This rank's part of a whole value, split as the parameter `like` is."""
        return value if self.sharding is None else self.sharding.part_of(value, like=like)

    def united(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """For who writes, what several ranks hold some of each: the state of an optimizer that is partitioned."""
        found = dict(tensors)
        for source in range(self.owners.size() if self.owners else 0):  # the first so many have a copy between them
            raw = self.share_bytes(save(tensors) if self.rank == source else b"", source=source)
            found |= load(raw) if self.writes else {}
        return found

    def close(self) -> None:
        """Part from the other processes; what `wrap` returned can't be called any more.

        Gloo's threads end with the last reference to their group. One that outlives Python's own end aborts the
        process, whatever its exit code was to be, so nothing may hold a group on.
        """
        for wrapped in self._wrapped:
            for name in ("process_group", "reducer", "logger"):
                setattr(wrapped, name, None)
        self.hosts = self.owners = self.sharding = None
        dist.destroy_process_group()
