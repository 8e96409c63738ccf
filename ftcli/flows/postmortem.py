"""postmortem.md: what happened to a failed run, where it can go on from, and what it was looking at."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import cast

from ftcli.errors import FtcliError, NonFiniteError
from ftcli.flows.figures import figure, flat
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.files import write_atomically
from ftcli.runtime.rundir import RunDir
from ftcli.train.assemble import Parts
from ftcli.train.run import Run

_MOST_ROWS = 64
_MOST_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Deceased:
    """A failed run and its error; `parts` and `run` are None where it failed before it had them."""

    error: Exception
    folder: RunDir
    step: int
    resume: str
    parts: Parts | None
    run: Run | None


def write_postmortem(deceased: Deceased) -> None:
    """Write postmortem.md into the run folder."""
    text = "\n".join(_lines(deceased))
    write_atomically(deceased.folder.postmortem, f"{text}\n".encode())


def _lines(it: Deceased) -> Iterator[str]:
    yield f"# Post-mortem of {it.folder.path}"
    yield ""
    yield from _what_happened(it)
    yield from _how_to_go_on(it)
    if isinstance(it.error, NonFiniteError):
        yield from _table("Gradient norms by layer", ("layer", "norm"), _norms(it.error))
    if it.run and it.parts:
        yield from _rows(it.run, it.parts, it.error)
        past = [(str(p.step), figure(p.loss), figure(p.grad_norm)) for p in it.run.meter.past()]
        yield from _table("The steps before it", ("step", "loss", "gradient norm"), past)
    ranks = sorted(it.folder.errors.glob("rank-*.txt"))
    if ranks:
        said = [(path.stem, flat(path.read_text(encoding="utf-8").splitlines()[1])) for path in ranks]
        yield from _table("What each process said (errors/)", ("process", "error"), said)


def _what_happened(it: Deceased) -> Iterator[str]:
    problems = it.error.problems if isinstance(it.error, FtcliError) else ()
    code = it.error.exit_code if isinstance(it.error, FtcliError) else 1
    yield f"After step {it.step}, at {time.strftime('%Y-%m-%d %H:%M:%S %z')}, it ended with exit code {code}:"
    yield ""
    for problem in problems:
        yield f"> {flat(problem.what)}"
        if problem.hint:
            yield f"> help: {flat(problem.hint)}"
    if not problems:
        yield f"> {type(it.error).__name__}: {flat(str(it.error))} (a bug in ftcli)"
    yield ""


def _how_to_go_on(it: Deceased) -> Iterator[str]:
    newest, skipped = CheckpointStore(it.folder, keep=1).newest()
    yield "## How to go on"
    yield ""
    yield f"Last good checkpoint: {newest.path if newest else 'none; it would begin again at step 0'}."
    for reason in skipped:
        yield f"Not usable: {reason}."
    yield ""
    yield "```"
    yield it.resume
    yield "```"
    yield ""


def _norms(error: NonFiniteError) -> list[tuple[str, ...]]:
    return [(layer, figure(norm)) for layer, norm in error.layer_norms.items()]


def _rows(run: Run, parts: Parts, error: Exception) -> Iterator[str]:
    """The rows of the step that was not finished, the suspicious ones alone where they are known."""
    suspicious = error.rows if isinstance(error, NonFiniteError) else ()
    numbers = suspicious or cast("list[int]", run.feed.rows(run.progress.step).tolist())
    listed = [(str(number), text) for number, text in zip(numbers, texts_of(parts, numbers), strict=False)]
    title = "Rows that the loss may have gone wrong in" if suspicious else "The rows of the step"
    more = f" (the first {_MOST_ROWS} of {len(numbers)})" if len(numbers) > _MOST_ROWS else ""
    yield from _table(f"{title}{more}; numbers count from 0", ("row", "text"), listed)


def texts_of(parts: Parts, numbers: Sequence[int]) -> list[str]:
    """The shortened texts and labels of training rows, in the order of `numbers`; of many, the first few."""
    wanted = list(numbers[:_MOST_ROWS])
    columns = parts.prepared.facts.columns
    names = [*columns.texts, *([columns.label] if columns.label else [])]
    with closing(parts.prepared.rows("train")) as rows:
        found = {
            number: " | ".join(flat(str(row.get(name, "")))[:_MOST_CHARACTERS] for name in names)
            for number, row in enumerate(islice(rows, max(wanted, default=-1) + 1))
            if number in set(wanted)
        }
    return [found[number] for number in wanted]


def _table(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield f"## {title}"
    yield ""
    yield f"| {' | '.join(header)} |"
    yield f"| {' | '.join('---' for _ in header)} |"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
