"""`python -m tests.benchmarks.speed.train_full`: training a whole model, dropout as the model has it."""

from __future__ import annotations

from functools import partial

from tests.benchmarks.speed.material import Material
from tests.benchmarks.speed.measuring import Findings, in_turns, ratios, run_benchmark
from tests.benchmarks.speed.ours import spec_of, train_seconds
from tests.benchmarks.speed.rivals import BEST, Rival
from tests.benchmarks.trainer_setup import quieten

EPOCHS = 1


def measure(material: Material, rounds: int) -> Findings:
    """Seconds of an epoch."""
    quieten()
    run, rival = material.folder / "run", Rival(material)
    train_seconds(spec_of(material, "train.steps=1"), run)  # also prepares and tokenises
    rival.trainer_seconds(EPOCHS, max_steps=1)
    contenders = {
        "ftcli": partial(train_seconds, spec_of(material, f"train.epochs={EPOCHS}"), run),
        "Trainer": partial(rival.trainer_seconds, EPOCHS),
        "Trainer at its best": partial(rival.trainer_seconds, EPOCHS, **BEST),
        "a plain loop": partial(rival.loop_seconds, EPOCHS, by_length=False),
    }
    seconds = in_turns(contenders, rounds)
    return Findings(seconds, ratios(seconds, "ftcli"), {"epochs": EPOCHS})


if __name__ == "__main__":
    run_benchmark("Full fine-tuning", measure, rows=1600)
