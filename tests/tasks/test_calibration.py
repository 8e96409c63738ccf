"""A temperature and thresholds: the best there are, found again where they are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss
from torch import Tensor, nn

from ftcli.data.targets import LabelFacts
from ftcli.errors import DataError, UsageError
from ftcli.spec.calibration import Calibration
from ftcli.spec.choices import ClassificationTask, RegressionTask, TaggingTask, TaskChoice
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.build import build_task
from ftcli.tasks.calibration import answers_of, best_thresholds, calibrated, fit_temperature, to_calibrate
from ftcli.tasks.calibration import tune_thresholds as tune
from ftcli.tasks.classification import Classification
from ftcli.tasks.multilabel import MultiLabel
from ftcli.tasks.reliability import reliability
from tests.tasks.toy import split_of

MODEL = nn.Identity()


def task(*labels: str, section: TaskChoice | None = None) -> Task:
    kind = "multilabel" if getattr(section, "multi_label", False) else "classification"
    facts = LabelFacts(kind, "label", labels, scheme="bio", text="words")
    return build_task(section or ClassificationTask(), facts, EvaluateSection())


def drawn(probabilities: Tensor, seed: int = 0) -> Tensor:
    """Labels that come with these probabilities [rows, labels]."""
    return torch.multinomial(probabilities, 1, generator=torch.Generator().manual_seed(seed))[:, 0]


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_the_temperature_of_logits_that_are_too_sure_or_not_sure_enough_is_found_again(truth: float) -> None:
    calm = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(1)).double() * 2
    split = split_of(drawn(calm.softmax(1)))
    several = to_calibrate(task("a", "b", "c", "d"))
    found = fit_temperature(several, MODEL, calm * truth, split)
    assert found == pytest.approx(truth, rel=0.03)
    warm = calibrated(several, Calibration(temperature=found, thresholds={}))
    said = warm.conclude(MODEL, calm * truth, split)
    assert isinstance(warm, Classification)
    assert warm.log_loss(said, split) == pytest.approx(log_loss(split.labels, said.exp()))
    cold = answers_of(several, several.conclude(MODEL, calm * truth, split), split)
    answers = answers_of(warm, said, split)
    assert answers is not None
    assert cold is not None
    assert reliability(answers).ece < 0.015
    assert reliability(answers).ece <= reliability(cold).ece + 0.005


def test_no_temperature_nearby_is_better() -> None:
    scores = torch.randn(300, 3, generator=torch.Generator().manual_seed(1)) * 4
    split = split_of(drawn(scores.softmax(1) ** 0.3))
    several = to_calibrate(task("a", "b", "c"))

    def loss(temperature: float) -> float:
        warm = to_calibrate(calibrated(several, Calibration(temperature=temperature, thresholds={})))
        return warm.log_loss(warm.conclude(MODEL, scores, split), split)

    found = fit_temperature(several, MODEL, scores, split)
    assert all(loss(found) < loss(found * factor) for factor in (0.5, 0.98, 1.02, 2.0))


def test_of_any_number_of_labels_the_temperature_is_one_for_all() -> None:
    calm = torch.randn(8000, 3, generator=torch.Generator().manual_seed(1)).double()
    gold = (torch.rand(8000, 3, generator=torch.Generator().manual_seed(2)) < calm.sigmoid()).to(torch.uint8)
    several = to_calibrate(task("a", "b", "c", section=ClassificationTask(multi_label=True)))
    assert fit_temperature(several, MODEL, calm * 2.5, split_of(gold)) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize(("sign", "side"), [(1, "below 0.05"), (-1, "above 20")])
def test_rows_that_are_all_right_or_all_wrong_tell_no_temperature(sign: int, side: str) -> None:
    labels = torch.arange(40) % 2
    scores = sign * torch.nn.functional.one_hot(labels, 2) * 3.0
    with pytest.raises(DataError, match=f"the best temperature for these 40 rows lies {side}"):
        fit_temperature(to_calibrate(task("no", "yes")), MODEL, scores, split_of(labels))


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_tuned_threshold_has_the_best_f1_of_all(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 30))
    said = data.draw(st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=rows, max_size=rows))
    gold = data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    found = float(best_thresholds(torch.tensor(said)[:, None].double(), torch.tensor(gold)[:, None])[0])
    if not any(gold):
        assert np.isnan(found)
        return
    scores = [f1_score(gold, np.array(said) >= cut, zero_division=0.0) for cut in np.arange(0, 1.01, 0.025)]
    if np.isnan(found):  # to have the label in every row, at probability 0 too, there is no threshold
        assert 0.0 in said
        return
    assert 0 < found < 1
    reached = f1_score(gold, np.array(said) >= found, zero_division=0.0)
    assert reached >= max(scores[1:]) - 1e-12


def test_thresholds_decide_in_metrics_in_details_and_in_answers() -> None:
    binary = task("no", "yes")
    said = torch.tensor([0.1, 0.3, 0.4, 0.9]).double()
    scores, split = torch.stack((1 - said, said), dim=1).log(), split_of(torch.tensor([0, 1, 1, 1]))
    found = binary.conclude(MODEL, scores, split)
    assert binary.measure(found, split)["f1"] == pytest.approx(0.5)
    thresholds = tune(to_calibrate(binary), found, split)
    assert thresholds == pytest.approx({"yes": 0.2})
    tuned = calibrated(binary, Calibration(thresholds=thresholds))
    assert tuned.measure(found, split)["f1"] == 1.0
    assert tuned.measure(found, split)["roc_auc"] == binary.measure(found, split)["roc_auc"]
    assert tuned.detail(found, split).confusion == [[1, 0], [0, 3]]
    answers = list(tuned.answers(found, split, [{}] * 4))
    assert [each["label"] for each in answers] == ["no", "yes", "yes", "yes"]
    assert [each["probability"] for each in answers] == [0.9, 0.3, 0.4, 0.9]


def test_labels_that_no_row_has_keep_the_threshold_of_the_recipe() -> None:
    several = task("a", "b", section=ClassificationTask(multi_label=True, threshold=0.4))
    scores, gold = torch.tensor([[2.0, -1], [-0.5, -2], [-3, -3]]), torch.tensor([[1, 0], [1, 0], [0, 0]])
    split = split_of(gold.to(torch.uint8))
    found = several.conclude(MODEL, scores, split)
    thresholds = tune(to_calibrate(several), found, split)
    assert list(thresholds) == ["a"]
    tuned = calibrated(several, Calibration(thresholds=thresholds))
    assert isinstance(tuned, MultiLabel)
    assert tuned.thresholds == (thresholds["a"], 0.4)
    assert tuned.measure(found, split)["exact_match"] == 1.0


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (TaggingTask(), "a tagger gives the best tags of a whole sentence"),
        (RegressionTask(), "regression gives a number"),
    ],
)
def test_tasks_without_probabilities_say_why_they_have_none(section: TaskChoice, reason: str) -> None:
    other = task("O", "B-X", "I-X", section=section)
    with pytest.raises(UsageError, match=reason):
        to_calibrate(other)
    assert answers_of(other, torch.zeros(1), split_of(torch.zeros(1))) is None
    assert calibrated(other, Calibration(temperature=2.0, thresholds={})) is other
