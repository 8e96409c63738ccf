from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ftcli.runtime.interrupt import Interrupt, exit_code_for, listening

ASKING = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_is_taken_note_of_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in ASKING]
    interrupt = Interrupt()
    with listening(interrupt):
        assert interrupt.requested == 0
        signal.raise_signal(number)
        assert interrupt.requested == number
        assert [signal.getsignal(each) for each in ASKING] == [
            signal.default_int_handler,
            signal.SIG_DFL,
            signal.SIG_DFL,
        ]
    assert [signal.getsignal(each) for each in ASKING] == before


def test_the_handlers_come_back_after_an_error_too() -> None:
    before = [signal.getsignal(each) for each in ASKING]
    with pytest.raises(ValueError, match="inside"), listening(Interrupt()):
        raise ValueError("inside")
    assert [signal.getsignal(each) for each in ASKING] == before


@pytest.mark.parametrize("second", ASKING)
def test_a_second_signal_ends_the_process_at_once(second: signal.Signals) -> None:
    code = f"""
import signal
from ftcli.runtime.interrupt import Interrupt, listening
interrupt = Interrupt()
with listening(interrupt):
    signal.raise_signal(signal.SIGTERM)
    print(int(interrupt.requested), flush=True)
    signal.raise_signal({int(second)})
    print("still here", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == f"{int(signal.SIGTERM)}\n"
    assert done.returncode == -second


def test_exit_codes_are_those_of_shells() -> None:
    assert [exit_code_for(number) for number in ASKING] == [130, 143, 143]
