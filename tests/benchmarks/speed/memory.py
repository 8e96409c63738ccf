"""`python -m tests.benchmarks.speed.memory`: the peak memory of `ftcli prepare`, few rows against 100 times as many.

`--rows` is the larger number; 3,400,000 takes some minutes and 2 GB of disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

from tests.benchmarks.speed.clock import now
from tests.benchmarks.speed.material import Material, stream_rows
from tests.benchmarks.speed.measuring import Findings, run_benchmark

TIMES = 100
_PEAK = "VmHWM"
_PREPARE = f"""
import pathlib, sys
from ftcli.cli.main import run
code = run(["prepare", sys.argv[1]])
status = pathlib.Path("/proc/self/status").read_text().splitlines()
print(next(line for line in status if line.startswith("{_PEAK}:")))
sys.exit(code)
"""


def measure(material: Material, rounds: int) -> Findings:
    """The peak of resident memory of whole processes that prepare and tokenise, in MB."""
    most = len(material.rows)
    material.rows.clear()
    peaks: dict[int, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for rows in (max(1, most // TIMES), most):
        with material.train_file.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in stream_rows(rows))
        for _ in range(rounds):
            started = now()
            peaks.setdefault(rows, []).append(_peak_mb(material))
            seconds.setdefault(f"ftcli, {rows} rows", []).append(now() - started)
            material.recipe.touch()
    numbers = {f"MB at the peak, {rows} rows": median(found) for rows, found in peaks.items()}
    few, many = numbers.values()
    return Findings(seconds, {**numbers, f"times the memory for {TIMES} times the rows": many / few})


def _peak_mb(material: Material) -> float:
    command = [sys.executable, "-c", _PREPARE, str(material.recipe)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith(_PEAK))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    run_benchmark("Memory of preparing", measure, rows=340_000, layers=1)
