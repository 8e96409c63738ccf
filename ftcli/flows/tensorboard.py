"""A run's numbers for TensorBoard, where the recipe asks for them and the package is there."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cached_property
from typing import Protocol, cast

from ftcli.errors import RecipeError
from ftcli.runtime.rundir import RunDir
from ftcli.train.events import RunEvent, scalars_of

_FLUSH_SECONDS = 10


class _Writer(Protocol):
    """What is used of torch.utils.tensorboard.SummaryWriter, which has no types."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...

    def close(self) -> None: ...


def check_installed(package: str = "tensorboard") -> None:
    """Raise RecipeError unless what writes TensorBoard's files is here."""
    if importlib.util.find_spec(package) is None:
        hint = "install it: pip install 'ftcli[tensorboard]'; or leave `log.tensorboard` out"
        raise RecipeError(f"`log.tensorboard` needs the package {package}", hint=hint, key=("log", "tensorboard"))


class Board:
    """Writes the numbers of events under RUN/tensorboard as they come, from the step that a run goes on from."""

    def __init__(self, run_dir: RunDir, *, step: int) -> None:
        self._run_dir = run_dir
        # What an earlier launch has written of later steps is void.
        self._purge_step = step + 1 if step else None

    @cached_property
    def _writer(self) -> _Writer:
        """Made with the first number, for it makes files."""
        from torch.utils import tensorboard

        build = cast("Callable[..., _Writer]", tensorboard.SummaryWriter)  # pyright: ignore[reportPrivateImportUsage]
        return build(str(self._run_dir.tensorboard), purge_step=self._purge_step, flush_secs=_FLUSH_SECONDS)

    def write(self, event: RunEvent) -> None:
        """Write an event's numbers, if it has any."""
        for name, value in scalars_of(event).items():
            self._writer.add_scalar(name, value, event.step)

    def close(self) -> None:
        """Bring everything to disk."""
        if "_writer" in vars(self):
            self._writer.close()


def open_board(run_dir: RunDir, *, step: int, wanted: bool, writes: bool) -> Board | None:
    """A board on the rank that writes, if one is wanted.

    Raises:
        RecipeError: on all ranks, if it can't be had.
    """
    if wanted:
        check_installed()
    return Board(run_dir, step=step) if wanted and writes else None
