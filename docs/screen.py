"""Draws the live screen of a run as it stood after a step, from the run's log alone: the same log, the same picture.

ftcli train recipes/quickstart.toml
python docs/screen.py run --step 185 --output docs/screen.svg
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ftcli.cli.rows import row_of
from ftcli.cli.view import State, after, view
from ftcli.flows.reporting.story import event_of
from ftcli.runtime.journal import Journal
from ftcli.train.events import RunEvent

WIDTH, HEIGHT = 100, 26


def events(run: Path, last_step: int) -> Iterator[tuple[RunEvent, float]]:
    """The events of a run up to a step, each with its time in Unix seconds, and with paths seen from beside the run."""
    here = f"{run.resolve().parent}/"
    for record in Journal(run / "log.jsonl").records():
        event = event_of(json.loads(json.dumps(record).replace(here, "")))
        if event is not None and event.step <= last_step:
            yield event, record["time"]


def picture(run: Path, last_step: int, title: str) -> str:
    """The screen as SVG."""
    console = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor")
    state, now = State(), 0.0
    console.print(Text.assemble(("$ ", "dim"), title))
    for event, now in events(run, last_step):
        state = after(state, event, now)
        row = row_of(event, started=state.started, width=WIDTH)
        if row is not None:
            console.print(row, highlight=False)
    console.print(view(state, now=now, width=WIDTH, height=HEIGHT), highlight=False)
    return console.export_svg(title="ftcli", unique_id="screen")


def main() -> None:
    """Write the picture that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--step", type=int, required=True)
    parser.add_argument("--title", default="ftcli train recipes/quickstart.toml")
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    asked.output.write_text(picture(asked.run, asked.step, asked.title), encoding="utf-8")


if __name__ == "__main__":
    main()
