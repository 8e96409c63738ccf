"""The user's own code, tried before a run begins: on a few made-up rows, and on a parameter of no model.

What goes wrong in it then costs no training. That it does well here does not mean that it will on real rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import FtcliError, RecipeError
from ftcli.modeling.heads import CustomHeadModel
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.calling import FailingCodeError, failing_as
from ftcli.runtime.code import Key, place_in
from ftcli.runtime.encoding import Encoded
from ftcli.spec.metrics import METRICS, metric_meant
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task, collate

_MOST_ROWS = 64
_TOKEN = 2
"""Of every vocabulary, however small."""


def try_task(model: nn.Module, task: Task, facts: LabelFacts, evaluate: EvaluateSection) -> None:
    """Pass a few rows through a model and its task, on the CPU, without dropout; nothing is changed.

    Raises:
        RecipeError: a head, a loss, a task or a metric fails, or gives something of another form than is wanted.
    """
    split = _made_up(task.outputs, facts)
    batch = collate(split, torch.arange(split.num_sequences), pad_id=0)
    model.eval()
    try:
        loss = task.loss(model, batch)
        with torch.no_grad():
            found = task.infer(model, batch, with_loss=True)
    except FtcliError:
        raise
    except Exception as error:
        what = f"the recipe's own code fails on a few made-up rows: {type(error).__name__}: {error}"
        raise RecipeError(what, where=place_in(error), key=("task", "factory")) from error
    _check_shape(loss, [], "`loss`", "the sum over the batch's items")
    _check_shape(found.scores, [split.num_items, task.outputs.size], "`infer`", "scores [items, outputs]")
    if isinstance(model, CustomHeadModel):
        _check_head_is_used(model.head, loss)
    with torch.no_grad():
        measured = _measured(model, task, found.scores, split)
    if measured is not None:
        _check_names(measured, facts.task, evaluate)


def _check_shape(value: object, wanted: Sequence[int], what: str, meaning: str) -> None:
    shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if shape != list(wanted):
        text = f"{what} of the task gives {shape}, where {list(wanted)} is wanted: {meaning}"
        raise RecipeError(text, key=("task", "factory"))


def _check_head_is_used(head: nn.Module, loss: Tensor) -> None:
    """DDP waits for the gradient of every parameter, and would wait for ever."""
    named = [(name, each) for name, each in head.named_parameters() if each.requires_grad]
    gradients = torch.autograd.grad(loss, [each for _, each in named], allow_unused=True)
    unused = [name for (name, _), each in zip(named, gradients, strict=True) if cast("Tensor | None", each) is None]
    if unused:
        what = f"the loss does not depend on the head's parameter `{unused[0]}`"
        hint = "leave it out: several processes could not train it"
        raise RecipeError(what, hint=hint, key=("model", "head_factory"))


def _measured(model: nn.Module, task: Task, scores: Tensor, split: TokenizedSplit) -> dict[str, float] | None:
    """The metrics; None where they fail, for what fails on rows that are made up may do well on real ones."""
    try:
        return task.measure(task.conclude(model, scores, split), split)
    except FailingCodeError:
        return None
    except FtcliError:
        raise
    except Exception:
        return None


def _check_names(measured: dict[str, float], task: str, evaluate: EvaluateSection) -> None:
    """Names of metrics that the task knows are right, even where a metric is left out; others must be given."""
    known = {*measured, *METRICS.get(task, ()), "loss"}
    listed = () if evaluate.metrics == "auto" else evaluate.metrics
    named = [(evaluate.best, ("evaluate", "best")), *((each, ("evaluate", "metrics")) for each in listed)]
    for name, key in named:
        if name not in known:
            hint = f"{metric_meant(name, known)}there are {', '.join(measured)}"
            raise RecipeError(f"there is no metric `{name}`", hint=hint, key=key)


def _made_up(outputs: Outputs, facts: LabelFacts) -> TokenizedSplit:
    """Rows of three and four tokens in turn, which go through the labels; of words, each has one or two."""
    num_rows = min(_MOST_ROWS, max(4, outputs.size))
    lengths = [3 + row % 2 for row in range(num_rows)]
    positions = [list(range(1, length - 1)) for length in lengths] if facts.task == "tagging" else None
    num_items = num_rows if positions is None else sum(map(len, positions))
    encoded = Encoded([[_TOKEN] * length for length in lengths], None, lengths, positions=positions)
    return TokenizedSplit.of(encoded, _targets(facts, num_items))


def _targets(facts: LabelFacts, num_items: int) -> Tensor:
    numbers = torch.arange(num_items)
    num_labels = max(1, len(facts.labels))
    match facts.task:
        case "regression":
            return torch.linspace(0, 1, num_items)
        case "multilabel":
            return torch.nn.functional.one_hot(numbers % num_labels, num_labels).to(torch.uint8)
        case _:
            return numbers % num_labels


def try_optimizer(optimizer: object, address: str, *, key: Key, hint: str | None = None) -> None:
    """Take a step with an optimizer that the recipe names, made for one parameter that stands for all.

    `hint` is what to do where it fails outside of the user's own code.

    Raises:
        RecipeError: it is none, it fails, or it keeps what no checkpoint could hold.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise RecipeError(f"`{address}` makes {type(optimizer).__name__}, which is no torch optimizer", key=key)
    before = _settings(optimizer)
    for group in optimizer.param_groups:
        for parameter in cast("list[Tensor]", group["params"]):
            parameter.grad = torch.ones_like(parameter)
    with failing_as(address, key=key, hint=hint):
        optimizer.step()
    hint = "keep it as a tensor in the parameter's state: a checkpoint holds nothing else"
    for values in cast("Any", optimizer.state).values():
        for name, value in values.items():
            if value is not None and not isinstance(value, Tensor):
                what = f"`{address}` keeps `{name}`, which is {type(value).__name__} and no tensor"
                raise RecipeError(what, hint=hint, key=key)
    after = _settings(optimizer)
    if changed := sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
        what = f"`{address}` changes `{changed[0]}` of a group of parameters in a step"
        raise RecipeError(what, hint=hint, key=key)


def _settings(optimizer: torch.optim.Optimizer) -> dict[str, str]:
    """A group's values but its parameters, as text, which any of them has."""
    return {str(k): repr(v) for group in optimizer.param_groups for k, v in group.items() if k != "params"}
