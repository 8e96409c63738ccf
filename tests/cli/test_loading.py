"""What a command shows while it imports torch, which takes seconds."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.terminal import on_terminal

COMMAND = (sys.executable, "-m", "ftcli", "eval", "--ckpt", "none")


def test_on_a_terminal_the_first_seconds_are_accounted_for() -> None:
    process, chunks = on_terminal(COMMAND)
    output = "".join(chunks)
    assert process.wait() == 6
    assert output.index("loading torch") < output.index("error[")
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")


def test_elsewhere_nothing_is_said_of_it() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("error[checkpoint]: no such checkpoint: none\n")
