"""What transformers and the hub have to say reaches the user as our errors and notes, not as lines of their own."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from transformers.utils import logging as transformers_logging


def quieten() -> None:
    """Silence their logs and bars, which would tear the live screen."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)


@contextmanager
def silenced(*names: str) -> Generator[None]:
    """Within the block, loggers of these names say nothing below an error."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
