"""A search that is killed, gone on with, and comes to what it would have come to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ftcli

pytestmark = pytest.mark.slow

SEARCH = ("sweep", "tiny.toml", "--search", "optimizer.lr=1e-4..1e-1 log", "--search", "batch.size=8..16")


def search(folder: str, *, trials: int = 3) -> tuple[str, ...]:
    return (*SEARCH, "--trials", str(trials), "--seeds", "1", "--sweep-dir", folder)


def results(folder: str) -> dict[str, Any]:
    return json.loads(Path(folder, "results.json").read_text())


def killed_in_the_second_trial(folder: str) -> list[str]:
    """The lines of a search that is killed when its second run has begun."""
    process = subprocess.Popen([sys.executable, "-m", "ftcli", *search(folder)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = list[str]()
    with process.stderr as stream:
        for line in stream:
            lines.append(line.rstrip("\n"))
            if sum(said.endswith(": begins") for said in lines) == 2:
                process.kill()
                break
    assert process.wait() == -signal.SIGKILL
    return lines


def test_a_killed_search_goes_on_to_the_same_end(project: Path, ftcli: Ftcli) -> None:
    lines = killed_in_the_second_trial("killed")
    assert any(line.startswith("3 runs (3 trials x 1 seed), about ") for line in lines)
    begun = json.loads(Path("killed/trials.json").read_text())
    assert len(begun) == 2
    assert ftcli(*search("killed")).code == 0
    done = ftcli(*search("whole"))
    assert done.code == 0
    assert "Optuna" not in done.err
    assert "[I " not in done.err, "Optuna's own lines stay away"
    trials = json.loads(Path("whole/trials.json").read_text())
    assert (trials[:2], len(trials)) == (begun, 3)
    assert json.loads(Path("killed/trials.json").read_text()) == trials
    ours, others = results("killed"), results("whole")
    assert ours["settings"] == others["settings"]
    assert ours["is_complete"]
    assert (ours["best"], ours["test"]) == (others["best"], others["test"])
    assert done.out.count("test accuracy") == 1
    assert [each["values"]["batch.size"] in range(8, 17) for each in ours["settings"]] == [True] * 3

    before = {path: path.stat().st_mtime_ns for path in Path("whole/runs").glob("*/run.json")}
    more = ftcli(*search("whole", trials=4))
    assert more.code == 0
    assert "; 3 are finished already" in more.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(results("whole")["settings"]) == 4
