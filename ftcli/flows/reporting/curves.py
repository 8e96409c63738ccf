"""The curves of a run: loss, learning rate, scores, each over the steps, with its stages shaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ftcli.flows.figures import figure, rate
from ftcli.flows.reporting.charts import Chart, Line, Point, can_draw, figure_of
from ftcli.flows.reporting.html import Markup, section, table, tag
from ftcli.flows.reporting.story import Story
from ftcli.spec.metrics import LOWER_IS_BETTER
from ftcli.train.events import Evaluated, StepDone

NO_PICTURES = "Pictures need matplotlib: pip install 'ftcli[report]', then `ftcli report` makes the page anew."
MOST_POINTS = 400
MOST_ROWS = 20
MOST_SCORES = 4
"""Scores that share a chart; the table has all."""
MOST_SMOOTHING = 0.9
MEANS = 12
"""About so many stretches of the smoothed curve tell something of their own."""
LOG_FROM = 20
"""Values that are this many times apart are drawn on a logarithmic scale."""


@dataclass(frozen=True, slots=True)
class Scales:
    """The axes that curves of several runs share.

    They are the steps up to the last one, and by a chart's title its values' lowest and highest. Charts in
    `logarithmic` have a logarithmic scale in all runs.
    """

    last_step: int
    values: dict[str, Point]
    logarithmic: set[str]


def shared_scales(stories: Sequence[Story]) -> Scales:
    """Scales on which each curve of each run has room."""
    values: dict[str, list[float]] = {}
    for chart in (chart for story in stories for chart in _charts(story)):
        values.setdefault(chart.title, []).extend(y for line in chart.lines for _, y in line.finite)
    ranges = {title: (min(each), max(each)) for title, each in values.items() if each}
    logarithmic = {
        chart.title for story in stories for chart in _charts(story) if chart.is_log and ranges[chart.title][0] > 0
    }
    return Scales(max(1, *(story.last_step for story in stories)), ranges, logarithmic)


def _charts(story: Story) -> list[Chart]:
    return [_loss(story), _scores(story), _rates(story), _norms(story)]


def curves(story: Story, *, ids: str, scales: Scales) -> Markup:
    """Pictures of how training went, or without matplotlib a table of it. `ids` begins the names of their parts."""
    if not can_draw():
        return section("Training", tag("p", NO_PICTURES, class_="note"), _steps(story.of(StepDone)))
    placed = [
        replace(
            chart,
            x_range=(0, scales.last_step),
            y_range=scales.values.get(chart.title),
            is_log=chart.title in scales.logarithmic,
            bands=bands_of(story),
        )
        for chart in _charts(story)
    ]
    drawn = [figure_of(chart, f"{ids}-{number}") for number, chart in enumerate(placed)]
    return section("Training", tag("div", *drawn, class_="charts"))


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS` points: means of neighbours."""
    size = -(-len(points) // MOST_POINTS) or 1
    blocks = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in block) / len(block), sum(y for _, y in block) / len(block)) for block in blocks]


def smoothed(points: Sequence[Point]) -> list[Point]:
    """An exponential mean over the points that is not biased towards its start; of few points, over fewer."""
    keep = max(0.0, min(MOST_SMOOTHING, 1 - MEANS / max(1, len(points))))
    total = weight = 0.0
    found: list[Point] = []
    for x, y in points:
        total, weight = keep * total + (1 - keep) * y, keep * weight + (1 - keep)
        found.append((x, total / weight))
    return found


def bands_of(story: Story) -> list[Point]:
    """The spans of steps of the stages."""
    starts = [stage.step for stage in story.stages]
    return list(zip(starts, [*starts[1:], story.last_step], strict=True)) if len(starts) > 1 else []


def training_loss(story: Story) -> list[Point]:
    """The mean loss at each logged step."""
    return [(event.step, event.mean_loss) for event in story.of(StepDone)]


def scores_of(evaluations: Sequence[Evaluated], metric: str) -> list[Point]:
    """A metric at each evaluation that has it."""
    values = ((event, event.loss if metric == "loss" else event.metrics.get(metric)) for event in evaluations)
    return [(event.step, value) for event, value in values if value is not None]


