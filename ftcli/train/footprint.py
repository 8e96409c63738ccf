"""What a run takes of each process, by how state is split: memory, and what a step sends.

The accounting is that of ZeRO (Rajbhandari et al., 2020); exchanges are counted as rings make them, where each of n
processes sends (n - 1) / n of what is summed or gathered. Gloo, unlike NCCL, sums gradients that are split as if they
were whole, and so sends twice as much of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ftcli.runtime.partition import deal_tensors

Split = Literal["ddp", "stage1", "stage2", "stage3"]
SPLITS: tuple[Split, ...] = ("ddp", "stage1", "stage2", "stage3")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a part of the model that is gathered at once, and of those of its weights that are trained."""

    weights: int
    trained: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a model and its training come to on one process that has everything.

    `layers` go from the input up, `rest` is everything else; `tensors` are all of both, one by one. `num_moments` are
    the values that the optimizer keeps for each trained weight; `num_means` is 1 where there is a running mean of the
    weights. `activations` are the bytes that the largest micro-batch keeps for its backward pass, `num_micro_batches`
    those of a step on one process.
    """

    layers: tuple[Part, ...]
    rest: Part
    tensors: tuple[Part, ...]
    num_moments: int
    num_means: int
    activations: int
    num_micro_batches: int

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return self.rest.weights + sum(layer.weights for layer in self.layers)

    @property
    def checkpoint(self) -> int:
        """Bytes of the weights, their running mean, and the optimizer's state."""
        return self.weights * (1 + self.num_means) + self.trained * self.num_moments

    @property
    def trained(self) -> int:
        """Bytes of those that are trained, and so of their gradients."""
        return self.rest.trained + sum(layer.trained for layer in self.layers)

    @property
    def passed_back(self) -> int:
        """Bytes of the layers that a backward pass goes through: those above what is trained lowest."""
        first = next((n for n, layer in enumerate(self.layers) if layer.trained), len(self.layers))
        return sum(layer.weights for layer in self.layers[0 if self.rest.trained > self.rest.weights // 2 else first :])


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of one process, and the bytes that it sends in a step.

    `peak` is all that is held at once, which may be less than the sum: inner values go as gradients come.
    """

    split: Split
    weights: int
    gradients: int
    optimizer: int
    activations: int
    peak: int
    sent: int


def footprint(sizes: Sizes, split: Split, *, num_processes: int, degree: int, offloads: bool = False) -> Footprint:
    """What one of so many processes takes, `degree` of which split a copy between them.

    What is split and kept on the host (`offloads`) is not counted.
    """
    part = 1.0 if split == "ddp" else 1 / degree
    owned = _largest_share(sizes, degree) if split == "stage1" else sizes.trained * part
    optimizer = sizes.num_moments * owned
    accumulates = sizes.num_micro_batches > 1
    if split in ("ddp", "stage1"):
        weights, buckets = sizes.weights * (1 + sizes.num_means), sizes.trained * (num_processes > 1)
        held = buckets + sizes.trained * accumulates  # what adds up is copied into DDP's buckets, which stay
        gradients = max(held, sizes.trained)
        exchanged = owned if split == "stage1" else 0.0
        after = weights + gradients + exchanged
    else:
        optimizer, part = (0.0, 0.0) if offloads else (optimizer, part)
        kept, largest = sizes.weights * (1 + sizes.num_means) * part, max((p.weights for p in sizes.layers), default=0)
        weights = kept + (sizes.weights if split == "stage2" else sizes.rest.weights + 2 * largest)
        held = sizes.trained if accumulates else 0
        after = kept + sizes.rest.weights + sizes.trained * part + 2 * sizes.rest.trained  # whole, and as it is sent
        after = max(after, kept + sizes.weights)  # evaluating
        gradients = max(held, sizes.trained * part)
    return Footprint(
        split=split,
        weights=round(weights),
        gradients=round(gradients),
        optimizer=round(optimizer),
        activations=sizes.activations,
        peak=round(optimizer + max(weights + held + sizes.activations, after)),
        sent=round(_sent(sizes, split, num_processes, degree)),
    )


def stage1_floor(sizes: Sizes, degree: int) -> int | None:
    """The bytes of state of the largest tensor, where the fullest process has that one alone; else None."""
    largest = max(each.trained for each in sizes.tensors)
    is_reached = degree > 1 and _largest_share(sizes, degree) == largest > sizes.trained / degree
    return sizes.num_moments * largest if is_reached and sizes.num_moments else None


def _largest_share(sizes: Sizes, degree: int) -> int:
    """What is trained of the tensors that the fullest process owns; a tensor has one owner."""
    owners = deal_tensors([each.weights for each in sizes.tensors], degree)
    loads = [0] * degree
    for owner, each in zip(owners, sizes.tensors, strict=True):
        loads[owner] += each.trained
    return max(loads)


def _sent(sizes: Sizes, split: Split, num_processes: int, degree: int) -> float:
    """What a process sends in a step: gradients summed once, weights gathered for each pass."""
    if split == "ddp":
        return 2 * _ring(num_processes) * sizes.trained
    if split == "stage1":
        return (2 * _ring(num_processes) + _ring(degree)) * sizes.trained
    gathered = sizes.weights + (sizes.passed_back if split == "stage3" else 0)
    between_copies = 2 * _ring(num_processes // degree) * sizes.trained / degree
    return _ring(degree) * (sizes.num_micro_batches * gathered + sizes.trained) + between_copies


def _ring(count: int) -> float:
    return (count - 1) / count
