"""When a run evaluates, when it ends, and which rows its steps see, as a user asks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AlbertConfig, AlbertModel, AutoTokenizer

from tests.cli.errors import refused
from tests.conftest import Ftcli, make_model, make_rows, write_rows

STILL = ("--set", "optimizer.lr=0", "--set", "evaluate.every=1")
"""Nothing is learned, so no evaluation but the first is a new best."""


def events(name: str, run: Path = Path("run")) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record for record in records if record["event"] == name]


def scored(run: Path) -> list[int]:
    """The steps after which the validation split was scored."""
    return [record["step"] for record in events("evaluated", run) if record["split"] == "validation"]


def test_a_run_ends_when_it_has_been_patient_for_long_enough(project: Path, ftcli: Ftcli) -> None:
    write_rows(project / "test.jsonl", make_rows(5, seed=9))
    more = ("--set", "data.test=test.jsonl")
    done = ftcli("train", "tiny.toml", *STILL, *more, "--set", "evaluate.patience=2")
    assert done.code == 0, done.err
    assert "finished early, for lack of a new best: step 3/12" in done.err
    assert len((project / "run/predictions/test.jsonl").read_text().splitlines()) == 5
    assert json.loads((project / "run/last/manifest.json").read_text())["step"] == 3
    again = ftcli("resume", "run")
    assert again.code == 0
    assert "already finished" in again.err
    longer = ftcli("resume", "run", "--set", "evaluate.patience=4")
    assert longer.code == 0, longer.err
    assert "finished early, for lack of a new best: step 5/12" in longer.err


def test_a_new_best_begins_the_count_anew(project: Path, ftcli: Ftcli) -> None:
    common = ("--set", "evaluate.every=1", "--set", "evaluate.best=loss", "--set", "optimizer.lr=5e-3")
    common += ("--set", "schedule.kind=constant", "--set", "train.steps=30")
    assert ftcli("train", "tiny.toml", *common, "--run-dir", "whole").code == 0
    losses = [record["loss"] for record in events("evaluated", Path("whole")) if record["split"] == "validation"]
    counts: list[int] = []
    for number, loss in enumerate(losses):
        counts.append(counts[-1] + 1 if number and loss >= min(losses[:number]) else 0)
    assert 0 in counts[counts.index(1) :]  # a new best after a worse one
    patience = next(most for most in range(2, 30) if counts.index(most) > counts.index(1) + most - 1)
    assert ftcli("train", "tiny.toml", *common, "--set", f"evaluate.patience={patience}").code == 0
    assert json.loads((project / "run/last/manifest.json").read_text())["step"] == counts.index(patience) + 1


def test_it_waits_with_the_first_evaluation(project: Path, ftcli: Ftcli) -> None:
    delays = (("steps", "evaluate.delay=5"), ("epochs", "evaluate.delay={epochs=1.5}"))
    for name, delay in delays:
        done = ftcli("train", "tiny.toml", "--set", "evaluate.every=2", "--set", delay, "--run-dir", name)
        assert done.code == 0, done.err
    assert scored(Path("steps")) == [6, 8, 10, 12]
    assert scored(Path("epochs")) == [10, 12]


def test_it_evaluates_so_many_times_at_least(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "evaluate.at_least=4", "--set", "evaluate.every={epochs=2}").code == 0
    assert [record["step"] for record in events("evaluated") if record["split"] == "validation"] == [3, 6, 9, 12]
    rare = ("--set", "evaluate.at_least=2", "--set", "evaluate.every=2", "--run-dir", "often")
    assert ftcli("train", "tiny.toml", *rare).code == 0
    assert len([each for each in events("evaluated", Path("often")) if each["split"] == "validation"]) == 6


def test_so_many_evaluations_are_spread_over_what_a_delay_leaves(project: Path, ftcli: Ftcli) -> None:
    late = ("--set", "evaluate.at_least=5", "--set", "evaluate.delay=6")
    assert ftcli("train", "tiny.toml", *late, "--run-dir", "late").code == 0
    assert scored(Path("late")) == [6, 7, 9, 11, 12]
    many = ("--set", "evaluate.at_least=50", "--set", "evaluate.delay=9")
    assert ftcli("train", "tiny.toml", *many, "--run-dir", "many").code == 0
    assert scored(Path("many")) == [9, 10, 11, 12]


def test_a_delay_that_is_longer_than_the_run_is_named(project: Path, ftcli: Ftcli) -> None:
    done = ftcli("train", "tiny.toml", "--set", "evaluate.delay=100")
    assert done.code == 0
    assert "`evaluate.delay` is longer than the run's 12 steps: nothing is evaluated" in done.err


def test_rows_that_make_no_full_step_are_left_out_of_their_epoch(project: Path, ftcli: Ftcli) -> None:
    num_rows = len((project / "train.jsonl").read_text().splitlines())
    size = num_rows // 2 - 1
    settings = ("--set", f"batch.size={size}", "--set", "batch.drop_last=true", "--set", "log.every=1")
    assert ftcli("train", "tiny.toml", *settings).code == 0
    [started] = events("run_started")
    assert started["steps_per_epoch"] == 2
    what = f"`batch.drop_last` leaves nothing of {num_rows} rows in steps of {num_rows + 1}"
    larger = ("--set", f"batch.size={num_rows + 1}", "--set", "batch.drop_last=true", "--run-dir", "none")
    error = refused(ftcli("train", "tiny.toml", *larger), 2)
    assert what in error
    assert "help: leave it out, or use a smaller batch.size" in error


def test_the_order_of_rows_has_a_seed_of_its_own_if_it_is_given_one(project: Path, ftcli: Ftcli) -> None:
    common = ("--set", "model.dropout=0.0", "--set", "optimizer.lr=0", "--set", "log.every=1")
    for run, seeds in (("a", ("7", "run")), ("b", ("7", "9")), ("c", ("8", "9")), ("d", ("7", "7"))):
        settings = ("--set", f"run.seed={seeds[0]}", "--set", f"batch.seed={seeds[1]}", "--run-dir", run)
        assert ftcli("train", "tiny.toml", *common, *settings).code == 0
    losses = {run: [record["loss"] for record in events("step_done", Path(run))] for run in "abcd"}
    assert losses["a"] == losses["d"] != losses["b"]
    assert losses["b"] != losses["c"]  # the same rows, and another new classifier


def test_fp16_begins_with_the_scale_that_is_asked_for(project: Path, ftcli: Ftcli) -> None:
    settings = ("--set", "precision.kind=fp16", "--set", "precision.loss_scale=128", "--set", "train.steps=1")
    assert ftcli("train", "tiny.toml", *settings).code == 0
    assert json.loads((project / "run/last/state/scaler.json").read_text())["scale"] == 128


@pytest.mark.parametrize(
    ("setting", "what", "hint"),
    [
        (
            "optimizer={kind='torch', name='LBFGS'}",
            "`LBFGS` can't be used here: it computes the loss several times in a step",
            "there are ASGD, Adadelta, Adafactor, Adagrad,",
        ),
        (
            "optimizer={kind='torch', name='Muon'}",
            "`Muon` can't be used here: it is for matrices alone, and the biases and norms of an encoder are vectors",
            "there are ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, NAdam, RAdam, RMSprop, Rprop, SGD",
        ),
        ("optimizer={kind='torch', name='Adagrat'}", "torch has no `Adagrat`", "did you mean `Adagrad`?"),
        ("optimizer={kind='torch', name='radam'}", "torch has no `radam`", "did you mean `RAdam`?"),
        (
            "optimizer={kind='torch', name='ReduceLROnPlateau'}",
            "`ReduceLROnPlateau` is a scheduler, not an optimizer",
            "its place is `schedule.name`, but it can't be used there: its rate follows from scores,",
        ),
        (
            "optimizer={kind='torch', name='StepLR'}",
            "`StepLR` is a scheduler, not an optimizer",
            'schedule = { kind = "torch", name = "StepLR" }',
        ),
        (
            "schedule={kind='torch', name='RAdam'}",
            "`RAdam` is an optimizer, not a scheduler",
            'optimizer = { kind = "torch", name = "RAdam" }',
        ),
        (
            "optimizer={kind='torch', name='SparseAdam'}",
            "`SparseAdam` can't be used here: it is for sparse gradients, and encoders have dense ones",
            "there are ASGD, Adadelta,",
        ),
        (
            "schedule={kind='torch', name='SequentialLR'}",
            "`SequentialLR` can't be used here: it is made of other schedulers, which a recipe can't hold",
            "there are ConstantLR, CosineAnnealingLR,",
        ),
        (
            "schedule={kind='torch'}",
            "missing key `name` in [schedule]",
            'such as "CosineAnnealingWarmRestarts", "ConstantLR", "CosineAnnealingLR", "CyclicLR", "ExponentialLR",',
        ),
        ("optimizer={kind='torch'}", "missing key `name` in [optimizer]", 'such as "Adagrad", "ASGD", "Adadelta",'),
        (
            "optimizer={kind='torch', name='Rprop'}",
            "torch.optim.Rprop has no weight decay, and `optimizer.weight_decay` is 0.01",
            "optimizer.weight_decay = 0",
        ),
        (
            "optimizer={kind='torch', name='Adagrad', options={decay=1}}",
            "`torch.optim:Adagrad` takes no option `decay`",
            "did you mean `lr_decay`?",
        ),
        (
            "schedule={kind='torch', name='ReduceLROnPlateau'}",
            "`ReduceLROnPlateau` can't be used here: its rate follows from scores, so it is no function of the step",
            "there are ConstantLR,",
        ),
        (
            "schedule={kind='torch', name='StepLR'}",
            "`torch.optim.lr_scheduler:StepLR` needs the option `step_size`",
            "`schedule.options` = { step_size = ... }",
        ),
    ],
)
def test_what_of_torch_does_not_fit_is_refused_with_what_does(
    project: Path, ftcli: Ftcli, setting: str, what: str, hint: str
) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert f"error[recipe]: {what}\n" in error
    assert f"help: {hint}" in error
    assert not Path("run").exists()


def test_layers_that_can_not_be_computed_again_are_refused(project: Path, ftcli: Ftcli) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make_model(project / "bert"))
    sizes = {"embedding_size": 8, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    AlbertModel(AlbertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(project / "albert")
    tokenizer.save_pretrained(project / "albert")
    settings = ("--set", "model.path=albert", "--set", "train.recompute=true")
    error = refused(ftcli("train", "tiny.toml", *settings), 2)
    assert "the layers of AlbertForSequenceClassification can't be computed again" in error
    assert "help: leave train.recompute out" in error
