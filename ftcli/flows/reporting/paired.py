"""Several runs' scores on the same rows: each with its interval, and how the others differ from the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ftcli.flows.compare import Difference, verdict
from ftcli.flows.figures import figure
from ftcli.flows.reporting.html import Markup, section, table, tag
from ftcli.flows.reporting.intervals import intervals
from ftcli.flows.reporting.outcomes import Outcome
from ftcli.flows.reporting.story import Story
from ftcli.tasks.intervals import Interval, difference

_NOTE = "Predictions of each run's best checkpoint. Differences are those of the same resamples of the same rows."


def paired(stories: Sequence[Story], outcomes: Sequence[Outcome | None], names: Sequence[str]) -> Markup:
    """Scores of the runs whose rows are the first's, a column each, and a sentence on each but the first."""
    first, *others = outcomes
    if first is None:
        return Markup()
    alike = [
        (name, outcome)
        for name, story, outcome in zip(names[1:], stories[1:], others, strict=True)
        if outcome is not None and _have_the_same_rows(stories[0], first, story, outcome)
    ]
    if not alike:
        return Markup()
    columns = [_scores(outcome) for outcome in (first, *(outcome for _, outcome in alike))]
    rows = [[metric, *(column.get(metric, "") for column in columns)] for metric in columns[0]]
    shown = table([f"{first.split} split", names[0], *(name for name, _ in alike)], rows)
    sentences = [
        tag("p", f"Beside {names[0]}: {_sentence(first, outcome, name, leading=stories[0].metric)}.")
        for name, outcome in alike
    ]
    return section("Scores on the same rows", shown, *sentences, *_left_out(names, alike), note=_NOTE)


def _have_the_same_rows(one: Story, outcome: Outcome, other: Story, others: Outcome) -> bool:
    known = [story.facts.get("data", {}).get("rows_sha256") for story in (one, other)]
    same_split = (outcome.split, outcome.num_rows) == (others.split, others.num_rows)
    return same_split and known[0] is not None and known[0] == known[1]


def _scores(outcome: Outcome) -> dict[str, str]:
    found = intervals(outcome.scores)
    return {name: _with(value, found.get(name)) for name, value in outcome.scores.values().items()}


def _with(value: float, interval: Interval | None) -> str:
    reach = f" ({figure(interval.low)}\u00a0to\u00a0{figure(interval.high)})" if interval else ""
    return f"{figure(value)}{reach}"


def _sentence(first: Outcome, other: Outcome, name: str, *, leading: str) -> str:
    before, after = first.scores.values(), other.scores.values()
    both = [metric for metric in before if metric in after]
    metric = leading if leading in both else both[0]
    interval = intervals(difference(first.scores, other.scores)).get(metric)
    found = Difference(before[metric], after[metric], after[metric] - before[metric], interval)
    return verdict(name, metric, found)


def _left_out(names: Sequence[str], alike: Sequence[tuple[str, Outcome]]) -> Iterator[Markup]:
    there = {name for name, _ in alike}
    if missing := [name for name in names[1:] if name not in there]:
        yield tag("p", f"Not of the same rows, or without predictions: {', '.join(missing)}.", class_="note")
