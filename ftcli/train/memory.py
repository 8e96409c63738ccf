"""Running out of memory, in words."""

from __future__ import annotations

import resource
import sys
from collections.abc import Generator
from contextlib import contextmanager

import torch

from ftcli.errors import OutOfMemoryError

MICRO_HINT = (
    "lower batch.micro_size or batch.max_tokens: the step keeps its rows, only in smaller pieces"
    ' (batch.micro_size = "auto" does so by itself)'
)


SPLIT_HINT = (
    "lower batch.micro_size or batch.max_tokens, and resume: processes that split weights meet in every layer,"
    " so none can try again alone"
)
STATE_HINT = "freeze more of the model (freeze.patterns), or take a smaller one"


class UnsharedMemoryError(OutOfMemoryError):
    """Out of memory in the micro-batch whose gradients meet those of the other ranks: they can't be told any more."""


@contextmanager
def out_of_memory_at(what: str, hint: str) -> Generator[None]:
    """Say what did not fit when torch runs out of memory in the block; the CPU's allocator has no error type for it.

    Raises:
        OutOfMemoryError: memory ran out.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            reason = str(error).splitlines()[0]
            raise OutOfMemoryError(f"{what} does not fit into memory: {reason}", hint=hint) from error
        raise


def peak_memory(device: torch.device) -> int:
    """The most bytes this process has held at once: of a GPU's memory where it computes on one, else of the host's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # everywhere but there it is in KiB
