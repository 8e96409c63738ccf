"""Whether a recipe's numbers fit its model, its data and each other, and how long its run is."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from ftcli.data.dataset import Prepared
from ftcli.data.plan import steps_per_epoch
from ftcli.errors import RecipeError
from ftcli.modeling.backbone import longest_row
from ftcli.modeling.tokenizer import Tokenizer
from ftcli.spec.run import RunSpec
from ftcli.spec.wording import counted
from ftcli.train.progress import Limits, due_every
from ftcli.train.schedules import multiplier


def check_fit(spec: RunSpec, model: nn.Module, tokenizer: Tokenizer, prepared: Prepared) -> None:
    """Make sure that the model can read what the tokenizer makes of the rows, and that pairs are pairs.

    Raises:
        RecipeError: it can't, or they aren't.
    """
    _check_length(spec, model, tokenizer)
    _check_vocabulary(model, tokenizer)
    _check_symmetry(spec, prepared)


def _check_length(spec: RunSpec, model: nn.Module, tokenizer: Tokenizer) -> None:
    limits = [limit for limit in (longest_row(model), tokenizer.max_length) if limit]
    if limits and spec.data.max_length > min(limits):
        most = counted(min(limits), "token")
        what = f"`data.max_length` is {spec.data.max_length}, but {spec.model.path} reads at most {most}"
        raise RecipeError(what, hint=f"use at most {min(limits)}", key=("data", "max_length"))


def _check_vocabulary(model: nn.Module, tokenizer: Tokenizer) -> None:
    embeddings = cast("nn.Embedding", cast("Any", getattr(model, "encoder", model)).get_input_embeddings())
    if tokenizer.size > embeddings.num_embeddings:
        what = f"the tokenizer has {counted(tokenizer.size, 'token')}, but the model knows {embeddings.num_embeddings}"
        raise RecipeError(what, hint="use the model's own: leave model.tokenizer out", key=("model", "tokenizer"))


def _check_symmetry(spec: RunSpec, prepared: Prepared) -> None:
    if getattr(spec.task, "symmetric", False) and prepared.facts.columns.pair is None:
        what = "`task.symmetric` is for pairs, and the data has one text"
        raise RecipeError(what, hint="leave it out, or name the second text: columns.pair", key=("task", "symmetric"))


def limits_of(spec: RunSpec, num_rows: int, start_step: int) -> Limits:
    """A run's length and cadences for so many training rows, going on after `start_step` steps.

    Raises:
        RecipeError: it would end before that, or its warm-up is longer than the run.
    """
    per_epoch = steps_per_epoch(num_rows, spec.batch)
    if per_epoch == 0:
        what = f"`batch.drop_last` leaves nothing of {counted(num_rows)} in steps of {spec.batch.size}"
        raise RecipeError(what, hint="leave it out, or use a smaller batch.size", key=("batch", "drop_last"))
    total = spec.train.steps if spec.train.steps != "off" else max(1, round(spec.train.epochs * per_epoch))
    if total < start_step:
        done = counted(start_step, "step")
        what = f"the run has done {done} already, and would end after {total}"
        key = ("train", "steps" if spec.train.steps != "off" else "epochs")
        raise RecipeError(what, hint=f"at least {done} ({start_step / per_epoch:.2f} epochs)", key=key)
    multiplier(spec.schedule, total - 1, total)
    evaluate = due_every(spec.evaluate.every, per_epoch, delay=spec.evaluate.delay)
    stop = total if spec.train.stop_after == "never" else min(total, start_step + spec.train.stop_after)
    return Limits(
        total_steps=total,
        steps_per_epoch=per_epoch,
        stop_step=stop,
        log=due_every(spec.log.every, per_epoch),
        evaluate=evaluate.at_least(spec.evaluate.at_least, of=total),
        save=due_every(spec.checkpoint.every, per_epoch),
    )
