"""Measuring in turns, and what a benchmark says: medians, ratios, the machine and the versions."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.benchmarks.speed import clock
from tests.benchmarks.speed.clock import now
from tests.benchmarks.speed.material import SOURCES, Material, gather

LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "accelerate")
MISSING_INPUT = 77
"""The exit code of what can't be measured here, as test harnesses have it."""

Contender = Callable[[], float]
"""Does the work once; returns its seconds."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was measured: seconds of each contender, round by round, and what follows from them by name."""

    seconds: Mapping[str, Sequence[float]]
    numbers: Mapping[str, float]
    settings: Mapping[str, str | int | float] = field(default_factory=dict[str, "str | int | float"])


Measure = Callable[[Material, int], Findings]
"""A benchmark: measures on the material, in so many rounds, within the working directory."""


def timed(work: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    started = now()
    work()
    return now() - started


def in_turns(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """The seconds of each contender in each round: A B A B, so that a busy spell of the machine meets all."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            seconds[name].append(contender())
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], ours: str, *, unit: str = "times as fast as") -> dict[str, float]:
    """How many times as long as `ours` each other contender takes, by the medians."""
    own = median(seconds[ours])
    return {f"{ours} is {unit} {name}": median(found) / own for name, found in seconds.items() if name != ours}


def machine() -> dict[str, str | int | float | None]:
    """What the numbers were measured on."""
    cpu = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    return {
        "system": platform.platform(),
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "clock": clock.name(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Python, ftcli and the libraries that are installed."""
    found = {name: version(name) for name in LIBRARIES if importlib.util.find_spec(name)}
    return {"python": platform.python_version(), "ftcli": version("ftcli"), **found}


def run_benchmark(title: str, measure: Measure, *, rows: int, layers: int = 6, size: int = 384) -> None:
    """The command line of a benchmark.

    Args:
        title: What it measures.
        measure: Measures it.
        rows: How many rows, unless asked for otherwise.
        layers: The depth of the encoder that is made where no real one is used.
        size: Its width.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--rows", type=int, default=rows, help=f"rows of data ({rows})")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (3)")
    parser.add_argument("--data", choices=SOURCES, default=SOURCES[0], help="where rows come from")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what models train on (cpu)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured as JSON too")
    options = parser.parse_args()
    about = machine()
    # Where batches are tokenised by all cores is a matter of this variable, not of who calls the tokenizer.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    output: Path | None = options.json and options.json.resolve()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        try:
            material = gather(
                Path(folder), options.data, rows=options.rows, layers=layers, size=size, device=options.device
            )
        except LookupError as missing:
            sys.stderr.write(f"skipped: {missing.args[0]}\n")
            sys.exit(MISSING_INPUT)
        findings = measure(material, options.rounds)
    settings = {
        "rows": options.rows,
        "data": options.data,
        "device": options.device,
        "model": material.model_name,
        **findings.settings,
    }
    _show(title, findings, settings)
    if output is not None:
        found = {**asdict(findings), "settings": settings, "machine": about, "versions": versions()}
        output.write_text(json.dumps({"benchmark": title, **found}, ensure_ascii=False, indent=2) + "\n")


def _show(title: str, findings: Findings, settings: Mapping[str, str | int | float]) -> None:
    say = sys.stdout.write
    say(f"{title}\n  {', '.join(f'{name} {value}' for name, value in settings.items())}\n")
    for name, seconds in findings.seconds.items():
        say(f"  {median(seconds):9.3f} s  {name}  ({' '.join(f'{one:.3f}' for one in seconds)})\n")
    for name, number in findings.numbers.items():
        say(f"  {number:9.3f}    {name}\n")
    say(f"  {machine()}\n  {versions()}\n")
