"""`python -m tests.benchmarks.speed.resume_cost`: from asking for a resumed run to the end of its first step."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path

from ftcli.flows.train import resume, train
from ftcli.train.events import StepDone
from tests.benchmarks.speed.clock import now
from tests.benchmarks.speed.material import BATCH, Material
from tests.benchmarks.speed.measuring import Findings, in_turns, ratios, run_benchmark
from tests.benchmarks.speed.ours import spec_of
from tests.benchmarks.speed.rivals import BEST, Rival, UntilFirstStep, saving_at
from tests.benchmarks.trainer_setup import quieten


def measure(material: Material, rounds: int) -> Findings:
    """Seconds until a run that stopped late in its epoch has taken a step: loading, checking, skipping, one step."""
    quieten()
    step = max(1, len(material.rows) // BATCH - 2)
    run, saved = material.folder / "run", material.folder / "saved"
    list(train(spec_of(material, "train.epochs=1", f"train.stop_after={step}", "log.every=1"), run_dir=str(run)))
    rival = Rival(material)
    rival.trainer(**saving_at(saved, step)).train()
    checkpoint = saved / f"checkpoint-{step}"
    contenders = {
        "ftcli": partial(_ours, run),
        "Trainer": partial(_theirs, rival, checkpoint),
        "Trainer, batches by length": partial(_theirs, rival, checkpoint, **BEST),
    }
    seconds = in_turns(contenders, rounds)
    return Findings(seconds, ratios(seconds, "ftcli"), {"resumed_at_step": step})


def _ours(run: Path) -> float:
    started = now()
    with closing(resume(run)) as events:
        next(event for event in events if isinstance(event, StepDone))
        return now() - started


def _theirs(rival: Rival, checkpoint: Path, **arguments: str) -> float:
    watcher = UntilFirstStep()
    started = now()
    rival.trainer(watcher, num_train_epochs=1, **arguments).train(resume_from_checkpoint=str(checkpoint))
    return watcher.at - started


if __name__ == "__main__":
    run_benchmark("Resuming a run late in its epoch", measure, rows=1600)
