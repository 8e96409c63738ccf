"""Sums between log lines. They stay on the device; reading them is the one place where a step waits for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ftcli.runtime.world import World
from ftcli.train.events import EpochDone, StepDone
from ftcli.train.feed import Group
from ftcli.train.progress import Limits, Progress

_MOST_PAST = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave: this rank's summed loss and the gradient norm before clipping, both still on the device.

    `signal` is the number of the signal that asked any rank to stop, or 0.
    """

    loss: Tensor
    grad_norm: Tensor
    overflowed: bool
    signal: int = 0


@dataclass(frozen=True, slots=True)
class PastStep:
    """A step that is done, for whoever asks what came before a failure. `loss` is this rank's part of the mean."""

    step: int
    loss: float
    grad_norm: float


class Meter:
    """Adds up losses, rows, tokens and time; gives a StepDone for the steps since the last one."""

    def __init__(self, world: World, progress: Progress) -> None:
        self._world = world
        self._progress = progress
        zero = torch.zeros((), dtype=torch.float64, device=world.device)
        self._unread = zero.clone()
        self._last = zero.clone()
        self._norm: Tensor = zero.clone()
        self._last_items = 1.0
        self._past: deque[tuple[int, Tensor, float, Tensor]] = deque(maxlen=_MOST_PAST)
        self.start()

    def start(self) -> None:
        """Begin to count time and all that is reported since the last logged step."""
        self._counted = time.perf_counter()
        self._paused: float | None = None
        self._reset()

    def _reset(self) -> None:
        self._loss = self._items = 0.0
        self._rows = self._tokens = self._slots = 0
        self._started = time.perf_counter()

    def add(self, outcome: Outcome, group: Group) -> None:
        """Count a step that is done; the progress advances by it."""
        self._unread += outcome.loss
        self._last, self._last_items, self._norm = outcome.loss, group.num_items, outcome.grad_norm
        self._past.append((self._progress.step + 1, outcome.loss, group.num_items, outcome.grad_norm))
        self._items += group.num_items
        self._rows += group.num_rows
        self._tokens += group.num_tokens
        self._slots += group.num_slots
        self._progress.step += 1
        self._progress.rows += group.num_rows
        self._progress.epoch_items += group.num_items
        self._progress.num_overflows += outcome.overflowed

    def read(self) -> float:
        """Bring the sums of all ranks to the host and the progress up to date; returns the last step's mean loss."""
        sums = self._world.sum(torch.stack((self._unread, self._last))).cpu()
        unread, last = float(sums[0]), float(sums[1])
        self._unread.zero_()
        self._progress.epoch_loss += unread
        self._loss += unread
        self._count_time()
        return last / self._last_items

    def _count_time(self) -> None:
        """Bring the progress's times up to date: all of it is the run's, and what is not a pause the epoch's too."""
        now = time.perf_counter()
        self._progress.seconds += now - self._counted
        if self._paused is None:
            self._progress.epoch_seconds += now - self._counted
        self._counted = now

    def past(self) -> list[PastStep]:
        """The latest steps, oldest first; waits for the device."""
        return [PastStep(step, float(loss) / items, float(norm)) for step, loss, items, norm in self._past]

    def step_done(self, limits: Limits, rates: dict[str, float]) -> StepDone:
        """The logged state of training, over the steps since the last call."""
        loss, progress = self.read(), self._progress
        seconds = max(time.perf_counter() - self._started, 1e-9)
        event = StepDone(
            step=progress.step,
            epoch=limits.epoch_at(progress.step),
            loss=loss,
            mean_loss=self._loss / self._items if self._items else 0.0,
            rates=rates,
            grad_norm=float(self._norm),
            rows_per_second=self._rows / seconds,
            tokens_per_second=self._tokens / seconds,
            padding_share=1 - self._tokens / max(1, self._slots),
            num_overflows=progress.num_overflows,
        )
        self._reset()
        return event

    @contextmanager
    def pause(self) -> Generator[None]:
        """Around work that is not training: leave it out of the training speed and the epoch's time."""
        self._count_time()
        self._paused = self._counted
        yield
        self._count_time()
        self._started += self._counted - self._paused
        self._paused = None

    def epoch_loss(self) -> float | None:
        """The mean training loss of the current epoch so far; None before its first step."""
        self.read()
        progress = self._progress
        return progress.epoch_loss / progress.epoch_items if progress.epoch_items else None

    def epoch_done(self, limits: Limits) -> EpochDone:
        """The epoch's mean training loss and time; the sums start anew, but not where the run ends within it."""
        self.read()
        progress, epoch = self._progress, limits.epoch_at(self._progress.step)
        mean = progress.epoch_loss / progress.epoch_items if progress.epoch_items else 0.0
        event = EpochDone(step=progress.step, epoch=epoch, train_loss=mean, seconds=progress.epoch_seconds)
        if limits.epoch_ends(progress.step):
            progress.epoch_loss, progress.epoch_items, progress.epoch_seconds = 0.0, 0.0, 0.0
        return event
