"""What the laws measure with: named tensors, how far two sets of them are apart, and how far they may be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

Named = dict[str, Tensor]
"""Tensors by name."""

DTYPES = (torch.float64, torch.float32)
BOUNDS = {torch.float64: 1e-9, torch.float32: 1e-5}
"""The relative L2 distance up to which gradients, losses and logits are equal to rounding."""

_KEY_BIAS = re.compile(r"(^|[._])k(ey)?(_proj|_lin)?\.bias$")


def is_key_bias(name: str) -> bool:
    """Whether a parameter is the bias of attention's keys: its gradient is zero in exact arithmetic, noise in ours."""
    return _KEY_BIAS.search(name) is not None


def gradients(model: nn.Module) -> Named:
    """The gradients there are, but those of attention's key biases."""
    named = model.named_parameters()
    return {name: p.grad.detach().clone() for name, p in named if p.grad is not None and not is_key_bias(name)}


def relative_distance(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The L2 norm of all differences over that of `expected`; infinite where one has tensors that the other has not."""
    if found.keys() != expected.keys():
        return math.inf
    apart = _norm({name: found[name].double() - expected[name].double() for name in expected})
    return apart / _norm(expected) if apart else 0.0


def _norm(named: Mapping[str, Tensor]) -> float:
    squares = [float(value.double().square().sum()) for value in named.values()]
    return math.sqrt(sum(squares))


def largest(distances: Sequence[float]) -> float:
    """The largest distance; no number where one of them is none."""
    return float(torch.tensor(distances, dtype=torch.float64).max())


def raw(value: Tensor) -> Tensor:
    """The bytes of a tensor, uint8 [number of bytes] on the CPU: they tell apart what == takes for equal."""
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
