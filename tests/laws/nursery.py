"""ftcli commands in processes of their own that have torch loaded already: forked from one that does nothing else.

So a test can start, kill and resume dozens of runs in the time that a handful of interpreters need to start.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO


class Nursery:
    """A context in which commands can be started, one at a time."""

    def __enter__(self) -> Nursery:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.laws.nursery"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._said_to().close()
        self._hears().close()
        self._process.wait()

    def run(self, *arguments: object, cwd: Path, kill_after_seconds: float | None = None) -> int:
        """A command's exit code, or minus the signal that ended it; what it prints goes to `cwd`/out.txt."""
        order = {"arguments": [str(argument) for argument in arguments], "cwd": str(cwd)}
        self._said_to().write(json.dumps(order).encode() + b"\n")
        self._said_to().flush()
        pid = int(self._hears().readline())
        if kill_after_seconds is not None:
            ended, _, _ = select.select([self._hears()], [], [], kill_after_seconds)
            if not ended:
                os.kill(pid, signal.SIGKILL)
        return int(self._hears().readline())

    def _said_to(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _hears(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout


def serve() -> None:
    """Fork a child for each order on standard input; say its number, and how it ended."""
    import ftcli.flows.train  # noqa: F401 - loaded once, before any fork
    from ftcli.cli.main import run

    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.chdir(order["cwd"])
            output = os.open("out.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for descriptor in (1, 2):
                os.dup2(output, descriptor)
            os._exit(run(order["arguments"]))
        print(pid, flush=True)  # noqa: T201 - this is how it talks
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
