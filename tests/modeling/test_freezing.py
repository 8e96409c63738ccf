"""Which parameters are trained from which step on, and what a module that is not trained does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ftcli.errors import RecipeError
from ftcli.modeling.freezing import Stage, apply_stage, frozen_modules, nearest_names, plan_freezing, set_training_mode
from ftcli.spec.sections import FreezeSection, FreezeStage, StagePoint

NAMES = [
    "bert.embeddings.word_embeddings.weight",
    *(f"bert.encoder.layer.{n}.{part}.weight" for n in range(12) for part in ("query", "dense")),
    "bert.pooler.dense.weight",
    "classifier.weight",
    "classifier.bias",
]
EMBEDDINGS = {NAMES[0]}
HEAD = {"classifier.weight", "classifier.bias"}


def layer(number: int) -> set[str]:
    return {f"bert.encoder.layer.{number}.{part}.weight" for part in ("query", "dense")}


def stage(at: StagePoint, *, unfreeze: tuple[str, ...] = (), freeze: tuple[str, ...] = ()) -> FreezeStage:
    return FreezeStage(at=at, unfreeze=unfreeze, freeze=freeze)


def planned(*stages: FreezeStage, patterns: tuple[str, ...] = ()) -> list[tuple[int, set[str]]]:
    """The starts of the stages and what each trains, in a run of 100 steps in 4 epochs."""
    section = FreezeSection(patterns=patterns, stages=stages)
    plan = plan_freezing(section, NAMES, total_steps=100, steps_per_epoch=25)
    return [(stage.start, set(stage.trainable)) for stage in plan.stages]


def test_without_patterns_everything_is_trained() -> None:
    assert planned() == [(0, set(NAMES))]


def test_patterns_are_searched_for_not_matched_from_the_start() -> None:
    [(_, trainable)] = planned(patterns=("embeddings", r"layer\.[0-9]\."))
    assert trainable == {*layer(10), *layer(11), "bert.pooler.dense.weight", *HEAD}


def test_a_pattern_without_its_dot_takes_the_layers_of_two_digits_too() -> None:
    [(_, trainable)] = planned(patterns=(r"layer\.1",))
    assert not trainable & (layer(1) | layer(10) | layer(11))
    assert layer(2) <= trainable


@pytest.mark.parametrize(
    ("point", "start"),
    [
        (StagePoint(epoch=2.0), 50),
        (StagePoint(epoch=0.5), 12),
        (StagePoint(step=7), 7),
        (StagePoint(fraction=0.5), 50),
        (StagePoint(fraction=0.0), 0),
    ],
)
def test_a_stage_begins_at_an_epoch_a_step_or_a_fraction_of_the_run(point: StagePoint, start: int) -> None:
    stages = planned(stage(point, unfreeze=("embeddings",)), patterns=("embeddings",))
    assert stages[-1] == (start, set(NAMES))
    assert len(stages) == (2 if start else 1)


def test_stages_add_to_each_other_in_the_order_of_their_steps_not_of_the_recipe() -> None:
    stages = planned(
        stage(StagePoint(step=60), unfreeze=("embeddings",)),
        stage(StagePoint(step=20), unfreeze=(r"layer\.11",)),
        patterns=("^bert",),
    )
    assert stages == [(0, HEAD), (20, HEAD | layer(11)), (60, HEAD | layer(11) | EMBEDDINGS)]


def test_a_stage_that_names_a_parameter_twice_freezes_it() -> None:
    stages = planned(stage(StagePoint(step=5), unfreeze=("^bert",), freeze=("embeddings",)), patterns=("^bert",))
    assert stages[1] == (5, set(NAMES) - EMBEDDINGS)


def test_a_step_belongs_to_the_last_stage_that_has_begun() -> None:
    stages = (stage(StagePoint(step=20), unfreeze=("layer",)), stage(StagePoint(step=60), unfreeze=("embed",)))
    plan = plan_freezing(FreezeSection(patterns=("^bert",), stages=stages), NAMES, total_steps=100, steps_per_epoch=25)
    assert [plan.stage_at(step) for step in (0, 19, 20, 59, 60, 99)] == [0, 0, 1, 1, 2, 2]
    assert [plan.first_step(name) for name in (NAMES[-1], NAMES[1], NAMES[0])] == [0, 20, 60]
    assert plan.first_step("bert.pooler.dense.weight") is None


def test_a_stage_beyond_the_end_is_a_warning_and_one_at_the_last_step_is_not() -> None:
    section = FreezeSection(stages=(stage(StagePoint(step=100), freeze=("embed",)),))
    plan = plan_freezing(section, NAMES, total_steps=100, steps_per_epoch=25)
    assert plan.warnings == ("a stage begins at step 100, beyond the run's 100 steps, and is never reached",)
    assert plan.stage_at(99) == 0
    assert plan_freezing(section, NAMES, total_steps=101, steps_per_epoch=25).warnings == ()


def test_every_pattern_that_matches_nothing_is_reported_at_once_with_its_key() -> None:
    section = FreezeSection(
        patterns=("embed", "nope"), stages=(stage(StagePoint(step=5), unfreeze=("nil",), freeze=("none",)),)
    )
    with pytest.raises(RecipeError) as caught:
        plan_freezing(section, NAMES, total_steps=100, steps_per_epoch=25)
    assert [problem.key for problem in caught.value.problems] == [
        ("freeze", "patterns", 1),
        ("freeze", "stages", 0, "unfreeze", 0),
        ("freeze", "stages", 0, "freeze", 0),
    ]


def test_nothing_left_to_train_is_an_error_in_any_stage() -> None:
    with pytest.raises(RecipeError, match="nothing is left to train from step 0 on"):
        planned(patterns=(".",))
    with pytest.raises(RecipeError, match="nothing is left to train from step 25 on"):
        planned(stage(StagePoint(epoch=1.0), freeze=(".",)))


@pytest.mark.parametrize(
    ("pattern", "nearest"),
    [
        (r"^bert\.encoder\.layr\.3\.", "bert.encoder.layer.3.dense.weight"),
        ("clasifier", "classifier.bias"),
        (r"^bert\.embedings", "bert.embeddings.word_embeddings.weight"),
        ("roberta.pooler", "bert.pooler.dense.weight"),
    ],
)
def test_the_nearest_names_are_those_that_were_probably_meant(pattern: str, nearest: str) -> None:
    found = nearest_names(pattern, NAMES)
    assert found[0] == nearest
    assert len(set(found)) == len(found) <= 3


class Toy(nn.Module):
    """Two blocks with dropout and running statistics each."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)) for _ in range(2))
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.high(self.low(inputs)))


