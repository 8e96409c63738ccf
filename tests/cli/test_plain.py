"""What is shown where there is no terminal: one plain line an event."""

from __future__ import annotations

import pytest

from ftcli.runtime.activity import Activity
from ftcli.runtime.locks import WAITING
from ftcli.train.events import Noted
from tests.cli.story import whole_run
from tests.cli.terminal import drawn, plain


def test_without_a_terminal_each_event_is_one_plain_line() -> None:
    events = list(whole_run())
    output = plain(events)
    lined = [event for event in events if not isinstance(event, Activity) or event.done == event.total]
    assert output.count("\n") == len(lined)
    assert "\x1b" not in output
    assert "\r" not in output
    assert "step 450/450  epoch 3.00  loss 0.5000" in output
    assert max(map(len, output.splitlines())) > 80


def test_without_a_terminal_an_activity_that_ends_twice_is_one_line() -> None:
    assert plain([Activity("read", 5, 5), Activity("read", 5, 5)]) == "read: 5 rows\n"


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert drawn([Noted(1, "look")]).lines == ["look"]


def test_other_ranks_are_silent() -> None:
    assert plain(whole_run(), is_main=False) == ""


def test_without_a_terminal_long_work_gives_a_sign_of_life_twice_a_minute() -> None:
    events = [Activity("tokenize train", done, 900) for done in range(0, 901, 100)]
    assert plain(events, seconds=12).splitlines() == [
        "tokenize train: 300/900 rows so far",
        "tokenize train: 600/900 rows so far",
        "tokenize train: 900 rows",
    ]
    assert plain(events, seconds=1) == "tokenize train: 900 rows\n"


def test_without_a_terminal_waiting_is_told_at_once_and_now_and_then() -> None:
    assert plain([WAITING] * 5, seconds=12).splitlines() == [WAITING.name, WAITING.name]
