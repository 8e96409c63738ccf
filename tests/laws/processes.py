"""Runs in processes of their own, watched line by line, whose ranks can be sent signals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path


class Launch:
    """A running command. `lines` is what its stderr has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def wait_for(self, beginning: str) -> None:
        """Read on until a line begins so."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if line.startswith(beginning):
                return
        raise AssertionError(f"no line begins with {beginning!r}:\n{''.join(self.lines)}")

    def finish(self, timeout_seconds: float = 120) -> int:
        """Read to the end; the exit code."""
        _, rest = self.process.communicate(timeout=timeout_seconds)
        self.lines += rest.splitlines(keepends=True)
        return self.process.returncode

    @property
    def said(self) -> str:
        """All of stderr so far."""
        return "".join(self.lines)

    def signal_rank(self, rank: int, number: int) -> None:
        """Send a signal to one rank of a torchrun launch."""
        os.kill(self._pid_of(rank), number)

    def _pid_of(self, rank: int) -> int:
        wanted = {f"RANK={rank}".encode(), f"TORCHELASTIC_RESTART_COUNT={self._restarts()}".encode()}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _parent(folder) == self.process.pid and wanted <= _environment(folder):
                return int(folder.name)
        raise AssertionError(f"no process of rank {rank}")

    def _restarts(self) -> int:
        counts = [
            int(entry.split(b"=")[1])
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and _parent(folder) == self.process.pid
            for entry in _environment(folder)
            if entry.startswith(b"TORCHELASTIC_RESTART_COUNT=")
        ]
        return max(counts)


def _parent(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return None


def _environment(folder: Path) -> set[bytes]:
    try:
        return set((folder / "environ").read_bytes().split(b"\0"))
    except OSError:
        return set()


@contextmanager
def launched(*arguments: object, cwd: Path, ranks: int = 1, torchrun: Sequence[str] = ()) -> Generator[Launch]:
    """Start a command, under torchrun where there are several ranks; it is killed if it outlives the block."""
    launcher = [sys.executable, "-m", "ftcli"]
    if ranks > 1:
        rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", *torchrun]
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), *rendezvous]
        launcher += ["-m", "ftcli"]
    command = [*launcher, *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=cwd)
    try:
        yield Launch(process)
    finally:
        process.kill()
        process.communicate()