def test_a_stage_trains_exactly_its_parameters_and_drops_other_gradients() -> None:
    model = Toy()
    model(torch.randn(8, 4)).sum().backward()
    wanted = frozenset(name for name, _ in model.named_parameters() if name.startswith("high"))
    apply_stage(model, Stage(0, wanted, ""))
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (name in wanted)
        assert (parameter.grad is not None) == (name in wanted)
    everything = frozenset(name for name, _ in model.named_parameters())
    apply_stage(model, Stage(9, everything, ""))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_module_that_is_frozen_as_a_whole_has_no_dropout_and_keeps_its_statistics() -> None:
    model = Toy()
    apply_stage(model, Stage(0, frozenset(n for n, _ in model.named_parameters() if n.startswith("high")), ""))
    set_training_mode(model, frozen_modules(model))
    modes = {name: module.training for name, module in model.named_modules()}
    assert not any(training for name, training in modes.items() if name.startswith("low"))
    assert all(training for name, training in modes.items() if not name.startswith("low"))
    inputs, before = torch.randn(8, 4), model.low[1].running_mean.clone()
    assert torch.equal(model.low(inputs), model.low(inputs))
    assert torch.equal(model.low[1].running_mean, before)


def test_a_module_that_is_frozen_in_part_only_freezes_its_frozen_children() -> None:
    model = Toy()
    apply_stage(model, Stage(0, frozenset({"low.0.weight", "high.0.weight"}), ""))
    set_training_mode(model, frozen_modules(model))
    assert model.low.training
    assert model.low[2].training  # dropout has no parameters of its own: it goes with the block around it
    assert not model.low[1].training


def test_the_dropout_of_a_frozen_encoder_is_off_and_that_of_its_head_is_on(model_folder: Path) -> None:
    from ftcli.modeling.backbone import load_model
    from ftcli.modeling.outputs import Outputs
    from ftcli.spec.sections import ModelSection

    model = load_model(ModelSection(path=str(model_folder)), outputs=Outputs(("a", "b")), seed=1).model
    apply_stage(model, Stage(0, frozenset({"classifier.weight", "classifier.bias"}), ""))
    set_training_mode(model, frozen_modules(model))
    modes = {name: module.training for name, module in model.named_modules()}
    assert not any(training for name, training in modes.items() if name.split(".")[0] == "bert")
    assert modes["dropout"]
    assert modes["classifier"]
