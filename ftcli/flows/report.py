"""`ftcli report`: a run on one page, or several side by side, from what is in their folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ftcli.errors import UsageError
from ftcli.flows.reporting.comparison import comparison, names_of
from ftcli.flows.reporting.curves import shared_scales
from ftcli.flows.reporting.html import folded, section
from ftcli.flows.reporting.outcomes import Outcome, read_outcome
from ftcli.flows.reporting.page import body_of, page
from ftcli.flows.reporting.story import Story, read_story
from ftcli.runtime.files import write_atomically
from ftcli.runtime.rundir import RunDir
from ftcli.train.card import read_card
from ftcli.train.events import RunFinished


def report(runs: Sequence[Path], *, output: Path | None = None) -> Path:
    """Make the page of a run, or of several.

    Args:
        runs: Run folders.
        output: The file to write; RUN/report.html of a single run if not given.

    Raises:
        CheckpointError: one of them is no run folder.
        UsageError: the file can't be written.
    """
    stories = [read_story(RunDir(run)) for run in runs]
    path = output or (stories[0].folder.report if len(stories) == 1 else Path("report.html"))
    return _write(stories, path)


def try_report(folder: RunDir, *, end: RunFinished | None = None) -> Path | str:
    """Make the page of a run that ends here; why there is none, if there can be none, is no reason for it to fail.

    Args:
        folder: The run folder.
        end: How the run ends, where that does not yet stand in its log.

    Returns:
        The page, or why there is none.
    """
    try:
        return _write([read_story(folder, end=end)], folder.report)
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        return f"{folder.report} could not be made: {why}; `ftcli report {folder.path}` tries again"


def _write(stories: Sequence[Story], path: Path) -> Path:
    outcomes, scales = [_outcome(story) for story in stories], shared_scales(stories)
    bodies = [
        body_of(story, outcome, ids=f"run{number}", scales=scales)
        for number, (story, outcome) in enumerate(zip(stories, outcomes, strict=True))
    ]
    if len(stories) == 1:
        text = page(stories[0].name, *bodies)
    else:
        names = names_of(stories)
        each = section("Each run", *(folded(name, body) for name, body in zip(names, bodies, strict=True)))
        text = page(", ".join(names), comparison(stories, outcomes), each)
    try:
        write_atomically(path, text.encode(errors="replace"))
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror}", hint="say where else: --output FILE") from None
    return path


def _outcome(story: Story) -> Outcome | None:
    """What the run's predictions come to; None where it has no checkpoint yet that says how to read them."""
    if not story.folder.best.exists():
        return None
    return read_outcome(story.folder.predictions, read_card(story.folder.best))
