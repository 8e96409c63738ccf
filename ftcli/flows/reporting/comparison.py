"""Several runs side by side: what came of them, their curves over each other, and where their recipes differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import orjson

from ftcli.flows.figures import clock, figure, short, size, trainable
from ftcli.flows.reporting.charts import Chart, Line, can_draw, figure_of
from ftcli.flows.reporting.curves import NO_PICTURES, scores_of, smoothed, thinned, training_loss
from ftcli.flows.reporting.html import Markup, join, section, table, tag
from ftcli.flows.reporting.outcomes import Outcome
from ftcli.flows.reporting.paired import paired
from ftcli.flows.reporting.story import Story
from ftcli.flows.reporting.summary import mean_speed, state_of
from ftcli.train.events import Evaluated, RunFinished

_ALWAYS_DIFFERENT = ("run.dir", "run.name")


def comparison(stories: Sequence[Story], outcomes: Sequence[Outcome | None]) -> Markup:
    """What tells the runs apart, in their order; their outcomes are in the same."""
    names = names_of(stories)
    facts = table(["", *names], [[name, *map(fact, stories)] for name, fact in _FACTS.items()], class_="words")
    return join(
        (
            tag("header", tag("h1", f"{len(stories)} runs side by side")),
            section("What came of them", facts),
            paired(stories, outcomes, names),
            _curves(stories, names),
            _differences(stories, names),
        )
    )


def names_of(stories: Sequence[Story]) -> list[str]:
    """The runs' names, or their folders where they share one."""
    counts = Counter(story.name for story in stories)
    return [story.name if counts[story.name] == 1 else str(story.folder.path) for story in stories]


def _score(story: Story, evaluation: Evaluated | None) -> str:
    if evaluation is None:
        return "none"
    value = evaluation.loss if story.metric == "loss" else evaluation.metrics.get(story.metric)
    return "none" if value is None else f"{story.metric} {figure(value)}"


def _best(story: Story) -> str:
    return _score(story, story.best) + (f" at step {story.best.step:,}" if story.best else "")


def _test(story: Story) -> str:
    return _score(story, story.scored("test"))


def _time(story: Story) -> str:
    return clock(story.end.seconds) if isinstance(story.end, RunFinished) else "not known"


def _memory(story: Story) -> str:
    peak = story.end.peak_bytes if isinstance(story.end, RunFinished) else None
    return size(peak) if peak else "not known"


def _model(story: Story) -> str:
    return story.started.model if story.started else "not known"


def _trained(story: Story) -> str:
    return trainable(story.started.num_trainable, story.started.num_parameters) if story.started else "not known"


_FACTS: dict[str, Callable[[Story], str]] = {
    "ended": lambda story: state_of(story)[0],
    "best on validation": _best,
    "test": _test,
    "model": _model,
    "trained at first": _trained,
    "data": lambda story: story.started.data if story.started else "not known",
    "steps": lambda story: f"{story.last_step:,}",
    "time": _time,
    "rows a second": lambda story: short(mean_speed(story)),
    "memory": _memory,
}


def _curves(stories: Sequence[Story], names: Sequence[str]) -> Markup:
    if not can_draw():
        return section("Training", tag("p", NO_PICTURES, class_="note"))
    metrics = {story.metric for story in stories}
    losses = [
        Line(name, smoothed(thinned(training_loss(story))), number)
        for number, (name, story) in enumerate(zip(names, stories, strict=True))
    ]
    charts = [Chart("Training loss, smoothed", losses)]
    for metric in sorted(metrics):
        scores = [
            Line(name, scores_of(story.evaluations(), metric), number, "dots")
            for number, (name, story) in enumerate(zip(names, stories, strict=True))
            if story.metric == metric
        ]
        charts.append(Chart(f"{metric} on the validation split", scores))
    return section("Training", tag("div", *(figure_of(c, f"all-{n}") for n, c in enumerate(charts)), class_="charts"))


def _differences(stories: Sequence[Story], names: Sequence[str]) -> Markup:
    """The values of the recipes that are not the same in all."""
    settings = [story.settings() for story in stories]
    keys = dict.fromkeys(key for each in settings for key in each if key not in _ALWAYS_DIFFERENT)
    rows = [[key, *(_value(each, key) for each in settings)] for key in keys]
    rows = [row for row in rows if len(set(row[1:])) > 1]
    if not rows:
        return section("Recipes", tag("p", "The recipes are the same."))
    return section("Where the recipes differ", table(["key", *names], rows, class_="words"))


def _value(settings: dict[str, object], key: str) -> str:
    return orjson.dumps(settings[key]).decode() if key in settings else "not given"
