"""What `ftcli eval --calibrate` and `--tune-threshold` do: fit on validation rows, and keep it in the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import UsageError
from ftcli.flows.predictor import Predictor
from ftcli.flows.sample import Sample
from ftcli.runtime.files import json_bytes
from ftcli.runtime.manifest import MANIFEST, read_manifest, replace_file
from ftcli.spec.calibration import Calibration
from ftcli.tasks.calibration import calibrated, fit_temperature, to_calibrate, tune_thresholds
from ftcli.tasks.classification import Classification
from ftcli.tasks.multilabel import MultiLabel
from ftcli.tasks.reliability import reliability
from ftcli.train.card import CARD


@dataclass(frozen=True, slots=True)
class Fit:
    """What is to be fitted, and whether what was fitted before is forgotten first."""

    temperature: bool = False
    thresholds: bool = False
    forget: bool = False

    @property
    def is_asked(self) -> bool:
        """Whether anything is."""
        return self.temperature or self.thresholds


@dataclass(frozen=True, slots=True)
class Quality:
    """How good probabilities and labels are: mean surprise in nats, expected calibration error, and F1.

    F1 is that of the last of two labels, or the mean over any number of labels; None for more of which rows have one.
    """

    log_loss: float
    ece: float
    f1: float | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted, on which rows, and how good the answers to these very rows were before and are now."""

    data: str
    num_rows: int
    temperature: float
    thresholds: dict[str, float]
    before: Quality
    after: Quality


def check_fit(fit: Fit, checkpoint: Path, predictor: Predictor) -> None:
    """Make sure that it can be fitted, and kept, or forgotten.

    Raises:
        UsageError: the task has no probabilities or no thresholds, or the folder is an export.
    """
    task = to_calibrate(predictor.task)
    if fit.thresholds and isinstance(task, Classification):
        task.check_has_threshold()
    if not (checkpoint / MANIFEST).is_file():
        what = f"{checkpoint} is an export, and what was fitted would not be in what it was made from"
        raise UsageError(what, hint="fit it to the checkpoint, RUN/best, and export that again")


def fit_and_keep(fit: Fit, sample: Sample, predictor: Predictor, checkpoint: Path) -> tuple[Predictor, Fitted]:
    """Fit on some rows, and write it into the checkpoint's ftcli.json, which its manifest vouches for as before.

    Thresholds that were tuned before are tuned anew where the temperature changes, for they are probabilities.

    Returns:
        The predictor as it is from now on, and what was fitted.

    Raises:
        DataError: the rows don't tell a temperature.
        CheckpointError: the checkpoint can't be changed.
    """
    task, known = to_calibrate(predictor.task), predictor.card.calibration or Calibration(thresholds={})
    model, scores, split = predictor.model, sample.scores.scores, sample.split
    temperature = fit_temperature(task, model, scores, split) if fit.temperature else known.temperature
    warm = replace(task, temperature=temperature)
    must_tune = fit.thresholds or bool(known.thresholds)
    thresholds = tune_thresholds(warm, warm.conclude(model, scores, split), split) if must_tune else {}
    fitted = Calibration(temperature=temperature, thresholds=thresholds, data=sample.name)
    _keep(fitted, predictor, checkpoint)
    after = replace(predictor, task=calibrated(predictor.task, fitted))
    report = Fitted(
        data=sample.name,
        num_rows=split.num_rows,
        temperature=temperature,
        thresholds=thresholds,
        before=_quality(task, sample.found, split),
        after=_quality(to_calibrate(after.task), sample.concluded_by(after).found, split),
    )
    return after, report


def forget(predictor: Predictor, checkpoint: Path) -> None:
    """Write into the checkpoint's ftcli.json that nothing was fitted.

    Raises:
        CheckpointError: the checkpoint can't be changed.
    """
    _keep(None, predictor, checkpoint)


def _keep(fitted: Calibration | None, predictor: Predictor, checkpoint: Path) -> None:
    card = predictor.card.model_copy(update={"calibration": fitted})
    replace_file(read_manifest(checkpoint.resolve()), CARD, json_bytes(card.model_dump(mode="json")))


def _quality(task: Classification | MultiLabel, found: Tensor, split: TokenizedSplit) -> Quality:
    name = "f1_macro" if isinstance(task, MultiLabel) else "f1"
    has_f1 = isinstance(task, MultiLabel) or len(task.labels) == 2
    values = replace(task, metrics=(name,)).row_metrics(found, split).values() if has_f1 else {}
    return Quality(
        log_loss=task.log_loss(found, split),
        ece=reliability(task.answers_given(found, split)).ece,
        f1=values.get(name),
    )
