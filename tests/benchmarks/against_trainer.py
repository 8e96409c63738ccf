"""`python -m tests.benchmarks.against_trainer`: transformers' Trainer and ftcli put through the same experiments.

Prints one table in Markdown. Every cell is measured in this run, on a tiny encoder and rows that are made on the spot;
nothing is downloaded. `--json FILE` also writes the cells as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir
from importlib.metadata import version
from pathlib import Path

from ftcli import __version__
from ftcli.errors import FtcliError
from tests.benchmarks.experiments import (
    RATE_FACTOR,
    SCORED_ROWS,
    Damage,
    Frozen,
    OtherCut,
    OtherRate,
    Resumed,
    Side,
    Steps,
    TwoRanks,
    Unfrozen,
    lay_out,
)
from tests.benchmarks.ours import Ours
from tests.benchmarks.trainer import TransformersTrainer
from tests.benchmarks.trainer_setup import quieten


def step_words(steps: Steps) -> str:
    direction = "" if steps.whole.gradient is None else f", cosine {steps.cosine:.3f}"
    return f"gradient norm {steps.norm_ratio:.2f}×{direction}; loss {steps.loss_ratio:.2f}×"


def scoring_words(found: TwoRanks) -> str:
    order = "in order" if found.in_order else "not in order"
    return f"loss {found.evaluation_loss_ratio:.2f}×; {found.rows} of {len(SCORED_ROWS)} rows predicted, {order}"


def resumed_words(found: Resumed) -> str:
    if found.error is not None:
        return f"`{found.error}`, nothing is trained"
    verb = "goes on from" if found.from_step == found.newest_step else "falls back to"
    said = "with a warning" if found.warnings else "no warning"
    return f"{verb} step {found.from_step}, {said}; ends {'bit-equal' if found.same_bits else 'with other weights'}"


def frozen_words(found: Frozen) -> str:
    return f"{found.active_dropouts} of {found.dropouts} dropouts active; {found.tensors_with_state} tensors with state"


def unfrozen_words(found: Unfrozen) -> str:
    return f"largest change of its weights afterwards: {found.after:.2g}"


def rate_words(found: OtherRate) -> str:
    return f"next step's rate {found.found:.2f}×"


def cut_words(found: OtherCut) -> str:
    return f"{found.steps} further steps with {found.rows} rows; ends after epoch {found.epochs:.2f} of 2"


def experiments() -> Iterator[tuple[str, Callable[[Side], str]]]:
    """What is done, and how a side's cell of the table comes about."""
    yield "one step of 32 rows, cut 8 × 4 against whole", lambda side: step_words(side.accumulation())
    yield "the same with a loss over tokens, unequally many a row", lambda side: step_words(side.uneven_items())
    yield "one step of 32 rows, two processes against one", lambda side: step_words(side.two_ranks.steps)
    yield "the same, evaluated before it trains", lambda side: step_words(side.two_ranks.steps_after_scoring)
    yield "scoring 21 rows, two processes against one", lambda side: scoring_words(side.two_ranks)
    yield "stopped in mid-epoch and resumed, dropout on", lambda side: resumed_words(side.resumed())
    yield "the same, batches sorted by length", lambda side: resumed_words(side.resumed(sorted_by_length=True))
    for damage in Damage:
        title = f"resumed, newest checkpoint: {damage.value}"
        yield title, lambda side, damage=damage: resumed_words(side.damaged(damage))
    yield "a step with a frozen backbone", lambda side: frozen_words(side.frozen())
    yield "backbone unfrozen after step 2", lambda side: unfrozen_words(side.unfrozen())
    yield f"resumed with {RATE_FACTOR:.0f} × the learning rate", lambda side: rate_words(side.other_rate())
    yield "resumed with twice the accumulation", lambda side: cut_words(side.other_cut())


def measured(folder: Path) -> Iterator[dict[str, str]]:
    """One row of the table after another, as its experiment is done."""
    theirs, ours = TransformersTrainer(_new(folder / "trainer")), Ours(_new(folder / "ftcli"))
    for title, words in experiments():
        yield {"experiment": title, "trainer": _cell(words, theirs), "ftcli": _cell(words, ours)}


def _cell(words: Callable[[Side], str], side: Side) -> str:
    with chdir(side.folder):
        try:
            return words(side)
        except FtcliError as refusal:
            return f"refused: `{type(refusal).__name__}`"


def _new(folder: Path) -> Path:
    folder.mkdir()
    return lay_out(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="transformers' Trainer and ftcli, experiment by experiment")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the cells as JSON too")
    output: Path | None = parser.parse_args().json
    quieten()
    versions = {name: version(name) for name in ("transformers", "accelerate", "torch")} | {"ftcli": __version__}
    show = sys.stdout.write
    show(f"| experiment | Trainer (transformers {versions['transformers']}) | ftcli |\n| --- | --- | --- |\n")
    rows: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for row in measured(Path(folder)):
            show(f"| {' | '.join(row.values())} |\n")
            rows.append(row)
    show(f"\nMeasured on a CPU with {', '.join(f'{name} {number}' for name, number in versions.items())}.\n")
    if output is not None:
        output.write_text(json.dumps({"versions": versions, "rows": rows}, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
