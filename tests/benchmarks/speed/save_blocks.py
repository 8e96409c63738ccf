"""`python -m tests.benchmarks.speed.save_blocks`: how long a save holds up the loop."""

from __future__ import annotations

from statistics import median

from ftcli.train.loop import fit
from ftcli.train.run import Run
from ftcli.train.snapshot import take_snapshot
from ftcli.train.step import train_step
from tests.benchmarks.speed.clock import now
from tests.benchmarks.speed.material import Material
from tests.benchmarks.speed.measuring import Findings, run_benchmark, timed
from tests.benchmarks.speed.ours import live_run, spec_of

STEPS_BESIDE = 4
_STEPS = 2


def measure(material: Material, rounds: int) -> Findings:
    """Seconds until the loop goes on, until the checkpoint is whole, and what steps beside a save take longer."""
    run = live_run(spec_of(material, f"train.steps={_STEPS}"), material.folder / "run")
    run.run_dir.claim()
    list(fit(run))  # so that the optimizer has its state
    blocked, whole, alone, beside = list[float](), list[float](), list[float](), list[float]()
    for _ in range(rounds):
        alone.append(timed(lambda: _take_steps(run)))
        waited, written = _save(run)
        blocked.append(waited)
        whole.append(written)
        _begin(run)
        beside.append(timed(lambda: _take_steps(run)))
        list(run.saver.settle())
    seconds = {
        "a save holds up the loop": blocked,
        "a save that is waited for": whole,
        f"{STEPS_BESIDE} steps": alone,
        f"{STEPS_BESIDE} steps beside a save": beside,
    }
    longer = median(beside) - median(alone)
    numbers = {
        "share of a save that the loop waits for": median(blocked) / median(whole),
        "share of a save that steps take longer": max(0.0, longer) / median(whole),
    }
    return Findings(seconds, numbers)


def _save(run: Run) -> tuple[float, float]:
    """Seconds until the loop could go on, and until everything was on disk."""
    started = now()
    _begin(run)
    waited = now() - started
    list(run.saver.settle())
    return waited, now() - started


def _begin(run: Run) -> None:
    list(run.saver.begin(take_snapshot(run), facts={}, is_best=False, was_scored=False))


def _take_steps(run: Run) -> None:
    for step in range(STEPS_BESIDE):
        train_step(run, run.feed.group(step % run.feed.steps_per_epoch))


if __name__ == "__main__":
    run_benchmark("Saving beside the loop", measure, rows=128)
