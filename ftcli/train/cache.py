"""The prefix cache: whether a stage's frozen layers are computed once a row and kept, and what then stands for them.

Whether it pays is decided once for each stage, from the recipe and the machine's room, and kept in Progress, so that a
resumed run computes as the run before it did. Losses are those without a cache, to rounding.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ftcli.data.states import Layout, States, StatesFile, lay_out
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.freezing import FreezePlan
from ftcli.modeling.prefix import Prefix, passes_through
from ftcli.spec.card import further_sets
from ftcli.spec.sections import EvaluateSection, FreezeSection
from ftcli.spec.wording import counted
from ftcli.tasks.base import Batch
from ftcli.train.progress import Limits

_FLOPS_PER_SECOND = {"cpu": 5e10, "cuda": 3e13}
_BYTES_PER_SECOND = 1e9
"""Rates that are the same every time: what a device computes, and what is read or written."""
_SEQUENCES_TRIED = 4
_SHARE_OF_FREE = 0.5
"""The most of the free disk that a cache may take without being asked for."""


@dataclass
class PrefixCache:
    """What a run has stored of its current stage: the prefix, and its states by split. Empty where nothing is."""

    prefix: Prefix | None = None
    states: dict[str, States] = field(default_factory=dict[str, States])

    def standing_in(self, batch: Batch) -> AbstractContextManager[None]:
        """Within the block, a forward pass on the batch starts from its states, if it has any."""
        if batch.states is None or self.prefix is None:
            return nullcontext()
        return self.prefix.standing_in(batch.states)


@dataclass(frozen=True, slots=True)
class Store:
    """Where the states of a prefix lie, on disk or (None) in memory, and how they are kept."""

    folder: Path | None
    dtype: torch.dtype

    def path(self, split: str) -> Path:
        """The file of a split's states."""
        return cast("Path", self.folder) / f"{split}.states"

    def file(self, name: str, layout: Layout, prefix: Prefix) -> StatesFile:
        """The same, with what it holds."""
        return StatesFile(self.path(name), layout, size=prefix.size, dtype=self.dtype)

    def has(self, name: str, split: TokenizedSplit, prefix: Prefix) -> bool:
        """Whether all of a split's states are on disk already."""
        return (
            self.folder is not None
            and self.path(name).exists()
            and not self.file(name, lay_out(split), prefix).missing()
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Which splits' states are stored, and why, as a sentence; it says nothing where nothing was to be decided.

    `num_bytes` is what is to be written to disk for them.
    """

    splits: tuple[str, ...]
    reason: str = ""
    num_bytes: int = 0


def store_for(section: FreezeSection, prefix: Prefix, tokens: Path) -> Store:
    """The place of a prefix's states, beside the token store that they are of."""
    parts = (prefix.fingerprint, tokens.name, section.cache_dtype)
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    folder = None if section.cache == "memory" else tokens.parent.parent / "prefix" / key
    return Store(folder, _stored(section, prefix))


def _stored(section: FreezeSection, prefix: Prefix) -> torch.dtype:
    """What states are kept as; exact is the precision of the weights, which is fp32 but in tests of equality."""
    return torch.bfloat16 if section.cache_dtype == "bf16" else prefix.dtype


def decide(
    section: FreezeSection,
    prefix: Prefix | str,
    model: nn.Module,
    splits: dict[str, TokenizedSplit],
    *,
    passes: dict[str, float],
    tokens: Path,
    inputs: dict[str, Tensor],
) -> Decision:
    """Whether the frozen prefix is worth storing: the layers and passes saved against filling, reading and room.

    Args:
        section: The recipe's [freeze].
        prefix: What `find_prefix` finds in the model.
        model: The model in eval mode, with the stage's parameters frozen.
        splits: The tokenised splits.
        passes: How often each split is going to pass through the model in this stage.
        tokens: The folder of the token store.
        inputs: A small batch, on which it is tried whether the model does start from stored states.
    """
    if section.cache == "off" or isinstance(prefix, str):
        return Decision((), f"nothing is cached: {prefix}" if section.cache in {"disk", "memory"} else "")
    if not passes_through(prefix, model, inputs):
        return Decision((), "nothing is cached: the model reads its frozen layers in more ways than one")
    width, device = prefix.size * _stored(section, prefix).itemsize, inputs["input_ids"].device.type
    store, is_asked = store_for(section, prefix, tokens), section.cache != "auto"
    sizes = {name: width * len(splits[name].ids) for name, times in passes.items() if name in splits and times > 0}
    there = {name for name in sizes if store.has(name, splits[name], prefix)}
    wanted = tuple(n for n in sizes if is_asked or n in there or _pays(prefix, width, passes[n], device))
    what = f"the output of the {counted(prefix.depth, 'frozen layer')}"
    if not wanted:
        to_come = _in_passes(passes, sizes)
        return Decision((), f"{what} is not cached: rows pass through the model too seldom for it to pay ({to_come})")
    needed, free = sum(sizes[name] for name in wanted if name not in there), shutil.disk_usage(tokens).free
    if not is_asked and needed > free * _SHARE_OF_FREE:
        room = f"it takes {_in_words(needed)}, and {_in_words(free)} of disk are free"
        return Decision((), f"{what} is not cached: {room}")
    size = _in_words(sum(sizes[name] for name in wanted))
    how = "is computed once and cached" if needed else "is cached already"
    place = "memory" if store.folder is None else store.folder
    written = 0 if store.folder is None else needed
    return Decision(wanted, f"{what} {how} in {place} ({size}); {_in_passes(passes, wanted)}", written)


def tried_inputs(split: TokenizedSplit, pad_id: int, device: torch.device) -> dict[str, Tensor]:
    """A small batch for `decide`."""
    tried = split.gather(torch.arange(min(_SEQUENCES_TRIED, split.num_sequences)), pad_id=pad_id)
    return {name: value.to(device) for name, value in tried.items()}


def passes_of(
    splits: Iterable[str], limits: Limits, freezing: FreezePlan, evaluation: EvaluateSection, *, stage: int, step: int
) -> dict[str, float]:
    """How often each split is going to pass through the model from a step on until the next stage begins."""
    end = freezing.end_of(stage, total_steps=limits.total_steps)
    evaluations = limits.evaluate.times_between(step, end)
    training = (end - step) / limits.steps_per_epoch + (evaluations if evaluation.train_metrics else 0)
    scored = evaluations + (evaluation.at_start and step == 0)
    return {"train": training, **dict.fromkeys(("validation", *further_sets(splits)), scored)}


def _pays(prefix: Prefix, bytes_per_token: int, passes: float, device: str) -> bool:
    computing = prefix.flops_per_token / _FLOPS_PER_SECOND.get(device, _FLOPS_PER_SECOND["cuda"])
    moving = bytes_per_token / _BYTES_PER_SECOND
    return passes * computing > computing + (1 + passes) * moving


def _in_passes(passes: dict[str, float], splits: Iterable[str]) -> str:
    return f"passes to come: {', '.join(f'{name} {passes[name]:.3g}' for name in splits) or 'none'}"


def _in_words(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
