"""`python -m tests.benchmarks.speed.startup`: what a command takes before it does anything, in whole processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from statistics import median

from tests.benchmarks.speed.material import Material
from tests.benchmarks.speed.measuring import Findings, in_turns, run_benchmark, timed

IMPORTS = {
    "prepare": ("ftcli.flows.prepare", "ftcli.cli.profile"),
    "train": ("ftcli.flows.train",),
    "prove": ("ftcli.flows.prove", "ftcli.cli.proof"),
    "eval": ("ftcli.flows.evaluate", "ftcli.cli.results"),
    "predict": ("ftcli.flows.predict",),
    "export": ("ftcli.flows.export",),
}
"""What a command imports once it runs, beside the command line itself."""


def measure(material: Material, rounds: int) -> Findings:
    """Seconds of whole processes, and each as a share of importing torch."""
    mistaken = material.folder / "mistaken.toml"
    mistaken.write_text(material.recipe.read_text().replace("max_length", "max_lenght"))
    _run(0, "-m", "ftcli", "prepare", str(material.recipe))
    ours = {
        "--help": partial(_run, 0, "-m", "ftcli", "--help"),
        "a recipe with a mistake": partial(_run, 2, "-m", "ftcli", "train", str(mistaken)),
        "train --dry-run": partial(_run, 0, "-m", "ftcli", "train", str(material.recipe), "--dry-run"),
    }
    imports = {
        f"what `{command}` imports": partial(_run, 0, "-c", f"import ftcli.cli.app, {', '.join(modules)}")
        for command, modules in IMPORTS.items()
    }
    torch = {
        "import torch": partial(_run, 0, "-c", "import torch"),
        "import transformers' model": partial(_run, 0, "-c", "from transformers import BertModel"),
    }
    seconds = in_turns({**ours, **imports, **torch}, rounds)
    return Findings(seconds, _shares(seconds, "import torch"))


def _shares(seconds: Mapping[str, list[float]], whole: str) -> dict[str, float]:
    """Each as a share of one of them, by the medians."""
    return {
        f"{name}, as a share of {whole}": median(found) / median(seconds[whole])
        for name, found in seconds.items()
        if name != whole
    }


def _run(code: int, *arguments: str) -> float:
    def work() -> None:
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != code:
            raise RuntimeError(done.stderr)

    return timed(work)


if __name__ == "__main__":
    run_benchmark("Starting", measure, rows=320, layers=2)
