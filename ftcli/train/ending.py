"""How a run ends: why, where, and how to go on."""

from __future__ import annotations

from dataclasses import replace

from ftcli.runtime.interrupt import exit_code_for
from ftcli.runtime.launch import may_restart
from ftcli.train.events import RunFinished
from ftcli.train.memory import peak_memory
from ftcli.train.run import Run


def finished(run: Run, signal: int = 0) -> RunFinished:
    """Why and where the run ends, and how to go on."""
    progress, limits = run.progress, run.limits
    is_done = run.is_over and not progress.owes_evaluation
    early = is_done and progress.step < limits.total_steps
    event = RunFinished(
        step=progress.step,
        total_steps=limits.total_steps,
        reason="patience" if early else "finished" if is_done else "stop_after",
        seconds=progress.seconds,
        best_metric=run.evaluation.best,
        best=progress.best,
        best_step=progress.best_step,
        run_dir=str(run.run_dir.path),
        resume=None if is_done else run.run_dir.resume_command,
        peak_bytes=peak_memory(run.world.device),
    )
    return stopped(run, event, signal) if signal and not is_done else event


def stopped(run: Run, event: RunFinished, signal: int) -> RunFinished:
    """The same end, brought about by a signal."""
    code = 0 if may_restart() else exit_code_for(signal)
    return replace(event, reason="signal", exit_code=code, resume=run.run_dir.resume_command)
