"""The processes of one run. The only place that knows torch.distributed or reads torchrun's environment.

Every method does nothing special in a world of one, so callers have no `if`. Values that live on the host (flags,
row counts, scores) travel over gloo also where gradients travel over NCCL: agreeing on a flag must not stall a GPU.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # pyright: ignore[reportUnusedImport] - imported later it would hold the group
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous  # pyright: ignore[reportUnknownVariableType]
from torch.nn.parallel import DistributedDataParallel

from ftcli.errors import DistributedError, LostContactError
from ftcli.runtime.bounded import BoundedStore
from ftcli.runtime.device import choose_device
from ftcli.runtime.heartbeat import beating, wait_for
from ftcli.runtime.interface import choose_interface
from ftcli.runtime.meeting import KeyValueStore, agree_on_name
from ftcli.spec.sections import DistributedSection


def launched_rank() -> int:
    """This process's rank as torchrun gives it; 0 without torchrun. Needs no process group."""
    return int(os.environ.get("RANK", "0"))


def launched_size() -> int:
    """The number of processes that torchrun started; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def spans_machines() -> bool:
    """Whether torchrun has started processes of this run on other machines, too."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", launched_size())) < launched_size()


def is_first_here() -> bool:
    """Whether this process is the first of those that torchrun has started on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def is_lost_contact(error: BaseException) -> bool:
    """Whether an error says that another rank is gone or silent, which is never its own cause."""
    if isinstance(error, dist.DistError | LostContactError):
        return True
    marks = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in marks)


@dataclass(slots=True, eq=False)
class World:
    """This process's place among the processes of the run, and what they can do together."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    hosts: dist.ProcessGroup | None = None
    store: KeyValueStore | None = None
    timeout_seconds: float = 300.0
    _turns: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _wrapped: weakref.WeakSet[nn.Module] = field(default_factory=lambda: weakref.WeakSet[nn.Module](), repr=False)

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes files and talks to the user."""
        return self.rank == 0

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

    def share_text(self, text: str) -> str:
        """Rank 0's text, on every rank."""
        if self.size == 1:
            return text
        raw = text.encode() if self.is_main else b""
        size = self.largest(len(raw))
        if size == 0:
            return ""
        buffer = torch.zeros(size, dtype=torch.uint8)
        if self.is_main:
            buffer.copy_(torch.frombuffer(bytearray(raw), dtype=torch.uint8))
        dist.broadcast(buffer, src=0, group=self.hosts)
        return bytes(cast("list[int]", buffer.tolist())).decode()

    @contextmanager
    def leading(self) -> Generator[bool]:
        """True on rank 0, which works in the block while the others wait at its end.

        They wait on the rendezvous store, not in a collective, so the work may take longer than any timeout; what they
        watch is a heartbeat.

        Raises:
            LostContactError: on the ranks that wait, when rank 0 has failed or its heart has stopped; rank 0 raises its
                own error.
        """
        if self.store is None:
            yield True
            return
        key = f"ftcli/leading/{next(self._turns)}"
        if self.is_main:
            with beating(self.store, key):
                yield True
        else:
            yield False
            wait_for(self.store, key, timeout_seconds=self.timeout_seconds)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model as a step calls it. DDP synchronises only what is trainable now: wrap anew when that changes."""
        if self.size == 1:
            return model
        ids = [self.device] if self.device.type == "cuda" else None
        wrapped = DistributedDataParallel(
            model, device_ids=ids, forward_sync_buffers=False, gradient_as_bucket_view=True
        )
        self._wrapped.add(wrapped)
        return wrapped

    def close(self) -> None:
        """Part from the other processes; what `wrap` returned can't be called any more.

        Gloo's threads end with the last reference to their group. One that outlives Python's own end aborts the
        process, whatever its exit code was to be, so nothing may hold a group on.
        """
        for wrapped in self._wrapped:
            for name in ("process_group", "reducer", "logger"):
                setattr(wrapped, name, None)
        self.hosts = None
        dist.destroy_process_group()

    def syncing(self, wrapped: nn.Module, *, when: bool) -> AbstractContextManager[None]:
        """Around forward and backward: gradients meet across ranks only `when` the step's last micro-batch runs."""
        if isinstance(wrapped, DistributedDataParallel) and not when:
            return wrapped.no_sync()
        return nullcontext()


@contextmanager
def open_world(section: DistributedSection, *, device: str) -> Generator[World]:
    """Join the world that torchrun started, or be a world of one.

    Args:
        section: The recipe's [distributed].
        device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: CUDA was asked for and there is none.
        DistributedError: the processes can't find each other.
    """
    rank, size, chosen = launched_rank(), launched_size(), choose_device(device)
    if size == 1:
        yield World(device=chosen)
        return
    backend = section.backend if section.backend != "auto" else ("nccl" if chosen.type == "cuda" else "gloo")
    timeout = timedelta(seconds=section.timeout_seconds)
    try:
        shared, _, _ = next(rendezvous("env://", rank, size, timeout=timeout))
        meeting = BoundedStore(shared, timeout_seconds=section.timeout_seconds)
        name = agree_on_name(meeting, rank=rank, size=size, timeout_seconds=section.timeout_seconds)
        store = PrefixStore(f"ftcli/{name}", shared)
        bounded = BoundedStore(store, timeout_seconds=section.timeout_seconds)
        if spans_machines():
            choose_interface(bounded, rank=rank, size=size)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
        hosts = dist.group.WORLD if backend == "gloo" else _gloo_group(timeout)
    except (RuntimeError, ValueError, TimeoutError) as error:
        hint = "start all processes with torchrun: torchrun --nproc-per-node N -m ftcli train RECIPE"
        if spans_machines():
            hint = (
                "machines must reach each other by name: where one can't be, give torchrun there "
                "`--local-addr ADDRESS`, or name the interface in GLOO_SOCKET_IFNAME"
            )
        raise DistributedError(f"rank {rank} of {size} can't join the others: {error}", hint=hint) from error
    world = World(rank, size, chosen, hosts, bounded, section.timeout_seconds)
    del hosts
    try:
        yield world
    finally:
        world.close()


def _gloo_group(timeout: timedelta) -> dist.ProcessGroup:
    group = dist.new_group(backend="gloo", timeout=timeout)
    if not isinstance(group, dist.ProcessGroup):
        raise DistributedError("this process is no member of the run's gloo group")
    return group
