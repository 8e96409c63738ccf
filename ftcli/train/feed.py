"""From the plan to batches: the groups of a run, one a step, each rank's share collated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from ftcli.data.plan import Cut, EpochPlan, Shares, deal, slots_in, slots_of, steps_per_epoch
from ftcli.data.states import States
from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.background import Background
from ftcli.runtime.world import World
from ftcli.spec.sections import BatchSection
from ftcli.tasks.base import Batch, Task, collate

_CALL_TOKENS = {"cpu": 128, "cuda": 8192}
"""What a micro-batch costs beside its token slots, in slots. On a CPU: passes of 8 rows of 32 tokens run at three
quarters of the rate of 32 rows, those of 2 at two fifths. On a GPU, some hundreds of launched kernels: a pass in bf16
through 12 layers took an H200 as long for 512 slots as for 16,384, and slower GPUs are filled by fewer."""
_MAX_TOKENS_ON_CPU = 4096
"""Token slots of a micro-batch: beyond it, more cost memory and win nothing."""
_GPU_BYTES_PER_TOKEN = 2**22
"""Of a GPU's memory, for a slot of a micro-batch. 24 layers of 1,024 keep a quarter of it in bf16 and less than half in
fp32; what does not fit even so is halved when it shows, unless processes split the weights."""


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one step. `batches` are this rank's; all counts are over the whole world.

    `num_items` is what the step's summed loss is divided by; with class weights it is no whole number.
    """

    batches: tuple[Batch, ...]
    num_rows: int
    num_items: float
    num_tokens: int
    num_slots: int


def is_ours(section: BatchSection) -> bool:
    """Whether the recipe leaves it to us how steps are cut."""
    return (section.micro_size, section.max_tokens, section.accumulation) == ("auto", "off", "off")


def choose_cut(section: BatchSection, world: World, *, skips_padding: bool = False) -> Cut:
    """How steps are cut: as the recipe says, or by what a micro-batch costs on the device.

    Args:
        section: The recipe's [batch].
        world: The processes, and what they compute on.
        skips_padding: Whether the model computes none.
    """
    if is_ours(section):
        return cut_by_cost(world, skips_padding=skips_padding)
    if section.max_tokens != "off":
        cut = Cut(tokens=section.max_tokens)
    elif section.accumulation != "off":
        cut = Cut(accumulation=section.accumulation)
    else:
        cut = Cut(rows=section.micro_size if section.micro_size != "auto" else section.size)
    return replace(cut, skips_padding=skips_padding)


def cut_by_cost(world: World, *, skips_padding: bool) -> Cut:
    """The cut by what a micro-batch costs on the device."""
    on_gpu = world.device.type == "cuda"
    most = world.gpu_bytes // _GPU_BYTES_PER_TOKEN if on_gpu else _MAX_TOKENS_ON_CPU
    return Cut(tokens=most, call_tokens=_CALL_TOKENS[world.device.type], skips_padding=skips_padding)


_Asked = tuple[int, Cut, States | None]


class Feed:
    """The groups of a run, from any step on. A step's group depends on nothing but the plan and the step.

    `states` are those of the frozen prefix, if they are stored; batches then carry theirs.
    """

    def __init__(
        self, split: TokenizedSplit, *, task: Task, batch: BatchSection, cut: Cut, seed: int, world: World, pad_id: int
    ) -> None:
        self._split = split
        self._lengths = split.lengths
        self._task = task
        self._batch = batch
        self.cut = cut
        self._seed = seed
        self._world = world
        self._pad_id = pad_id
        self.states: States | None = None
        self._ahead: Background[tuple[_Asked, Group]] = Background()
        self.steps_per_epoch = steps_per_epoch(split.num_rows, batch)
        self.plan = lru_cache(maxsize=1)(self._plan)

    def _plan(self, epoch: int) -> EpochPlan:
        return EpochPlan.of(self._split.row_lengths, self._batch, seed=self._seed, epoch=epoch)

    def rows(self, step: int) -> Tensor:
        """The row numbers of a step's group."""
        epoch, group = divmod(step, self.steps_per_epoch)
        return self.plan(epoch).rows(group)

    def group(self, step: int) -> Group:
        """The group of a step (from 0).

        Where a device computes beside the CPU, the next one is assembled meanwhile; on a CPU that would cost the step.
        """
        ahead = self._ahead.wait()
        group = ahead[1] if ahead is not None and ahead[0] == self._asked(step) else self._assemble(step)
        if self._world.device.type != "cpu":
            following = self._asked(step + 1)
            self._ahead.start(lambda: (following, self._assemble(following[0])))
        return group

    def _asked(self, step: int) -> _Asked:
        """What a group follows from: it changes when memory runs out or a stage begins."""
        return step, self.cut, self.states

    def _assemble(self, step: int) -> Group:
        rows = self.rows(step)
        shares = self._shares(rows)
        return Group(
            batches=tuple(self._collate(part, rows) for part in shares[self._world.rank]),
            num_rows=len(rows),
            num_items=self._task.count_items(self._split, rows),
            num_tokens=int(self._split.row_lengths[rows].sum()),
            num_slots=slots_of(shares, self._lengths, self.cut),
        )

    def _shares(self, rows: Tensor) -> Shares:
        return deal(self._split.sequences_of(rows), self._lengths, self.cut, self._world.size)

    def dummy(self, step: int) -> Batch:
        """One row of a step that counts for nothing."""
        return self._collate(torch.empty(0, dtype=torch.int64), self.rows(step))

    def halve(self, step: int) -> int | None:
        """Cut steps into micro-batches of half as many tokens as the step's largest has; a step keeps its rows.

        Returns:
            The tokens of a micro-batch, or None where the recipe says how steps are cut or single rows are left.
        """
        parts = [part for share in self._shares(self.rows(step)) for part in share]
        if not is_ours(self._batch) or all(len(part) < 2 for part in parts):
            return None
        tokens = max(slots_in(part, self._lengths, self.cut) for part in parts) // 2
        self.shrink(tokens)
        return tokens

    def shrink(self, tokens: int) -> None:
        """Cut as a run did that ran out of memory before, unless the recipe says how by now."""
        if is_ours(self._batch):
            self.cut = replace(self.cut, tokens=min(tokens, self.cut.tokens or tokens))

    def _collate(self, part: Tensor, rows: Tensor) -> Batch:
        """A batch, or for an empty share a dummy of weight zero: its rank must still take part in the step."""
        if len(part) == 0:
            spare = self._split.sequences_of(rows[:1])[:1]
            return collate(self._split, spare, pad_id=self._pad_id, weight=0.0, states=self.states)
        return collate(self._split, part, pad_id=self._pad_id, states=self.states)
