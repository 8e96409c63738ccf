"""What other trainers are known to get wrong: the experiments of `tests/benchmarks`, and the answers that are right.

`python -m tests.benchmarks.against_trainer` puts transformers' Trainer through the same ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.errors import CheckpointError
from ftcli.flows.train import resume, train
from ftcli.spec.recipe import load_recipe
from ftcli.train.events import Event
from tests.benchmarks.experiments import Damage, Resumed, Steps, apply_damage, lay_out
from tests.benchmarks.ours import FILES, Ours

ROUNDING = 1e-9
"""Relative, in float64, which the experiments in one process are done in; those in two are done in float32."""
SINGLE_ROUNDING = 1e-4


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Ours:
    return Ours(lay_out(tmp_path_factory.mktemp("peers")))


@pytest.fixture(autouse=True)
def in_folder(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ours.folder)


def assert_same_step(steps: Steps, rounding: float) -> None:
    assert steps.norm_ratio == pytest.approx(1, rel=rounding)
    assert steps.loss_ratio == pytest.approx(1, rel=rounding)


def assert_resumed_exactly(resumed: Resumed) -> None:
    assert resumed.error is None
    assert resumed.from_step == resumed.newest_step
    assert not resumed.warnings
    assert resumed.same_bits


def assert_fell_back(resumed: Resumed, file: str) -> None:
    """It went on from the older checkpoint, said which it passed over and why, and lost nothing."""
    assert resumed.error is None
    assert resumed.from_step is not None
    assert 0 < resumed.from_step < resumed.newest_step
    assert len(resumed.warnings) == 1
    assert f"step-{resumed.newest_step:06d} is damaged: {file} " in resumed.warnings[0]
    assert resumed.same_bits


def test_r1_eight_micro_batches_of_four_make_the_step_of_32_rows(ours: Ours) -> None:
    steps = ours.accumulation()
    assert_same_step(steps, ROUNDING)
    assert steps.cosine == pytest.approx(1, abs=ROUNDING)
    assert steps.cut.loss < 1  # near the logarithm of two, not a multiple of it


def test_r2_rows_with_unequally_many_items_count_by_item(ours: Ours) -> None:
    steps = ours.uneven_items()
    assert_same_step(steps, ROUNDING)
    assert steps.cosine == pytest.approx(1, abs=ROUNDING)


@pytest.mark.slow
def test_r3_two_processes_take_the_step_of_one(ours: Ours) -> None:
    assert_same_step(ours.two_ranks.steps, SINGLE_ROUNDING)


@pytest.mark.slow
def test_r4_two_processes_score_every_row_once_and_agree_on_the_loss(ours: Ours) -> None:
    found = ours.two_ranks
    assert found.evaluation_loss_ratio == pytest.approx(1, rel=SINGLE_ROUNDING)
    assert found.rows == 21
    assert found.in_order


def test_r5_stopped_in_mid_epoch_and_resumed_no_bit_differs(ours: Ours) -> None:
    assert_resumed_exactly(ours.resumed())


def test_r6_nor_where_rows_are_sorted_by_length_over_several_steps(ours: Ours) -> None:
    assert_resumed_exactly(ours.resumed(sorted_by_length=True))


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (Damage.OPTIMIZER_CUT, FILES.optimizer),
        (Damage.PROGRESS_MISSING, FILES.progress),
        (Damage.WEIGHTS_CUT, FILES.weights),
    ],
)
def test_r7_a_torn_checkpoint_is_passed_over_for_the_older_good_one(ours: Ours, damage: Damage, file: str) -> None:
    assert_fell_back(ours.damaged(damage), file)


def test_r8_a_lost_optimizer_state_is_never_replaced_by_a_fresh_one(ours: Ours) -> None:
    assert_fell_back(ours.damaged(Damage.OPTIMIZER_MISSING), FILES.optimizer)


def test_r8_where_no_checkpoint_has_its_optimizer_state_nothing_is_trained(ours: Ours) -> None:
    run = Path("without-optimizer")
    list(train(load_recipe(Path("tiny.toml"), ["train.stop_after=3"]).spec, run_dir=str(run)))
    checkpoint = (run / "last").resolve()
    apply_damage(checkpoint, Damage.OPTIMIZER_MISSING, FILES)
    events: list[Event] = []
    with pytest.raises(CheckpointError, match=r"state/optimizer\.safetensors is missing"):
        events += resume(run)
    assert not events
    assert [path.name for path in (run / "checkpoints").iterdir()] == [checkpoint.name]


def test_r9_one_flipped_byte_of_the_weights_is_found(ours: Ours) -> None:
    assert_fell_back(ours.damaged(Damage.WEIGHTS_FLIPPED), FILES.weights)


def test_r11_a_frozen_backbone_has_no_dropout_and_no_optimizer_state(ours: Ours) -> None:
    frozen = ours.frozen()
    assert frozen.dropouts > 0
    assert frozen.active_dropouts == 0
    assert frozen.tensors_with_state == 0


def test_r12_what_is_unfrozen_in_mid_run_is_trained_from_then_on(ours: Ours) -> None:
    unfrozen = ours.unfrozen()
    assert unfrozen.before == 0
    assert unfrozen.after > 0


def test_r13_another_rate_is_in_force_from_the_next_step_on(ours: Ours) -> None:
    rate = ours.other_rate()
    assert rate.found == pytest.approx(rate.asked)


def test_r14_another_accumulation_goes_on_to_the_end_with_the_same_rows_a_step(ours: Ours) -> None:
    cut = ours.other_cut()
    assert cut.epochs == 2
    assert cut.steps == 4
    assert cut.rows == 3 * 8 + 5  # three full steps, and the rest of the epoch's 45 rows


@pytest.mark.slow
def test_r17_two_processes_take_the_step_of_one_also_when_they_have_evaluated_before(ours: Ours) -> None:
    assert_same_step(ours.two_ranks.steps_after_scoring, SINGLE_ROUNDING)
