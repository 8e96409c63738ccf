"""Law 2: one and two ranks give the same losses and weights to rounding, and all ranks hold the same bytes.

The same steps are trained in this process, and in two that torchrun starts; they begin with the short last group of an
epoch, where there is one, and pass every border between stages. Dropout is off, for ranks draw their own masks, and the
optimizer is plain SGD: by its rule a step moves the weights by just its gradient, so that comparing how far the weights
have moved compares the gradients of all steps. Adam would divide by a gradient's size, and where that vanishes make a
difference out of rounding. In float32 that movement is shown without a bound: it is small against the weights, whose
own rounding it is read through.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from ftcli.flows.laws.accumulation import compared_steps
from ftcli.flows.laws.bench import Bench
from ftcli.flows.laws.check import Check, exact, to_rounding, unchecked
from ftcli.flows.laws.measure import BOUNDS, DTYPES, relative_distance
from ftcli.flows.laws.ranks import Trace, address_of, load_trace, trace, trace_path
from ftcli.flows.laws.shaping import shortened, with_plain_sgd
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.files import write_atomically
from ftcli.runtime.world import World
from ftcli.spec.dump import dump_recipe
from ftcli.spec.run import RunSpec
from ftcli.spec.wording import counted

RANKS = 2
_TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(RANKS)),
    *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "ftcli.flows.laws.ranks"),
)

Traces = dict[torch.dtype, Trace]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there are no traces of two ranks; `joined` says whether the ranks had found each other."""

    reason: str
    joined: bool


def check(bench: Bench) -> Working[list[Check]]:
    """Train some steps in one process and in two, and compare."""
    spec, start = yield from steady_run(bench)
    alone: Traces = {}
    for dtype in DTYPES:
        alone[dtype] = yield from trace(
            spec,
            start=start,
            prepared=bench.prepared,
            world=World(),
            dtype=dtype,
            build_task=bench.build_task,
            folder=bench.folder,
        )
    num_steps = sum(len(each.losses) for each in alone.values())
    yield Activity("two ranks", 0, num_steps, "steps")
    together = on_two_ranks(bench, spec, start=start)
    yield Activity("two ranks", num_steps, num_steps, "steps")
    return compare(alone, together)


def steady_run(bench: Bench) -> Working[tuple[RunSpec, int]]:
    """A short run whose steps depend on nothing but their rows, and the step that it begins at."""
    steps = yield from compared_steps(bench.still)
    start = max(steps.values())
    spec, _ = shortened(with_plain_sgd(bench.still.spec), num_rows=bench.num_rows, start=start)
    return spec, start


def on_two_ranks(bench: Bench, spec: RunSpec, *, start: int) -> Traces | Trouble:
    """The traces of two processes under torchrun, which talk over gloo."""
    folder = bench.folder / "ranks"
    folder.mkdir()
    write_atomically(folder / "recipe.toml", dump_recipe(spec).encode())
    arguments = (str(folder), str(start), str(bench.prepared.folder), address_of(bench.build_task))
    importable = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": importable, "TMPDIR": str(folder)}
    done = subprocess.run([*_TORCHRUN, *arguments], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return _trouble(folder, done.stderr)
    return {dtype: load_trace(trace_path(folder, dtype)) for dtype in DTYPES}


def _trouble(folder: Path, stderr: str) -> Trouble:
    told = folder / "trouble"
    lines = (told.read_text(encoding="utf-8") if told.exists() else stderr).strip().splitlines()
    return Trouble(
        lines[0 if told.exists() else -1] if lines else "torchrun said nothing", (folder / "joined").exists()
    )


def compare(alone: Traces, together: Traces | Trouble) -> list[Check]:
    """How far two ranks' steps are from those of one; that ranks can't be had is no failure, that they fail is."""
    if isinstance(together, Trouble) and not together.joined:
        return [unchecked("world size", "two ranks", f"torchrun could not start them: {together.reason}")]
    if isinstance(together, Trouble):
        return [exact("world size", "ranks that failed", [together.reason])]
    steps = len(alone[torch.float64].losses)
    losses = {d: relative_distance({"": together[d].losses}, {"": alone[d].losses}) for d in DTYPES}
    changes = {d: relative_distance(together[d].changes, alone[d].changes) for d in DTYPES}
    strays = [f"{together[dtype].num_strays} in {dtype}" for dtype in DTYPES if together[dtype].num_strays]
    return [
        to_rounding("world size", f"losses of {counted(steps, 'step')}", losses, bound_fp32=BOUNDS[torch.float32]),
        to_rounding("world size", "how far weights moved", changes),
        exact("world size", "ranks with other weights", strays),
    ]
