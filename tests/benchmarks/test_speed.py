"""The speed benchmarks still run; how fast anything is, they are not asked here."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.benchmarks.speed.material import gather
from tests.benchmarks.speed.measuring import Measure

IN_THIS_PROCESS = ("train_full", "train_frozen", "resume_cost", "prepare", "predict", "save_blocks", "matmul_share")


@pytest.mark.parametrize("name", IN_THIS_PROCESS)
def test_a_benchmark_measures_on_a_handful_of_rows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "prepare" and find_spec("datasets") is None:
        pytest.skip("datasets is not installed")
    monkeypatch.chdir(tmp_path)
    measure: Measure = import_module(f"tests.benchmarks.speed.{name}").measure
    findings = measure(gather(tmp_path, "generated", rows=80, layers=3, size=32), 1)
    assert all(len(seconds) == 1 and seconds[0] > 0 for seconds in findings.seconds.values())
    assert all(number >= 0 for number in findings.numbers.values())
    assert findings.numbers


def test_real_rows_are_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FTCLI_REAL_DATA", raising=False)
    with pytest.raises(LookupError, match="afqmc needs FTCLI_REAL_DATA"):
        gather(tmp_path, "afqmc", rows=1)
