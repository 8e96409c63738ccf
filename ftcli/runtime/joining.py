"""Joining the processes that torchrun started into one world."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous  # pyright: ignore[reportUnknownVariableType]

from ftcli.errors import DistributedError
from ftcli.runtime.bounded import BoundedStore
from ftcli.runtime.device import choose_device, own_memory
from ftcli.runtime.interface import choose_interface
from ftcli.runtime.launch import launched_rank, launched_size, num_here, place_here, spans_machines
from ftcli.runtime.meeting import agree_on_name
from ftcli.runtime.world import World
from ftcli.spec.processes import DistributedSection


@contextmanager
def open_world(section: DistributedSection, *, device: str) -> Generator[World]:
    """Join the world that torchrun started, or be a world of one.

    Args:
        section: The recipe's [distributed].
        device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: CUDA was asked for and there is none, or not one for each process.
        DistributedError: the processes can't find each other.
    """
    rank, size = launched_rank(), launched_size()
    chosen = choose_device(device, shares=section.backend == "gloo")
    if size == 1:
        yield World(device=chosen, gpu_bytes=own_memory(chosen))
        return
    try:
        world = _joined(section, rank, size, chosen)
    except (RuntimeError, ValueError, TimeoutError) as error:
        hint = "start all processes with torchrun: torchrun --nproc-per-node N -m ftcli train RECIPE"
        if spans_machines():
            hint = (
                "machines must reach each other by name: where one can't be, give torchrun there "
                "`--local-addr ADDRESS`, or name the interface in GLOO_SOCKET_IFNAME"
            )
        raise DistributedError(f"rank {rank} of {size} can't join the others: {error}", hint=hint) from error
    try:
        if section.storage == "local":
            _settle_writers(world)
        if section.strategy == "fsdp":
            _share_out(world, section)
        yield world
    finally:
        world.close()


def _joined(section: DistributedSection, rank: int, size: int, device: torch.device) -> World:
    """The world once all have met, and each has found the network by which it reaches the others."""
    backend = section.backend if section.backend != "auto" else ("nccl" if device.type == "cuda" else "gloo")
    if backend == "nccl" and section.offload:
        backend = "cpu:gloo,cuda:nccl"  # what is kept on the host is put together there
    timeout = timedelta(seconds=section.timeout_seconds)
    shared, _, _ = next(rendezvous("env://", rank, size, timeout=timeout))
    meeting = BoundedStore(shared, timeout_seconds=section.timeout_seconds)
    name = agree_on_name(meeting, rank=rank, size=size, timeout_seconds=section.timeout_seconds)
    store = PrefixStore(f"ftcli/{name}", shared)
    bounded = BoundedStore(store, timeout_seconds=section.timeout_seconds)
    if spans_machines():
        choose_interface(bounded, rank=rank, size=size)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
    hosts = dist.group.WORLD if backend == "gloo" else _gloo_group(timeout)
    world = World(rank, size, device, hosts, bounded, section.timeout_seconds, range(size))
    world.gpu_bytes = min(world.numbers(own_memory(device)))
    return world


def _settle_writers(world: World) -> None:
    """Have the first rank of each machine write what its machine keeps; torchrun numbers a machine's ranks in a row."""
    first = world.rank - place_here()
    world.near = range(first, first + num_here())
    world.writers = tuple(sorted(set(world.numbers(first))))


def _share_out(world: World, section: DistributedSection) -> None:
    """Say what is split over which ranks."""
    from ftcli.runtime.sharding import Sharding, sharding_mesh  # which costs 0.4 s to import, and 40 MB

    mesh = sharding_mesh(section, size=world.size, device=world.device)
    if section.sharding == "stage1":
        world.owners = mesh.get_group("shard")
    else:
        world.sharding = Sharding(section, mesh)


def _gloo_group(timeout: timedelta) -> dist.ProcessGroup:
    group = dist.new_group(backend="gloo", timeout=timeout)
    if not isinstance(group, dist.ProcessGroup):
        raise DistributedError("this process is no member of the run's gloo group")
    return group
