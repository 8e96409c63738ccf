"""A run of a sweep in a process of its own: started, asked to stop, and how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from ftcli.flows.sweeping.plan import PlannedRun
from ftcli.runtime.tether import Tether

_FIRST_WORDS = ("error", "bug")


@dataclass(frozen=True, slots=True)
class Shop:
    """What the runs of a sweep share: the tether they are on, the lock they hold, and the machine.

    `jobs` is how many of them run at a time, `lock` the descriptor of a locked file: it stays locked until the last of
    them has ended. Their output is kept in `logs`.
    """

    recipe: Path
    logs: Path
    tether: Tether
    lock: int
    jobs: int

    def start(self, run: PlannedRun, *, slot: int) -> RunProcess:
        """Start a run, or go on with one that has begun; `slot` is its place among those that run at a time.

        Raises:
            OSError: there is no room for another process, or for its log.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{run.name}.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self._command(run),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self._environment(slot),
                pass_fds=(self.tether.watched, self.lock),
                start_new_session=True,  # Ctrl-C is for the sweep, which asks its runs once
            )
        return RunProcess(process, log)

    def _command(self, run: PlannedRun) -> list[str]:
        ftcli = [sys.executable, "-m", "ftcli"]
        if run.folder.recipe.is_file():
            return [*ftcli, "resume", str(run.folder.path)]
        settings = [word for option in run.options for word in ("--set", option)]
        return [*ftcli, "train", str(self.recipe), *settings, "--run-dir", str(run.folder.path)]

    def _environment(self, slot: int) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
        threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self.jobs))} if self.jobs > 1 else {}
        return {**threads, **plain, "NO_COLOR": "1", **gpu_of(slot), **self.tether.variables}


def gpu_of(slot: int) -> dict[str, str]:
    """One of several GPUs for each of the runs that run at a time."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = (
        [name for name in given.split(",") if name] if given is not None else map(str, range(torch.cuda.device_count()))
    )
    names = list(gpus)
    return {"CUDA_VISIBLE_DEVICES": names[slot % len(names)]} if len(names) > 1 else {}


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A run's process, and the file with what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.process.poll()

    def ask_to_stop(self) -> None:
        """Ask it to save and stop; asked once more, it ends at once."""
        self.process.terminate()

    def end(self) -> None:
        """Ask it to stop and wait until it has."""
        self.ask_to_stop()
        self.process.wait()

    def error(self) -> str:
        """What went wrong, in one line."""
        lines = [line.strip() for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()]
        told = [line for line in lines if line.startswith(_FIRST_WORDS)] or [line for line in lines if line][-1:]
        code = self.process.returncode
        if code >= 0:
            return told[0] if told else f"it ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"ended by {name}" + (", as the system does where memory runs out" if code == -signal.SIGKILL else "")
