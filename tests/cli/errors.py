"""What tests of errors share. An error has a text, a place, a way out and an exit code, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Result

COMMANDS = {"eval": ["eval"], "predict": ["predict", "--input", "test.jsonl"], "export": ["export"]}
on_every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


def refused(result: Result, code: int) -> str:
    """The error that a command ended with; there is nothing on stdout, and no traceback."""
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "bug:" not in result.err
    return result.err[result.err.index("error[") :]


def recipe(*changes: tuple[str, str], extra: str = "") -> str:
    """`tiny.toml` with some text replaced and some added, as `a.toml`."""
    text = Path("tiny.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("a.toml").write_text(text + extra)
    return "a.toml"


def line_of(text: str, file: str = "a.toml") -> int:
    """The number of the first line that holds `text`."""
    return next(n for n, line in enumerate(Path(file).read_text().splitlines(), start=1) if text in line)


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
