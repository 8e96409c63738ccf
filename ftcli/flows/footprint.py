"""How large a run is: its weights as they are, and what its largest micro-batch keeps, tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ftcli.data.plan import SAMPLED_GROUPS, Cut, EpochPlan, Shares, deal, slots_in
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.freezing import apply_stage, frozen_modules, set_training_mode
from ftcli.modeling.recompute import layers_apart, one_layer_kept
from ftcli.runtime.seeding import seed_step
from ftcli.runtime.world import World
from ftcli.spec.choices import SGD, OptimizerChoice
from ftcli.spec.processes import DistributedSection
from ftcli.tasks.base import collate
from ftcli.train.assemble import Parts
from ftcli.train.feed import choose_cut
from ftcli.train.footprint import SPLITS, Footprint, Part, Sizes, Split, footprint, stage1_floor
from ftcli.train.memory import MICRO_HINT, out_of_memory_at
from ftcli.train.precision import Precision


@dataclass(frozen=True, slots=True)
class Footprints:
    """Bytes of what each of so many processes takes: `own` as the recipe splits, and `every` way of splitting.

    And of a checkpoint, which is the same for all. `num_with_rows` of the processes have any in a step. `floor` are the
    bytes of optimizer state below which no number of processes brings stage1; None where they are not reached yet.
    """

    num_processes: int
    num_with_rows: int
    checkpoint: int
    own: Footprint
    every: tuple[Footprint, ...]
    floor: int | None


def footprints(
    parts: Parts, split: TokenizedSplit, epoch: EpochPlan, *, num_processes: int, skips_padding: bool
) -> Footprints:
    """What a run takes on so many processes like this one; a forward pass tells what it keeps."""
    world = World(size=num_processes, device=parts.world.device, gpu_bytes=parts.world.gpu_bytes)
    cut = choose_cut(parts.spec.batch, world, skips_padding=skips_padding)
    dealt = _dealt(split, epoch, cut, num_processes)
    largest = max(
        (part for group in dealt for share in group for part in share),
        key=lambda part: slots_in(part, split.lengths, cut),
    )
    num_micro_batches = max(len(group[0]) for group in dealt)
    sizes = _sizes(parts, activations=_kept(parts, split, largest), num_micro_batches=num_micro_batches)
    section = parts.spec.distributed
    degree = section.degree(num_processes)
    found = {
        each: footprint(sizes, each, num_processes=num_processes, degree=degree, offloads=section.offload)
        for each in SPLITS
    }
    return Footprints(
        num_processes=num_processes,
        num_with_rows=max(map(_num_with_rows, dealt)),
        checkpoint=sizes.checkpoint,
        own=found[_split_of(section, num_processes)],
        every=tuple(found.values()),
        floor=stage1_floor(sizes, degree),
    )


def _split_of(section: DistributedSection, num_processes: int) -> Split:
    return section.sharding if section.strategy == "fsdp" and num_processes > 1 else "ddp"


def _dealt(split: TokenizedSplit, epoch: EpochPlan, cut: Cut, num_processes: int) -> list[Shares]:
    """What each process gets of a sample of an epoch's steps."""
    number = min(SAMPLED_GROUPS, len(epoch))
    return [
        deal(split.sequences_of(epoch.rows(place * len(epoch) // number)), split.lengths, cut, num_processes)
        for place in range(number)
    ]


def _num_with_rows(group: Shares) -> int:
    return sum(any(map(len, share)) for share in group)


def num_moments(choice: OptimizerChoice) -> int:
    """Tensors of a parameter's size that the optimizer keeps for each; of one of the user's own, two are supposed."""
    return int(choice.momentum > 0) if isinstance(choice, SGD) else 2


def _sizes(parts: Parts, *, activations: int, num_micro_batches: int) -> Sizes:
    model = parts.loaded.model
    trained = {id(p) for name, p in model.named_parameters() if parts.freezing.first_step(name) is not None}

    def part(parameters: list[nn.Parameter]) -> Part:
        sizes = [(p.numel() * p.element_size(), id(p) in trained) for p in parameters]
        return Part(sum(size for size, _ in sizes), sum(size for size, is_trained in sizes if is_trained))

    layers = [list(layer.parameters()) for layer in layers_apart(model)]
    within = {id(p) for layer in layers for p in layer}
    return Sizes(
        layers=tuple(map(part, layers)),
        rest=part([p for p in model.parameters() if id(p) not in within]),
        tensors=tuple(part([p]) for p in model.parameters()),
        num_moments=num_moments(parts.spec.optimizer),
        num_means=int(parts.spec.train.average != "off"),
        activations=activations,
        num_micro_batches=num_micro_batches,
    )


def _kept(parts: Parts, split: TokenizedSplit, sequences: Tensor) -> int:
    """The bytes that a forward pass keeps for its backward pass, in the stage that trains most.

    And the largest of these tensors once more: on its way back, its gradient stands beside it.

    Raises:
        OutOfMemoryError: it does not fit.
    """
    model, device = parts.loaded.model, parts.world.device
    trained = [sum(model.get_parameter(name).numel() for name in each.trainable) for each in parts.freezing.stages]
    stage = parts.freezing.stages[trained.index(max(trained))]
    apply_stage(model, stage)
    set_training_mode(model, frozen_modules(model))
    seed_step(parts.spec.run.seed, step=0, rank=0, device=device)
    batch = collate(split, sequences, pad_id=parts.tokenizer.pad_id).to(device)
    kept, pack = _counting({p.untyped_storage().data_ptr() for p in model.parameters()})
    what = f"the largest micro-batch, of {len(sequences)} sequences,"
    holding = torch.autograd.graph.saved_tensors_hooks(pack, _as_it_is)
    with out_of_memory_at(what, MICRO_HINT), one_layer_kept(model), holding:
        with Precision(parts.precision, device).autocast():
            loss = parts.task.loss(model, batch)
        del loss
    return sum(kept.values()) + max(kept.values(), default=0)


def _counting(weights: set[int]) -> tuple[dict[int, int], Callable[[Tensor], Tensor]]:
    """Sizes of the memory that is kept, by address, and what to call with each tensor that keeps some."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    return kept, pack


def _as_it_is(packed: Any) -> Any:
    return packed
