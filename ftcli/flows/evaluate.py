"""`ftcli eval`: a checkpoint's scores on a prepared split, or on a file of labelled rows, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ftcli.flows.calibrate import Fit, Fitted, check_fit, fit_and_keep, forget
from ftcli.flows.checks import check_eval
from ftcli.flows.compare import Comparison, Rival, compare, open_rival
from ftcli.flows.inputs import RowFile
from ftcli.flows.labelled import rows_of_file, rows_of_split
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.flows.sample import Sample, score_sample
from ftcli.runtime.activity import Working
from ftcli.tasks.breakdown import ClassRow
from ftcli.tasks.calibration import answers_of
from ftcli.tasks.error_interval import error_interval
from ftcli.tasks.intervals import RESAMPLES, SEED, Interval, bootstrap, num_resamples
from ftcli.tasks.reliability import Reliability, reliability

FITTED_ON = "validation"
"""The split that calibration is fitted on."""


@dataclass(frozen=True, slots=True)
class Report:
    """A checkpoint's scores, in all, label by label, and as counts [gold][predicted] where rows have one label each.

    `loss` is the mean over items; None where none of them has a label. `intervals` are 95 % bootstrap intervals of the
    metrics that have one, and of `loss` and `ece`, the expected calibration error, from `resamples` of the rows; None
    where a custom task can't tell its metrics of those. `reliability` is whether probabilities are what they say, of
    tasks that give some.
    """

    checkpoint: str
    data: str
    num_rows: int
    loss: float | None
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    resamples: int | None
    seed: int
    labels: list[str]
    per_class: list[ClassRow]
    confusion: list[list[int]] | None
    reliability: Reliability | None
    fitted: Fitted | None
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked besides the scores: intervals of how many resamples, what to fit first, what to compare with."""

    resamples: int = RESAMPLES
    fit: Fit = field(default_factory=Fit)
    other: Path | None = None


def evaluate(
    checkpoint: Path,
    *,
    split: str = "validation",
    data: Path | None = None,
    file: RowFile | None = None,
    asked: Questions = Questions(),
    device: str = "auto",
    batch_size: int | None = None,
    code: Path | None = None,
) -> Working[Report]:
    """Score a checkpoint.

    Args:
        checkpoint: A checkpoint or an exported folder.
        split: The split of a prepared data set.
        data: A prepared data set's folder; the one that the checkpoint was trained on if not given.
        file: Labelled rows instead of a split.
        asked: What is asked besides.
        device: "auto", "cpu" or "cuda".
        batch_size: Rows that are scored at once.
        code: Where code of the user's own is, if not where it was.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, of another task, or knows other labels.
        DataError: the rows can't be used.
        UsageError: the task can't be calibrated, or what it is to be compared with isn't there.
    """
    fit, other = asked.fit, asked.other
    check_eval(checkpoint, file, other, device=device, forgets=fit.forget)
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size, code=code, as_trained=fit.forget)
    if fit.is_asked or fit.forget:
        check_fit(fit, checkpoint, predictor)
    chosen = rows_of_split(data, split, predictor, checkpoint) if file is None else rows_of_file(file, predictor)
    chosen = chosen if other is None else chosen.in_memory()
    rival = None if other is None else open_rival(other, chosen, predictor, checkpoint, code=code)
    sample = yield from score_sample(predictor, chosen)
    fitted: Fitted | None = None
    if fit.is_asked:
        fitting = sample if file is None and split == FITTED_ON else (yield from _to_fit(data, predictor, checkpoint))
        predictor, fitted = fit_and_keep(fit, fitting, predictor, checkpoint)
        sample = sample.concluded_by(predictor)
    elif fit.forget:
        forget(predictor, checkpoint)
    return (yield from _report(checkpoint, sample, predictor, asked, fitted=fitted, rival=rival))


def _to_fit(data: Path | None, predictor: Predictor, checkpoint: Path) -> Working[Sample]:
    """The sample that calibration is fitted on, where another is scored."""
    return (yield from score_sample(predictor, rows_of_split(data, FITTED_ON, predictor, checkpoint)))


def _report(
    checkpoint: Path,
    sample: Sample,
    predictor: Predictor,
    asked: Questions,
    *,
    fitted: Fitted | None,
    rival: Rival | None,
) -> Working[Report]:
    task, found, split = predictor.task, sample.found, sample.split
    metrics, count = sample.metrics_by(predictor), asked.resamples
    answers = answers_of(task, found, split)
    intervals: dict[str, Interval] = {}
    comparison: Comparison | None = None
    if metrics is not None:
        count = num_resamples(metrics, count)
        intervals = yield from bootstrap(sample.with_loss(metrics, task), resamples=count)
        error = (yield from error_interval(answers, split.num_rows, resamples=count)) if answers is not None else None
        intervals |= {"ece": error} if error is not None else {}
        if rival is not None:
            leading = predictor.card.best_metric
            comparison = yield from compare(rival, metrics, split, leading=leading, resamples=count)
    detail = task.detail(found, split)
    return Report(
        checkpoint=str(checkpoint),
        data=sample.name,
        num_rows=split.num_rows,
        loss=sample.scores.loss,
        metrics=task.measure(found, split),
        intervals=intervals,
        resamples=count if metrics is not None else None,
        seed=SEED,
        labels=predictor.card.labels,
        per_class=detail.per_class,
        confusion=detail.confusion,
        reliability=reliability(answers) if answers is not None else None,
        fitted=fitted,
        comparison=comparison,
    )
