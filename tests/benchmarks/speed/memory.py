"""`python -m tests.benchmarks.speed.memory`: the peak memory of commands, few rows against 100 times as many.

They are `ftcli prepare`, 200 steps of `ftcli train`, and `ftcli predict` of the training rows. `--rows` is the larger
number; 20,000,000 takes 15 GB of disk and, on one core, some hours. The encoder is tiny, so that rows are what counts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.speed.clock import now
from tests.benchmarks.speed.material import Material, stream_rows
from tests.benchmarks.speed.measuring import Findings, run_benchmark

TIMES = 100
STEPS = 200
_PEAK = "VmHWM"
_COMMAND = f"""
import pathlib, sys
from ftcli.cli.main import run
code = run(sys.argv[1:])
status = pathlib.Path("/proc/self/status").read_text().splitlines()
print(next(line for line in status if line.startswith("{_PEAK}:")))
sys.exit(code)
"""


def measure(material: Material, rounds: int) -> Findings:
    """The highest peak of resident memory of each command's process over some rounds, in MB."""
    peaks: dict[str, dict[int, float]] = {}
    seconds: dict[str, list[float]] = {}
    most = material.num_rows
    for rows in (max(1, most // TIMES), most):
        with material.train_file.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in stream_rows(rows))
        for _ in range(rounds):
            material.recipe.touch()
            for name, command in _commands(material):
                started = now()
                peak = _peak_mb(command)
                seconds.setdefault(f"ftcli {name}, {rows} rows", []).append(now() - started)
                found = peaks.setdefault(name, {})
                found[rows] = max(found.get(rows, 0), peak)
    each = {f"MB at the peak of {name}, {rows} rows": mb for name, found in peaks.items() for rows, mb in found.items()}
    more = {
        f"MB more of {name} for {TIMES} times the rows": max(f.values()) - min(f.values()) for name, f in peaks.items()
    }
    return Findings(seconds, {**each, **more})


def _commands(material: Material) -> Iterator[tuple[str, list[str]]]:
    """The commands, each on what the one before has made; what an earlier round has left is thrown away."""
    run, output = material.folder / "run", material.folder / "predicted.jsonl"
    shutil.rmtree(run, ignore_errors=True)
    output.unlink(missing_ok=True)
    yield "prepare", ["prepare", str(material.recipe), "--force"]
    yield "train", ["train", str(material.recipe), "--run-dir", str(run), "--set", f"train.steps={STEPS}"]
    inputs = ["--input", str(material.train_file), "--output", str(output)]
    yield "predict", ["predict", "--ckpt", str(run / "best"), *inputs]


def _peak_mb(command: list[str]) -> float:
    done = subprocess.run([sys.executable, "-c", _COMMAND, *command], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith(_PEAK))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    run_benchmark("Memory and rows", measure, rows=340_000, layers=1, size=32)
