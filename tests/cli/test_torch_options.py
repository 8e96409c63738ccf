"""Options of torch's optimizers and schedulers that a recipe gives wrongly: refused with what would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.spec.torch_names import TORCH_OPTIMIZERS
from tests.cli.errors import refused
from tests.conftest import Ftcli

ADAM = "its options: betas = [0.9, 0.999], eps = 1e-08,"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("named", "options", "what", "hint"),
    [
        (
            "optimizer Adam",
            "betas=[0.9]",
            "betas` of `{}` must be an array of 2 numbers, not [0.9]",
            "betas = [0.9,",
        ),
        ("optimizer Adam", "betas='x'", 'betas` of `{}` must be an array of 2 numbers, not "x"', "betas = [0.9,"),
        (
            "optimizer Adam",
            "maximize='yes'",
            'maximize` of `{}` must be true or false, not "yes"',
            "maximize = false",
        ),
        ("optimizer Adam", "eps='1e-8'", 'eps` of `{}` must be a number, not "1e-8"', "eps = 1e-08"),
        ("optimizer SGD", "momentum=true", "momentum` of `{}` must be a number, not true", "momentum = 0"),
        (
            "schedule OneCycleLR",
            "max_lr=1, anneal_strategy='x'",
            'must be "cos" or "linear", not "x"',
            '_strategy = "cos',
        ),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_default(
    ftcli: Ftcli, named: str, options: str, what: str, hint: str
) -> None:
    table, name = named.split()
    setting = f"{table}={{kind='torch', name='{name}', options={{{options}}}}}"
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert f"error[recipe]: `{table}.options." in error
    assert what.format(f"torch.optim:{name}") in error
    assert "help: its default is " in error
    assert hint in error
    assert not Path("run").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "options", "what", "hint"),
    [
        ("StepLR", "step_size='x'", 'step_size` of `{}` must be a whole number, not "x"', "step_size, gamma = 0.1"),
        ("StepLR", "step_size=2.5", "step_size` of `{}` must be a whole number, not 2.5", "step_size, gamma = 0.1"),
        ("MultiStepLR", "milestones=3", "`{}` must be an array of whole numbers, not 3", "milestones, gamma = 0.1"),
        (
            "MultiStepLR",
            "milestones=[1,'a']",
            '`{}` must be an array of whole numbers, not [1, "a"]',
            "milestones, gamma",
        ),
        ("CyclicLR", "base_lr='x', max_lr=1", "`{}` must be a number or an array of numbers, not", "base_lr, max_lr, "),
        (
            "CosineAnnealingWarmRestarts",
            "T_0=-1",
            "`{}` fails: ValueError: Expected positive integer T_0",
            "T_0, T_mult",
        ),
        (
            "CosineAnnealingLR",
            "T_max=2, eta_min=-1",
            "gives rates below zero, or without end, within 12 steps",
            "T_max, eta_min",
        ),
    ],
)
def test_one_without_a_default_or_that_torch_refuses_is_told_with_all_options(
    ftcli: Ftcli, name: str, options: str, what: str, hint: str
) -> None:
    setting = f"schedule={{kind='torch', name='{name}', options={{{options}}}}}"
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert what.format(f"torch.optim.lr_scheduler:{name}") in error
    assert f"help: its options: {hint}" in error


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("betas=[2.0, 3.0]", "`torch.optim:Adam` fails: ValueError: Invalid beta parameter at index 0: 2.0"),
        ("fused=true, foreach=true", "`torch.optim:Adam` fails: RuntimeError: `fused` and `foreach` cannot be `True`"),
        ("capturable=true", "`torch.optim:Adam` fails: AssertionError: If capturable=True, params and state_steps"),
    ],
)
def test_what_an_optimizer_of_torch_refuses_is_told_in_its_words_with_its_options(
    ftcli: Ftcli, options: str, what: str
) -> None:
    setting = f"optimizer={{kind='torch', name='Adam', options={{{options}}}}}"
    error = refused(ftcli("train", "tiny.toml", "--set", "run.device=cpu", "--set", setting), 2)
    assert f"error[recipe]: {what}" in error
    assert f"help: {ADAM}" in error


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "options", "reason", "hint"),
    [
        ("StepLR", "step_size=0", "ZeroDivisionError", "give step_size another value than 0; its options: step_size, "),
        ("CosineAnnealingLR", "T_max=0", "ZeroDivisionError", "give T_max another value than 0; its options: T_max, "),
        ("CosineAnnealingLR", "eta_min=0, T_max=0", "ZeroDivisionError", "give T_max another value than 0; "),
        ("OneCycleLR", "max_lr=1, pct_start=3, epochs=4, steps_per_epoch=3", "pct_start", "its options: max_lr, "),
        (
            "OneCycleLR",
            "max_lr=1",
            "You must define either total_steps OR",
            "schedule.options.total_steps = 10, as many",
        ),
        (
            "OneCycleLR",
            "max_lr=1, total_steps=3, cycle_momentum=false",
            "Tried to step 4 times",
            "schedule.options.total_steps = 10, as many as the run has after its warm-up",
        ),
    ],
)
def test_a_scheduler_that_fails_is_told_with_the_number_or_the_steps_that_it_needs(
    ftcli: Ftcli, name: str, options: str, reason: str, hint: str
) -> None:
    setting = f"schedule={{kind='torch', name='{name}', warmup=2, options={{{options}}}}}"
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert reason in error
    assert f"help: {hint}" in error


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "setting",
    [
        "optimizer={kind='torch', name='Adam', options={betas=[0, 0.999]}}",
        "schedule={kind='torch', name='CosineAnnealingLR', options={T_max=1e3, eta_min=0}}",
        "schedule={kind='torch', name='MultiStepLR', options={milestones=[2.0, 1e1]}}",
    ],
)
def test_numbers_are_taken_with_and_without_a_point(ftcli: Ftcli, setting: str) -> None:
    done = ftcli("train", "tiny.toml", "--set", setting, "--set", "train.steps=2")
    assert done.code == 0, done.err


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("optimizer={kind='torch', name='Adam', options={weight_decays=0.1}}", "takes no option `weight_decays`"),
        ("optimizer={kind='torch', name='Adam', options={eps=-1}}", "Invalid epsilon value"),
        ("schedule={kind='torch', name='StepLR', options={step_size=2, last_epoch=3}}", "takes no option `last_epoch`"),
    ],
)
def test_options_that_would_be_refused_are_not_offered(ftcli: Ftcli, setting: str, what: str) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert what in error
    hint = next(line for line in error.splitlines() if line.startswith("help: "))
    assert " weight_decay" not in hint
    assert "`weight_decay" not in hint
    assert "last_epoch" not in hint


@pytest.mark.usefixtures("project")
def test_the_steps_that_a_scheduler_is_to_be_given_are_the_ones_it_has(ftcli: Ftcli) -> None:
    options = "options={max_lr=1, total_steps=10, cycle_momentum=false}"
    setting = f"schedule={{kind='torch', name='OneCycleLR', warmup=2, {options}}}"
    assert ftcli("train", "tiny.toml", "--set", setting).code == 0


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
def test_every_optimizer_that_is_suggested_steps_an_encoder(ftcli: Ftcli, name: str) -> None:
    setting = f"optimizer={{kind='torch', name='{name}', weight_decay=0}}"
    done = ftcli("train", "tiny.toml", "--set", setting, "--set", "train.steps=1")
    assert done.code == 0, done.err


@pytest.mark.usefixtures("project")
def test_options_of_the_right_types_are_taken(ftcli: Ftcli) -> None:
    setting = "optimizer={kind='torch', name='Adam', options={betas=[0.0, 0.99], eps=1, amsgrad=true, foreach=false}}"
    done = ftcli("train", "tiny.toml", "--set", setting, "--set", "train.steps=1")
    assert done.code == 0, done.err
