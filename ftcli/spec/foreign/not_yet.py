"""What other tools do and ftcli should, but does not yet. What is built leaves this table, and gets its keys."""

from __future__ import annotations

NOT_YET = {
    "several validation sets": "A run has one validation split; `ftcli eval --input FILE` scores others afterwards.",
}
"""By topic, a sentence for whoever asks."""
