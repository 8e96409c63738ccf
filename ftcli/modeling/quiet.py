"""What transformers and the hub have to say reaches the user as our errors and notes, not as lines of their own."""

from __future__ import annotations

import logging

from transformers.utils import logging as transformers_logging


def quieten() -> None:
    """Silence their logs and bars, which would tear the live screen."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
