"""Law 5: from stored states of its frozen layers a model has the losses and gradients that it has from the rows."""

from __future__ import annotations

import torch

from ftcli.data.states import lay_out
from ftcli.flows.laws.accumulation import gradient_of
from ftcli.flows.laws.bench import Bench
from ftcli.flows.laws.check import Check, to_rounding, unchecked
from ftcli.flows.laws.measure import BOUNDS, DTYPES, relative_distance
from ftcli.modeling.freezing import apply_stage
from ftcli.modeling.prefix import Prefix, find_prefix
from ftcli.runtime.activity import Working
from ftcli.runtime.rundir import RunDir
from ftcli.train.assemble import assemble
from ftcli.train.cache import PrefixCache
from ftcli.train.filling import Filler
from ftcli.train.run import Run


def check(bench: Bench) -> Working[list[Check]]:
    """Compare the first step of the recipe's first stage with and without the states."""
    parts = bench.still
    apply_stage(parts.loaded.model, parts.freezing.stages[0])
    prefix = find_prefix(parts.loaded.model)
    if isinstance(prefix, str):
        return [unchecked("cache", "loss and gradient", f"nothing to cache: {prefix}")]
    loss: dict[torch.dtype, float] = {}
    gradient: dict[torch.dtype, float] = {}
    for dtype in DTYPES:
        parts.loaded.model.to(dtype)
        run = yield from assemble(parts, run_dir=RunDir(bench.folder))
        expected, expected_loss = gradient_of(run, step=0)
        yield from _store(run, prefix)
        found, found_loss = gradient_of(run, step=0)
        gradient[dtype] = relative_distance(found, expected)
        loss[dtype] = abs(found_loss - expected_loss) / abs(expected_loss) if found_loss != expected_loss else 0.0
    bound = BOUNDS[torch.float32]
    note = f"with {prefix.depth} of {prefix.num_layers} layers stored"
    return [
        to_rounding("cache", "gradient of the first step", gradient, bound_fp32=bound, note=note),
        to_rounding("cache", "loss of the first step", loss, bound_fp32=bound),
    ]


def _store(run: Run, prefix: Prefix) -> Working[None]:
    """Have the states of the first step's rows at hand."""
    split = run.splits["train"]
    run.model.eval()
    filler = Filler(prefix, run.world, run.pad_id, run.interrupt)
    layout = lay_out(split, split.sequences_of(run.feed.rows(0)))
    states = yield from filler.in_memory(split, layout, name="train", dtype=prefix.dtype)
    run.cache = PrefixCache(prefix, {"train": states})
    run.feed.states = states
