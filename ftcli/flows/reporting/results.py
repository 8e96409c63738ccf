"""What the best checkpoint makes of labelled rows: scores by label, confusions, calibration, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ftcli.flows.figures import figure, flat, percent
from ftcli.flows.reporting.charts import Chart, Line, can_draw, figure_of
from ftcli.flows.reporting.html import Markup, first_few, folded, join, section, table, tag
from ftcli.flows.reporting.intervals import intervals
from ftcli.flows.reporting.outcomes import Mistake, Outcome
from ftcli.flows.reporting.spans import sentences
from ftcli.spec.wording import counted
from ftcli.tasks.breakdown import ClassRow, most_confused
from ftcli.tasks.intervals import Interval
from ftcli.tasks.reliability import reliability
from ftcli.train.events import Evaluated

MOST_MATRIX_LABELS = 16
MOST_CONFUSIONS = 15
MOST_CLASSES = 30
LENIENT = "(lenient)"
LENIENT_METRIC = "_lenient"
INTERVALS = "Intervals are bootstrapped over rows: 95 % of the resamples score within them."
HOT = 0.6
"""From this share on, a cell of the matrix is so dark that its text has to be light."""


def results(outcome: Outcome, evaluation: Evaluated | None, *, ids: str) -> Markup:
    """Everything that an outcome has; `evaluation` is the run's own of the same rows."""
    title = f"Results on the {outcome.split} split"
    note = f"The best checkpoint's predictions of {counted(outcome.num_rows)}. {INTERVALS}"
    parts = [
        _scores(outcome, evaluation),
        _by_label(outcome),
        _confusion(outcome),
        _calibration(outcome, ids=ids),
        _numbers(outcome, ids=ids),
    ]
    grid = tag("div", *(tag("div", part) for part in parts if part), class_="charts")
    return join((section(title, grid, note=note), _mistakes(outcome), sentences(outcome)))


def _scores(outcome: Outcome, evaluation: Evaluated | None) -> Markup:
    """Every score of the run's own evaluation, with its interval where predictions alone tell it."""
    if evaluation is None:
        return Markup()
    found = intervals(outcome.scores)
    loss = {} if evaluation.loss is None else {"loss": evaluation.loss}
    named = {name: value for name, value in {**evaluation.metrics, **loss}.items() if LENIENT_METRIC not in name}
    rows = [[name, figure(value), _interval(found.get(name))] for name, value in named.items()]
    return join((tag("h3", "Scores"), table(["score", "value", "95 % interval"], rows)))


def _interval(interval: Interval | None) -> str:
    return f"{figure(interval.low)}\u00a0to\u00a0{figure(interval.high)}" if interval else ""


def _calibration(outcome: Outcome, *, ids: str) -> Markup:
    """How often answers are right over how sure the model was, drawn and in numbers."""
    if outcome.answers is None:
        return Markup()
    found = reliability(outcome.answers)
    rows = [
        [f"{each.low:.0%} to {each.high:.0%}", f"{each.count:,}", f"{each.probability:.1%}", f"{each.share:.1%}"]
        for each in found.bins
    ]
    numbers = table(["probability", "answers", "mean probability", "share"], rows)
    is_of_last = outcome.confusion is not None and len(outcome.labels) == 2
    what, so = (f"probability of {outcome.labels[-1]}", "so") if is_of_last else ("probability", "right")
    meaning = f"Below the line, answers are {so} less often than they claim; above it, more often."
    error = tag("p", f"Expected calibration error {figure(found.ece)}. {meaning}", class_="note")
    if not can_draw():
        return join((tag("h3", "Reliability"), error, numbers))
    lines = [Line("", [(each.probability, each.share) for each in found.bins], 0, "dots")]
    chart = Chart("Reliability", lines, x=what, y=f"share that is {so}", x_range=(0, 1), diagonal=True)
    return join((figure_of(chart, f"{ids}-reliability"), error, folded("in numbers", numbers)))


