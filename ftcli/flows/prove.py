"""`ftcli prove`: the laws that ftcli promises, held against the user's own recipe, model and data, in about a minute.

Everything is computed on the CPU and written to a temporary folder; only the data is prepared where `train` would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ftcli.errors import UsageError
from ftcli.flows.data import place_for, prepared_for
from ftcli.flows.laws import accumulation, cache, frozen, resume, round_trip, world_size
from ftcli.flows.laws.bench import Bench, open_bench
from ftcli.flows.laws.check import Check
from ftcli.flows.laws.shaping import on_cpu
from ftcli.runtime.activity import Working
from ftcli.runtime.launch import launched_size
from ftcli.spec.recipe import anchored
from ftcli.spec.run import RunSpec
from ftcli.tasks.build import build_task as build_any_task
from ftcli.train.assemble import BuildTask

Law = Callable[[Bench], Working[list[Check]]]

_MODULES = (accumulation, world_size, resume, frozen, cache, round_trip)
LAWS: tuple[Law, ...] = tuple(module.check for module in _MODULES)
"""In the order they are shown; each is measured on its own."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked of a recipe; it `holds` where nothing failed, though some things may not have been checked."""

    name: str
    data: str
    model: str
    holds: bool
    checks: list[Check]


def prove(spec: RunSpec, *, build_task: BuildTask = build_any_task) -> Working[Proof]:
    """Hold a recipe against the laws. The data is prepared first if need be; no run folder is written.

    Args:
        spec: The recipe.
        build_task: Makes the task; for two ranks, another process imports it by its name.

    Raises:
        UsageError: it was started as several processes.
        FtcliError: whatever would stop the run itself.
    """
    if launched_size() > 1:
        raise UsageError("this command starts its own processes; start it without torchrun")
    spec = on_cpu(anchored(spec))
    prepared = yield from prepared_for(place_for(spec))
    checks: list[Check] = []
    with TemporaryDirectory(prefix="ftcli-prove-") as folder:
        bench = yield from open_bench(spec, prepared=prepared, folder=Path(folder), build_task=build_task)
        for law in LAWS:
            checks += yield from law(bench)
    holds = all(check.holds is not False for check in checks)
    return Proof(spec.run.name, prepared.facts.name, spec.model.path, holds, checks)