def _loss(story: Story) -> Chart:
    points = thinned(training_loss(story))
    lines = [Line("training", points, 0, "faint"), Line("training, smoothed", smoothed(points), 0)]
    if validation := scores_of(story.evaluations(), "loss"):
        best = story.best if story.metric == "loss" else None
        point = (best.step, best.loss) if best and best.loss is not None else None
        lines.append(Line("validation", validation, 1, "dots", point))
    lines += _further(story, "loss")
    values = [y for line in lines for _, y in line.finite]
    return Chart("Loss", lines, is_log=_are_far_apart(values))


def _scores(story: Story) -> Chart:
    """The metric that decides and a few of its kind; on the training split, too, where that was scored."""
    evaluations, metric = story.evaluations(), story.metric
    known = list(dict.fromkeys(name for event in evaluations for name in event.metrics))
    alike = [name for name in known if (name in LOWER_IS_BETTER) == (metric in LOWER_IS_BETTER)]
    shown = ([metric] if metric in known else []) + [name for name in alike if name != metric]
    lines: list[Line] = []
    for number, name in enumerate(shown[:MOST_SCORES]):
        best = story.best if name == metric else None
        point = (best.step, best.metrics[name]) if best else None
        title = f"{name}, best {figure(point[1])} at step {point[0]}" if point else name
        lines.append(Line(title, scores_of(evaluations, name), number, "dots", point))
    if training := scores_of(story.evaluations("train"), metric):
        lines.append(Line(f"{metric} on train", training, 0, "dashed"))
    lines += _further(story, shown[0]) if shown else []
    return Chart("Scores on the validation split", lines)


def _further(story: Story, metric: str) -> list[Line]:
    """A metric on each further validation set."""
    return [
        Line(f"{metric} on {name}", scores_of(story.evaluations(name), metric), number, "dashed")
        for number, name in enumerate(story.further_sets, 2)
    ]


def _rates(story: Story) -> Chart:
    steps = story.of(StepDone)
    names = list(dict.fromkeys(name for event in steps for name in event.rates))
    lines = [
        Line(name, thinned([(event.step, event.rates[name]) for event in steps if name in event.rates]), number)
        for number, name in enumerate(names)
    ]
    peaks = [max(y for _, y in line.points) for line in lines]
    return Chart("Learning rate", lines, is_log=_are_far_apart(peaks))


def _norms(story: Story) -> Chart:
    points = [(event.step, event.grad_norm) for event in story.of(StepDone) if event.grad_norm > 0]
    norms = thinned(points)
    lines = [Line("each", norms, 4, "faint"), Line("smoothed", smoothed(norms), 4)]
    return Chart("Gradient norm, before clipping", lines, is_log=_are_far_apart([y for _, y in norms]))


def _are_far_apart(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) > LOG_FROM * min(values)


def evaluations(story: Story) -> Markup:
    """Every evaluation as a row of a table."""
    found = story.evaluations()
    if not found:
        return Markup()
    names = list(dict.fromkeys(name for event in found for name in event.metrics))
    ordered = sorted(names, key=lambda name: name != story.metric)
    further = {line.name: dict(line.points) for line in _further(story, story.metric)}
    rows = [
        [*_evaluation(event, ordered, story), *(_shown(scores.get(event.step)) for scores in further.values())]
        for event in found
    ]
    marked = [event is story.best for event in found]
    return section(
        "Evaluations", table(["step", "epoch", "training loss", "loss", *ordered, *further], rows, marked=marked)
    )


def _evaluation(event: Evaluated, names: Sequence[str], story: Story) -> Iterator[str]:
    yield f"{event.step:,}"
    yield f"{event.epoch:.2f}"
    yield _shown(story.epoch_losses.get(event.step) if event.train_loss is None else event.train_loss)
    yield _shown(event.loss)
    for name in names:
        yield _shown(event.metrics.get(name))


def _shown(value: float | None) -> str:
    return "" if value is None else figure(value)


def _steps(steps: Sequence[StepDone]) -> Markup:
    """Some of the logged steps, evenly apart."""
    every = -(-len(steps) // MOST_ROWS) or 1
    rows = [[f"{event.step:,}", f"{event.epoch:.2f}", *_numbers(event)] for event in steps[::-every][::-1]]
    names = list(steps[0].rates) if steps else []
    return table(["step", "epoch", "loss", *(f"lr {name}" for name in names), "gradient norm"], rows)


def _numbers(event: StepDone) -> list[str]:
    return [figure(event.mean_loss), *(rate(value) for value in event.rates.values()), figure(event.grad_norm, 2)]
