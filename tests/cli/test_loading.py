"""What a command shows while it imports torch, which takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.errors import flip
from tests.cli.terminal import on_terminal


def command(checkpoint: Path) -> tuple[str, ...]:
    """One that fails only once torch is there: the checkpoint's card is sound, its weights are not."""
    flip(checkpoint / "model.safetensors")
    return (sys.executable, "-m", "ftcli", "eval", "--ckpt", str(checkpoint))


def test_on_a_terminal_the_first_seconds_are_accounted_for(copied: Path) -> None:
    process, chunks = on_terminal(command(copied / "best"))
    output = "".join(chunks)
    assert process.wait() == 6
    assert output.index("loading torch") < output.index("error[")
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")


def test_elsewhere_nothing_is_said_of_it(copied: Path) -> None:
    done = subprocess.run(command(copied / "best"), capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"error[checkpoint]: checkpoint {copied / 'best'} is damaged: ")