def _by_label(outcome: Outcome) -> Markup:
    if not outcome.per_class:
        return Markup()
    strict = [row for row in outcome.per_class if not row.label.endswith(LENIENT)]
    shown, rest = strict[:MOST_CLASSES], strict[MOST_CLASSES:]
    parts = [_class_table(shown)]
    if rest:
        parts.append(folded(f"{len(rest):,} more", _class_table(rest)))
    if lenient := [row for row in outcome.per_class if row.label.endswith(LENIENT)]:
        parts.append(folded("the same, counted leniently", _class_table(lenient)))
    return join((tag("h3", f"By {outcome.what_counts}"), *parts))


def _class_table(per_class: Sequence[ClassRow]) -> Markup:
    rows = [
        [row.label, figure(row.precision), figure(row.recall), figure(row.f1), f"{row.support:,}"] for row in per_class
    ]
    return table(["label", "precision", "recall", "f1", "support"], rows)


def _confusion(outcome: Outcome) -> Markup:
    if outcome.confusion is None:
        return Markup()
    if len(outcome.labels) > MOST_MATRIX_LABELS:
        return _most_confused(outcome.confusion, outcome.labels)
    head = tag("tr", tag("th", "gold ↓ predicted →"), *(tag("th", label, scope="col") for label in outcome.labels))
    rows = [_matrix_row(number, counts, outcome.labels[number]) for number, counts in enumerate(outcome.confusion)]
    matrix = tag("table", tag("thead", head), tag("tbody", *rows), class_="matrix")
    return join((tag("h3", "Confusion matrix"), tag("div", matrix, class_="wide")))


def _matrix_row(number: int, counts: Sequence[int], label: str) -> Markup:
    """A gold label's counts; the colour is the share of its rows."""
    total = sum(counts) or 1
    cells = [
        tag(
            "td",
            f"{count:,}",
            class_=f"{'right' if place == number else 'wrong'}{' hot' if count / total >= HOT else ''}",
            style=f"--h:{count / total:.3f}",
            title=f"{percent(count / total)} of {label}",
        )
        for place, count in enumerate(counts)
    ]
    return tag("tr", tag("th", label, scope="row"), *cells)


def _most_confused(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Markup:
    worst = most_confused(counts, labels, most=MOST_CONFUSIONS)
    rows = [[gold, predicted, f"{count:,}"] for count, gold, predicted in worst]
    return join((tag("h3", "Most frequent confusions"), table(["gold", "predicted", "rows"], rows)))


def _numbers(outcome: Outcome, *, ids: str) -> Markup:
    """Predicted numbers over true ones."""
    if not outcome.numbers or not can_draw():
        return Markup()
    lines = [Line("", outcome.numbers, 0, "points")]
    chart = Chart("Predicted over true values", lines, x="true", y="predicted", diagonal=True)
    return figure_of(chart, f"{ids}-numbers")


def _mistakes(outcome: Outcome) -> Markup:
    sure = any(mistake.confidence is not None for mistake in outcome.mistakes)
    note = f"{outcome.num_wrong:,} of {counted(outcome.num_rows)} are wrong; those that the model was surest of."
    far = f"Those of {counted(outcome.num_rows)} that are farthest from the truth."
    title = "Most confident errors" if sure else "Largest errors"
    cases = [_mistake(mistake) for mistake in outcome.mistakes]
    return section(title, *first_few(cases, class_="cases"), note=note if sure else far)


def _mistake(mistake: Mistake) -> Markup:
    texts = [tag("p", text, class_="text") for text in mistake.texts]
    return tag("article", *texts, tag("p", *_said(mistake), class_="said"), class_="case")


def _said(mistake: Mistake) -> Iterator[str]:
    yield "gold "
    yield tag("b", flat(mistake.gold))
    yield ", predicted "
    yield tag("b", flat(mistake.predicted))
    if mistake.confidence is not None:
        yield f" with {mistake.confidence:.1%}"
    yield f", row {mistake.row:,}"
