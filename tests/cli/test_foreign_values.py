"""Other tools' words for values, as a user writes them by habit or asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.errors import refused
from tests.conftest import Ftcli, Result


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("optimizer.kind=adamw_torch", 'did you mean `optimizer.kind = "adamw"`? allowed: adamw, sgd, torch, custom'),
        ("optimizer.kind=SGD", 'did you mean `optimizer.kind = "sgd"`? allowed: '),
        ("optimizer.kind=Adam", 'did you mean `optimizer = { kind = "torch", name = "Adam" }`? allowed: '),
        ("optimizer.kind=adafactor", 'did you mean `optimizer = { kind = "torch", name = "Adafactor" }`? '),
        ("optimizer.kind=lion_32bit", 'did you mean `optimizer = { kind = "custom", factory = "module:name" }`? '),
        ("optimizer.kind=SparseAdam", "`SparseAdam` has no place here. It is for sparse gradients, and encoders "),
        ("schedule.kind=constant_with_warmup", 'did you mean `schedule.kind = "constant"`? The warm-up is `schedule.'),
        ("schedule.kind=cosine_with_restarts", 'did you mean `schedule = { kind = "torch", name = "CosineAnnealingW'),
        ("schedule.kind=reduce_lr_on_plateau", "`reduce_lr_on_plateau` has no place here. Its rate follows from "),
        ("schedule.kind=Linear", "did you mean `linear`? allowed: linear, cosine, polynomial, constant, torch"),
        ("precision.kind=no", 'did you mean `precision.kind = "fp32"`? allowed: auto, fp32, bf16, fp16'),
        ("precision.kind=O2", "`O2` has no place here. It is left out on purpose: weights stay fp32."),
        ("distributed.strategy=zero2", 'did you mean `distributed = { strategy = "fsdp", sharding = "stage2" }`? '),
        ("distributed.sharding=full_shard", 'did you mean `distributed = { strategy = "fsdp", sharding = "stage3" }`?'),
        ("run.device=gpu", 'did you mean `run.device = "cuda"`? allowed: auto, cpu, cuda'),
        ("run.device=cuda:1", 'did you mean `run.device = "cuda"`? Which one is for `CUDA_VISIBLE_DEVICES` to say. A'),
        ("run.device=mps", "`mps` has no place here. Only CPUs, and GPUs under CUDA, are tested and known. Allowed: "),
        ("evaluate.every=epoch", "did you mean `evaluate.every = { epochs = 1.0 }`?\n"),
        ("evaluate.delay=epoch", "did you mean `evaluate.delay = { epochs = 1.0 }`?\n"),
        ("checkpoint.every=epochs", "did you mean `checkpoint.every = { epochs = 1.0 }`?\n"),
        ("checkpoint.every=best", 'did you mean `checkpoint.every = "never"`? The best and the last are always saved.'),
        ("log.every=steps", "did you mean `log.every = 500`? A number counts steps.\n"),
        ("log.every=no", 'did you mean `log.every = "never"`?\n'),
        ("evaluate.best=eval_f1", "did you mean `f1`? transformers puts `eval_` before it; there are loss, accuracy, "),
    ],
)
def test_another_tools_word_as_a_value_is_told_with_what_stands_here_for_it(
    project: Path, ftcli: Ftcli, setting: str, hint: str
) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", setting), 2)
    assert f"\n  --> --set {setting}\nhelp: {hint}" in error
    assert error.count("error[") == 1


def test_the_way_out_can_be_taken_as_it_is_told(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", "optimizer.kind=adafactor"), 2)
    told = error.split("did you mean `")[1].split("`?")[0]
    assert ftcli("train", "tiny.toml", "--set", told, "--set", "train.steps=1").code == 0


@pytest.mark.parametrize(
    ("word", "here"),
    [
        ("adamw_torch", 'adamw_torch        optimizer.kind = "adamw"\nas optimizer.kind'),
        ("--adamw-torch", 'adamw_torch        optimizer.kind = "adamw"\nas optimizer.kind'),
        ("AdamW", 'AdamW              optimizer.kind = "adamw"\n'),
        ("full_shard", 'FULL_SHARD               distributed = { strategy = "fsdp", sharding = "stage3"'),
        ("sparseadam", "SparseAdam         no place here\nas optimizer.kind  It is for sparse gradients, and "),
        ("epoch", "epoch                evaluate.every = { epochs = 1.0 }\nas evaluate.every\nepoch     "),
    ],
)
def test_another_tools_word_is_explained(ftcli: Ftcli, word: str, here: str) -> None:
    result = ftcli("explain", word)
    assert result.code == 0, result.err
    assert result.out.startswith(here)


def test_below_a_word_stands_its_key(ftcli: Ftcli) -> None:
    assert ftcli("explain", "adamw_torch").out.endswith("\n\n" + ftcli("explain", "optimizer.kind").out)


def one_line(result: Result) -> str:
    """What was printed, without the folding of its right column."""
    return " ".join(result.out.split())


@pytest.mark.parametrize("word", ["peft", "lora", "lora_r", "lora_rank", "LoraConfig"])
def test_adapters_have_no_place_and_their_name_is_no_slip(ftcli: Ftcli, word: str) -> None:
    result = ftcli("explain", word)
    assert result.code == 0, result.err
    assert " no place here\n" in result.out
    assert "There are no adapters: an encoder is trained whole, or in part by `freeze.patterns`." in one_line(result)


@pytest.mark.parametrize("word", ["load_best_model_at_end", "fsdp_auto_wrap_policy"])
def test_what_happens_anyway_is_told_to_need_no_asking(ftcli: Ftcli, word: str) -> None:
    assert " without being asked for\n" in ftcli("explain", word).out


def test_a_tool_may_be_written_in_capitals(ftcli: Ftcli) -> None:
    assert ftcli("explain", "--from", "Transformers").out == ftcli("explain", "--from", "transformers").out != ""
