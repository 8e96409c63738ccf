"""What a run was, and what it took: its head, stages, time and memory, recipe and environment."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from typing import Any, cast

from ftcli.flows.figures import clock, figure, flat, percent, short, size, spent, trainable
from ftcli.flows.lines import ending
from ftcli.flows.reporting.html import Markup, facts, folded, section, table, tag
from ftcli.flows.reporting.story import Story
from ftcli.spec.wording import counted
from ftcli.train.events import CheckpointSaved, EpochDone, Evaluated, Noted, RunFailed, RunFinished, StepDone


def head(story: Story) -> Markup:
    """The run's name, how it ended, its main figures, and what it warned of."""
    word, class_ = state_of(story)
    title = [tag("h1", story.name), " ", tag("span", word, class_=f"badge {class_}")]
    warnings = list(dict.fromkeys(note.text for note in story.of(Noted) if note.level == "warning"))
    parts = [
        tag("header", *title),
        tag("p", _what(story), class_="dim"),
        tag("div", *(_tile(*each) for each in _figures(story)), class_="tiles"),
    ]
    if isinstance(story.end, RunFailed):
        parts.append(tag("p", story.end.text, class_="bad"))
    if warnings:
        parts.append(tag("ul", *(tag("li", text, class_="warn") for text in warnings), class_="warnings"))
    return tag("div", *parts)


def state_of(story: Story) -> tuple[str, str]:
    """How a run ended, and whether that is good."""
    match story.end:
        case RunFinished(resume=None):
            return "finished", "good"
        case RunFinished() as end:
            return f"{ending(end)} at step {end.step:,} of {end.total_steps:,}", "warn"
        case RunFailed() as end:
            return f"failed after step {end.step:,}", "bad"
        case None:
            return f"not ended; at step {story.last_step:,}", "warn"


def _what(story: Story) -> str:
    started = story.started
    if started is None:
        return str(story.folder.path)
    return f"{flat(started.model)} on {flat(started.data)}, in {story.folder.path}"


def _tile(value: str, name: str, more: str = "") -> Markup:
    return tag("div", tag("b", value), tag("span", name), tag("small", more) if more else "", class_="tile")


def _figures(story: Story) -> Iterator[tuple[str, str, str]]:
    """The figures that one looks for first: each a value, its name, and a remark."""
    best, metric = story.best, story.metric
    if best is not None and best.best is not None:
        yield figure(best.best), f"{metric} on validation", f"best, at step {best.step:,}"
    for test in story.evaluations("test")[-1:]:
        value = test.loss if metric == "loss" else test.metrics.get(metric)
        if value is not None:
            yield figure(value), f"{metric} on test", f"of {counted(test.rows)}"
    if isinstance(story.end, RunFinished):
        yield clock(story.end.seconds), "in all", f"{counted(story.end.step, 'step')}"
    if speed := mean_speed(story):
        yield short(speed), "rows a second", "while training"
    if isinstance(story.end, RunFinished) and story.end.peak_bytes:
        yield size(story.end.peak_bytes), "of memory", "at the most"
    if started := story.started:
        yield short(started.num_parameters), "parameters", trainable(started.num_trainable, started.num_parameters)


def mean_speed(story: Story) -> float:
    """Rows a second over the logged steps; 0 where there are none."""
    speeds = [event.rows_per_second for event in story.of(StepDone)]
    return sum(speeds) / len(speeds) if speeds else 0.0


def stages(story: Story) -> Markup:
    """The stages of a run that has several."""
    if len(story.stages) < 2:
        return Markup()
    rows = [
        [
            str(stage.stage + 1),
            f"{stage.step:,}",
            trainable(stage.num_trainable, stage.num_parameters),
            stage.description,
        ]
        for stage in story.stages
    ]
    return section("Stages", table(["stage", "from step", "trained", "what changed"], rows, class_="words"))


def time_and_memory(story: Story) -> Markup:
    """Where the time went, how fast it was, and what was saved."""
    steps = story.of(StepDone)
    mean = len(steps) or 1
    evaluating = sum(event.seconds for event in story.of(Evaluated))
    saved = story.of(CheckpointSaved)
    pairs = [
        ("training", spent(_training_seconds(story))),
        ("evaluating", f"{spent(evaluating)} in {counted(len(story.of(Evaluated)), 'evaluation')}"),
        (
            "saving",
            f"{counted(len(saved), 'checkpoint')} in {spent(sum(event.seconds for event in saved))}, beside training",
        ),
        ("speed", f"{short(mean_speed(story))} rows/s"),
        ("tokens", f"{short(sum(event.tokens_per_second for event in steps) / mean)} tokens/s"),
        ("padding", f"{percent(sum(event.padding_share for event in steps) / mean)} of all token slots"),
    ]
    if saved:
        pairs.append(("a checkpoint", size(saved[-1].num_bytes)))
    if isinstance(story.end, RunFinished) and story.end.peak_bytes:
        pairs.append(("memory", f"{size(story.end.peak_bytes)} at the most, of the first process"))
    return section("Time and memory", facts(pairs))


def _training_seconds(story: Story) -> float:
    """The epochs' time; one that a later launch finished is told once, with what it took in all."""
    return sum({int(event.epoch - 1e-9): event.seconds for event in story.of(EpochDone)}.values())


def environment(story: Story) -> Markup:
    """Where and with what the run was made."""
    given = story.facts
    if "python" not in given:
        return Markup()
    data, model = cast("dict[str, Any]", given["data"]), cast("dict[str, Any]", given["model"])
    versions = {"ftcli": given["ftcli"], "python": given["python"], **given["packages"]}
    processes, threads = counted(given["world_size"], "process"), counted(given["threads"], "thread")
    pairs = [
        ("begun", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(given["started"]))),
        ("command", shlex.join(given["command"])),
        ("in", given["working_directory"]),
        ("commit", given["commit"] or "no git checkout"),
        ("host", f"{given['host']}, {given['platform']}"),
        ("device", f"{given['device']}, {processes}, {threads}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ("data", f"{data['name']} in {data['folder']}"),
        ("rows' SHA-256", data["rows_sha256"]),
        ("model", model["path"]),
    ]
    if model["sha256"]:
        pairs.append(("weights' SHA-256", model["sha256"]))
    return section("Environment", facts(pairs))


def recipe(story: Story) -> Markup:
    """The resolved recipe."""
    note = "All values that were in force, those that the recipe left out, too. It runs as it stands: ftcli train FILE."
    return section("Recipe", folded("show the whole recipe", tag("pre", story.recipe)), note=note)
