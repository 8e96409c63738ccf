"""Randomness as a function of (seed, step, rank): there is no generator state to save, and none to lose.

Re-seeding before every step makes dropout independent of history, so a resumed run draws what the uninterrupted
one would have drawn. Results differ from those of a loop that seeds once, not in distribution.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager

import torch


def seed_for(seed: int, *purpose: int | str) -> int:
    """A 63-bit seed for one purpose; different purposes give unrelated streams."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_step(seed: int, *, step: int, rank: int, device: torch.device) -> None:
    """Seed what dropout draws from. The generators themselves: `torch.manual_seed` takes 300 times longer."""
    value = seed_for(seed, "step", step, rank)
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(value)


@contextmanager
def deterministic(*, wanted: bool) -> Generator[None]:
    """Within the block, let torch use only kernels that give the same bits each time, if that is `wanted`.

    cuBLAS reads its setting when it is first used, so enter this before anything has been computed on a GPU.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before)
