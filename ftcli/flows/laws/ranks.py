"""What each process of a world does for law 2. torchrun starts this module: `-m ftcli.flows.laws.ranks ...`."""

from __future__ import annotations

import hashlib
import importlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from ftcli.data.dataset import Prepared, open_prepared
from ftcli.flows.laws.measure import DTYPES, Named, is_key_bias, raw
from ftcli.runtime.activity import Activity, Working, finish
from ftcli.runtime.joining import open_world
from ftcli.runtime.launch import leave
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.recipe import load_recipe
from ftcli.spec.run import RunSpec
from ftcli.train.assemble import BuildTask, assemble, load_parts
from ftcli.train.events import StepDone
from ftcli.train.loop import fit

_FIXED = ("losses", "num_strays")


@dataclass(frozen=True, slots=True)
class Trace:
    """What some steps did: their mean losses, float64 [steps], and by how much they moved each trained parameter.

    `num_strays` counts the ranks whose weights are not rank 0's to the bit.
    """

    losses: Tensor
    changes: Named
    num_strays: int

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        save_file({"losses": self.losses, "num_strays": torch.tensor([self.num_strays]), **self.changes}, path)


def load_trace(path: Path) -> Trace:
    """Read what `Trace.save` wrote."""
    saved = load_file(path)
    changes = {name: value for name, value in saved.items() if name not in _FIXED}
    return Trace(saved["losses"], changes, int(saved["num_strays"]))


def trace_path(folder: Path, dtype: torch.dtype) -> Path:
    """Where the trace in some arithmetic lies."""
    return folder / f"{str(dtype).removeprefix('torch.')}.safetensors"


def trace(
    spec: RunSpec,
    *,
    start: int,
    prepared: Prepared,
    world: World,
    dtype: torch.dtype,
    build_task: BuildTask,
    folder: Path,
) -> Working[Trace]:
    """Train from step `start` to the last step but one of `spec`, as the loop does; nothing is saved."""
    parts = load_parts(spec, world=world, prepared=prepared, build_task=build_task)
    model = parts.loaded.model.to(dtype)
    run = yield from assemble(parts, run_dir=RunDir(folder))
    run.progress.step = start
    last = run.limits.total_steps - 1
    ever = frozenset[str]().union(*(stage.trainable for stage in parts.freezing.stages))
    compared = [name for name, _ in model.named_parameters() if name in ever and not is_key_bias(name)]
    before = {name: _copy(model, name, world) for name in compared}
    losses: list[float] = []
    events = fit(run)
    for event in events:
        if isinstance(event, StepDone):
            losses.append(event.loss)
            yield Activity("world size", event.step - start, last - start, "steps")
            if event.step == last:
                break
    events.close()  # before the loop would save
    changes = {name: _copy(model, name, world) - value for name, value in before.items()}
    return Trace(torch.tensor(losses, dtype=torch.float64), changes, num_strays(model, world))


def _copy(model: nn.Module, name: str, world: World) -> Tensor:
    return world.whole(model.get_parameter(name).detach()).clone()


def num_strays(model: nn.Module, world: World) -> int:
    """The ranks whose weights differ from rank 0's in any bit; known on every rank."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(raw(world.whole(parameter)).numpy().tobytes())
    prints = world.gather_rows(torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)[None])
    return int((prints != prints[0]).any(1).sum())


def address_of(build_task: BuildTask) -> str:
    """How another process finds a function: `module:name`."""
    return f"{build_task.__module__}:{build_task.__qualname__}"


def _import(address: str) -> BuildTask:
    module, _, name = address.partition(":")
    return cast("BuildTask", getattr(importlib.import_module(module), name))


def main(folder: Path, *, start: int, data: Path, task: str) -> None:
    """Trace `folder`/recipe.toml in each arithmetic; the file `joined` says that the processes found each other."""
    build_task = _import(task)
    spec = load_recipe(folder / "recipe.toml").spec
    with open_world(spec.distributed, device=spec.run.device) as world:
        (folder / "joined").touch()
        for dtype in DTYPES:
            work = trace(
                spec,
                start=start,
                prepared=open_prepared(data),
                world=world,
                dtype=dtype,
                build_task=build_task,
                folder=folder,
            )
            found = finish(work)
            if world.is_main:
                found.save(trace_path(folder, dtype))


def _run(arguments: list[str]) -> None:
    """Carry out a command line; what goes wrong is also written where the parent process reads it."""
    folder, start, data, task = arguments
    try:
        main(Path(folder), start=int(start), data=Path(data), task=task)
    except Exception as error:
        # The first to fail says why; the others then only miss it.
        with suppress(FileExistsError), Path(folder, "trouble").open("x", encoding="utf-8") as file:
            file.write(f"{type(error).__name__}: {error}")
        raise


if __name__ == "__main__":
    _run(sys.argv[1:])
    leave(0)
