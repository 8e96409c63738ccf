"""The help screens on a terminal of 80 columns."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Ftcli

COMMANDS = ("prepare", "train", "resume", "prove", "sweep", "eval", "predict", "export", "report", "explain", "schema")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=["ftcli", *COMMANDS])
def test_a_help_screen_fits_and_shows_no_type_where_there_is_no_value(command: tuple[str, ...], ftcli: Ftcli) -> None:
    result = ftcli(*command, "--help")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    assert "<bool>" not in result.out
    options = re.findall(r"--(\w[\w-]*) +(.*?) *│?$", result.out, re.MULTILINE)
    assert ("help", "Show this message and exit.") in options
    assert all(re.match(r"[A-Z]", text) for _, text in options if not text.startswith(("jsonl|", "f1 "))), options


def test_all_commands_are_listed(ftcli: Ftcli) -> None:
    panel = ftcli("--help").out.split("─ Commands ─")[1]
    assert tuple(re.findall(r"^│ (\w+) ", panel, re.MULTILINE)) == COMMANDS


def test_brackets_and_paragraphs_come_out_as_they_were_meant(ftcli: Ftcli) -> None:
    assert "pip install 'ftcli[report]' gives pictures." in ftcli("report", "--help").out
    assert "\n they say; of taggers the scores of each type of entity." in ftcli("eval", "--help").out
