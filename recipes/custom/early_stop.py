"""A run is a generator of events, so a callback is a loop: stop early by a score of one's own, and tell a webhook.

    python recipes/custom/early_stop.py recipes/custom/bilstm.toml [http://localhost:8000/hook]
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

from ftcli.flows.train import train
from ftcli.spec.recipe import load_recipe
from ftcli.train.events import CheckpointSaved, Evaluated, RunFinished, RunStarted, as_record

PATIENCE = 2
"""Evaluations without a better score after which the run ends; the best checkpoint is kept."""


def score(event: Evaluated) -> float:
    """The mean of all metrics, less a tenth of the loss: whatever you like."""
    return sum(event.metrics.values()) / len(event.metrics) - 0.1 * (event.loss or 0.0)


def tell(address: str, record: dict[str, object]) -> None:
    """Post a record as JSON. Training waits for it, five seconds at most; that it fails is no reason to stop."""
    try:
        request = urllib.request.Request(address, json.dumps(record).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=5).close()
    except Exception as error:
        print(f"the webhook did not take it: {error}", file=sys.stderr)


def main(recipe: str, webhook: str | None = None, *settings: str) -> None:
    """Train a recipe, changed by `settings` (`section.key=value` each)."""
    is_main = os.environ.get("RANK", "0") == "0"  # under torchrun every process sees the same events, and stops alike
    best, waited = float("-inf"), 0
    with closing(train(load_recipe(Path(recipe), settings).spec)) as events:
        for event in events:
            if webhook and is_main and isinstance(event, RunStarted | Evaluated | CheckpointSaved | RunFinished):
                tell(webhook, as_record(event))
            if isinstance(event, Evaluated) and event.split == "validation":
                best, waited = (score(event), 0) if score(event) > best else (best, waited + 1)
            if waited == PATIENCE:
                if is_main:
                    print(f"no better score than {best:.4f} for {PATIENCE} evaluations: stopped after step {event.step}")
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
