"""`python -m tests.benchmarks.speed.train_frozen`: training the two upper layers; all below them is frozen."""

from __future__ import annotations

from functools import partial

from tests.benchmarks.speed.material import Material
from tests.benchmarks.speed.measuring import Findings, in_turns, ratios, run_benchmark
from tests.benchmarks.speed.ours import forget_prefixes, frozen_patterns, spec_of, train_seconds
from tests.benchmarks.speed.rivals import BEST, Rival
from tests.benchmarks.trainer_setup import quieten

EPOCHS = (3, 10)


def measure(material: Material, rounds: int) -> Findings:
    """Seconds of 3 and of 10 epochs, with nothing stored of the frozen layers, and with all of it."""
    quieten()
    patterns = frozen_patterns(material)
    frozen = f"freeze.patterns=[{', '.join(map(_literal, patterns))}]"
    rival = Rival(material, frozen=patterns)
    train_seconds(spec_of(material, frozen, "train.steps=1"), material.folder / "run")  # also prepares and tokenises
    rival.trainer_seconds(1, max_steps=1)
    seconds: dict[str, list[float]] = {}
    numbers: dict[str, float] = {}
    for epochs in EPOCHS:
        found = in_turns(_contenders(material, rival, frozen, epochs), rounds)
        for state in ("cold", "warm"):
            numbers |= ratios(
                {name: times for name, times in found.items() if "ftcli" not in name or state in name},
                f"ftcli, {state}, {epochs} epochs",
            )
        seconds |= found
    return Findings(seconds, numbers)


def _contenders(material: Material, rival: Rival, frozen: str, epochs: int) -> dict[str, partial[float]]:
    spec = spec_of(material, frozen, f"train.epochs={epochs}")
    ours = partial(train_seconds, spec, material.folder / "run")

    def cold() -> float:
        forget_prefixes(material)
        return ours()

    return {
        f"ftcli, cold, {epochs} epochs": partial(cold),
        f"ftcli, warm, {epochs} epochs": ours,
        f"Trainer at its best, {epochs} epochs": partial(rival.trainer_seconds, epochs, **BEST),
        f"a plain loop, by length, {epochs} epochs": partial(rival.loop_seconds, epochs, by_length=True),
    }


def _literal(pattern: str) -> str:
    """As TOML writes a string in which a backslash is a backslash."""
    return f"'{pattern}'"


if __name__ == "__main__":
    run_benchmark("Fine-tuning the two upper layers", measure, rows=320)
