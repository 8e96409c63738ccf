"""`python -m tests.benchmarks.speed.matmul_share`: a training step's share of what matrix products reach.

A step of 32 rows of 128 tokens, dropout on, forward and backward and the optimizer's. Counted are the matrix products
that the mathematics needs; norms, dropout, activations, clipping and the optimizer count for nothing.
"""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import Any

import torch

from ftcli.train.step import train_step
from tests.benchmarks.speed.material import BATCH, MAX_LENGTH, Material
from tests.benchmarks.speed.measuring import Findings, in_turns, run_benchmark, timed
from tests.benchmarks.speed.ours import config_of, live_run, spec_of

SIZES = (1024, 2048)
_REPEATED = {1024: 8, 2048: 2}


def measure(material: Material, rounds: int) -> Findings:
    """FLOP/s of a step, and of the fastest square matrix product beside it."""
    long = "".join(row["sentence1"] + row["sentence2"] for row in material.rows)
    lines = [
        f'{{"sentence1": "{long[start : start + MAX_LENGTH]}", "sentence2": "{long[:9]}", "label": "{start % 2}"}}\n'
        for start in range(BATCH)
    ]
    material.train_file.write_text("".join(lines))
    run = live_run(spec_of(material, "train.steps=2"), material.folder / "run")
    group = run.feed.group(0)
    assert group.num_slots == group.num_tokens == BATCH * MAX_LENGTH
    contenders = {
        "a step": lambda: timed(partial(train_step, run, group)),
        **{_named(n): partial(_square, n) for n in SIZES},
    }
    in_turns(contenders, 1)
    seconds = in_turns(contenders, rounds)
    peak = max(2 * size**3 / median(seconds[_named(size)]) for size in SIZES)
    achieved = step_flops(config_of(material)) / median(seconds["a step"])
    numbers = {
        "GFLOP/s of a step": achieved / 1e9,
        "GFLOP/s of the fastest matrix product": peak / 1e9,
        "share of the peak": achieved / peak,
    }
    return Findings(seconds, numbers, {"threads_of_torch": torch.get_num_threads()})


def step_flops(config: Any) -> float:
    """Floating-point operations of a step's matrix products: twice as many backward as forward.

    A token takes, in each layer, 4 projections and 2 products of the feed-forward, and scores and sums over the row.
    """
    size: int = config.hidden_size
    inner: int = config.intermediate_size
    a_token = 2 * (4 * size**2 + 2 * size * inner) + 2 * (2 * MAX_LENGTH * size)
    layers: int = config.num_hidden_layers
    return 3.0 * BATCH * MAX_LENGTH * layers * a_token


def _named(size: int) -> str:
    return f"a product of {size} x {size}"


def _square(size: int) -> float:
    left, right = torch.rand(size, size), torch.rand(size, size)
    product = torch.empty(size, size)
    times = _REPEATED[size]
    return timed(lambda: [torch.mm(left, right, out=product) for _ in range(times)]) / times


if __name__ == "__main__":
    run_benchmark("A training step's arithmetic", measure, rows=64, layers=12)
