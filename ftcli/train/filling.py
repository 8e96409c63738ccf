"""Filling the prefix cache: each row once through the frozen layers, by all ranks, in chunks that survive a kill."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ftcli.data.states import Layout, States, StatesFile, StatesInMemory, lay_out
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import DataError
from ftcli.modeling.prefix import Prefix
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.interrupt import Interrupt, StopAsked
from ftcli.runtime.locks import POLL_SECONDS, WAITING, try_lock
from ftcli.runtime.world import World
from ftcli.train.cache import Store
from ftcli.train.memory import out_of_memory_at

_CACHE_HINT = 'compute the frozen layers in every epoch: freeze.cache = "off"'
_SECONDS_BETWEEN_FLUSHES = 10.0
_CHUNKS_BETWEEN_AGREEMENTS = 4


@dataclass(frozen=True, slots=True)
class Filler:
    """What computes states: a prefix in eval mode, on all ranks together."""

    prefix: Prefix
    world: World
    pad_id: int
    interrupt: Interrupt

    def fill(self, split: TokenizedSplit, *, name: str, store: Store) -> Working[States]:
        """The states of a whole split, computed as far as they are not stored yet.

        Raises:
            DataError: they can't be written.
            StopAsked: on all ranks alike, when any was asked to stop; what is done stays done.
        """
        layout = lay_out(split)
        if store.folder is None:
            return (yield from self.in_memory(split, layout, name=name, dtype=store.dtype))
        try:
            file = store.file(name, layout, self.prefix)
            if self.world.largest(len(file.missing())):
                yield from self._fill_in_turn(split, layout, file, name=name)
            return States(file.values(), layout.starts, self.prefix.dtype)
        except OSError as error:
            raise DataError(f"can't write {store.path(name)}: {error}", hint=_CACHE_HINT) from error

    def _fill_in_turn(
        self, split: TokenizedSplit, layout: Layout, file: StatesFile, *, name: str
    ) -> Generator[Activity]:
        """Fill a file once no other run does; what that one has computed is not computed again."""
        with file.marks() as marks:
            while not self.world.largest(self.world.is_main and try_lock(marks)):
                if signal := self.world.largest(self.interrupt.requested):
                    raise StopAsked(signal)
                yield WAITING
                time.sleep(POLL_SECONDS)
            yield from self._fill_file(split, layout, file, name=name)

    def _fill_file(self, split: TokenizedSplit, layout: Layout, file: StatesFile, *, name: str) -> Generator[Activity]:
        """Each rank its share of what is missing, then whatever it can't see that others have done."""
        is_shared = True
        while most := self.world.largest(len(missing := file.missing())):
            mine = missing[self.world.rank :: self.world.size] if is_shared else missing
            try:
                flushed = time.monotonic()
                for number in self._agreeing(mine, -(-most // self.world.size) if is_shared else most):
                    file.write(number, self._states(split, layout.chunks[number]))
                    if time.monotonic() - flushed > _SECONDS_BETWEEN_FLUSHES:
                        file.flush()
                        flushed = time.monotonic()
                    yield _so_far(name, layout, number)
            finally:
                file.flush()
            self.world.largest(0)  # nobody looks for what is missing before all have written
            is_shared = False

    def in_memory(self, split: TokenizedSplit, layout: Layout, *, name: str, dtype: torch.dtype) -> Working[States]:
        """The states that a layout names: each rank computes its share, of which every other rank gets a copy.

        Raises:
            StopAsked: as above.
        """
        memory = StatesInMemory(layout, size=self.prefix.size, dtype=dtype)
        world, numbers = self.world, range(len(layout.chunks))
        for first in self._agreeing(numbers[:: world.size], len(numbers[:: world.size])):
            mine = numbers[first + world.rank : first + world.rank + 1]
            nothing = torch.empty(0, self.prefix.size)
            found = world.gather_rows(self._states(split, layout.chunks[mine[0]]) if mine else nothing)
            for number in numbers[first : first + world.size]:
                count = int(split.lengths[layout.chunks[number]].sum())
                memory.write(number, found[:count])
                found = found[count:]
            yield _so_far(name, layout, first)
        return States(memory.values, layout.starts, self.prefix.dtype)

    def _agreeing(self, numbers: Sequence[int], rounds: int) -> Generator[int]:
        """The numbers, while all ranks ask each other in so many rounds whether one is to stop."""
        for place in range(rounds):
            if place % _CHUNKS_BETWEEN_AGREEMENTS == 0 and (signal := self.world.largest(self.interrupt.requested)):
                raise StopAsked(signal)
            yield from numbers[place : place + 1]

    def _states(self, split: TokenizedSplit, sequences: Tensor) -> Tensor:
        """The states of a chunk's tokens [tokens, size], sequence by sequence."""
        gathered = split.gather(sequences, pad_id=self.pad_id)
        inputs = {name: value.to(self.world.device) for name, value in gathered.items()}
        with torch.inference_mode(), out_of_memory_at(f"computing {len(sequences)} sequences at once", _CACHE_HINT):
            return self.prefix.states(inputs)[inputs["attention_mask"].bool()].cpu()


def _so_far(name: str, layout: Layout, number: int) -> Activity:
    return Activity(f"compute the frozen layers: {name}", layout.counts[number], layout.counts[-1], "sequences")
