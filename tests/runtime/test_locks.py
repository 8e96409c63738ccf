"""Two that want the same work done: one does it while the other waits."""

from __future__ import annotations

from pathlib import Path

from ftcli.runtime.activity import Activity, Working, finish
from ftcli.runtime.locks import WAITING, taking_turns


def test_the_second_waits_until_the_first_is_done(tmp_path: Path) -> None:
    path, done = tmp_path / "data", list[str]()
    path.touch()

    def work(name: str) -> Working[str]:
        yield Activity(name, 1)
        done.append(name)
        return name

    first, second = taking_turns(path, work("first")), taking_turns(path, work("second"))
    assert next(first) == Activity("first", 1)
    assert next(second) is WAITING
    assert next(second) is WAITING
    assert finish(first) == "first"
    assert finish(second) == "second"
    assert done == ["first", "second"]


def test_one_that_fails_or_is_given_up_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.touch()

    def work() -> Working[str]:
        yield Activity("work", 1)
        return "done"

    given_up = taking_turns(path, work())
    next(given_up)
    given_up.close()
    assert finish(taking_turns(path, work())) == "done"
