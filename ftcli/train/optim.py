"""Optimizers and their parameter groups, with state that is known by parameter names.

The optimizer owns every parameter from the first step on. A frozen one has no gradient, so it costs no state and is
neither moved nor decayed; stages need no surgery on the groups.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ftcli.errors import CheckpointError, RecipeError
from ftcli.modeling.freezing import check_pattern
from ftcli.runtime.arguments import Options
from ftcli.runtime.calling import FailingCodeError, call
from ftcli.runtime.code import Key, find_factory
from ftcli.runtime.partition import PartitionedOptimizer
from ftcli.runtime.world import World
from ftcli.spec.choices import SGD, AdamW, CustomOptimizer, OptimizerChoice, TorchOptimizer
from ftcli.train.by_name import check_takes_steps
from ftcli.train.trial import try_optimizer

_LAYER = re.compile(r"\.(?:layer|layers|h)\.(\d+)\.")
BASE = "base"
"""The rate group of parameters that no `[[optimizer.groups]]` entry matches."""


@dataclass(frozen=True, slots=True)
class ParameterRule:
    """How one parameter is trained: its rate before the schedule, its weight decay, and the group it is shown in."""

    name: str
    group: str
    lr: float
    weight_decay: float


def rules_for(choice: OptimizerChoice, model: nn.Module) -> list[ParameterRule]:
    """Each parameter's rate and decay: the first matching group wins, then layer decay, then no decay on vectors.

    Raises:
        RecipeError: a group's pattern matches no parameter, or none that an earlier group left.
    """
    parameters = dict(model.named_parameters())
    names = list(parameters)
    problems = [
        problem
        for number, group in enumerate(choice.groups)
        for problem in check_pattern(group.match, names, key=("optimizer", "groups", number, "match"))
    ]
    if problems:
        raise RecipeError(problems)
    top = max((_layer_of(name) for name in names), default=0)
    rules = [_rule(choice, name, parameter, top) for name, parameter in parameters.items()]
    used = {rule.group for rule in rules}
    for number, group in enumerate(choice.groups):
        if group.match not in used:
            what = f"`{group.match}` matches only parameters that an earlier group has taken"
            raise RecipeError(what, hint="the first match wins", key=("optimizer", "groups", number, "match"))
    return rules


def _rule(choice: OptimizerChoice, name: str, parameter: nn.Parameter, top: int) -> ParameterRule:
    group = next((g for g in choice.groups if re.search(g.match, name)), None)
    lr = choice.lr if group is None or group.lr == "inherit" else group.lr
    decays = choice.decay_biases_and_norms or parameter.ndim > 1
    decay = choice.weight_decay if decays else 0.0
    if group is not None and group.weight_decay != "inherit":
        decay = group.weight_decay
    return ParameterRule(name, group.match if group else BASE, lr * choice.layer_decay ** _depth(name, top), decay)


def _layer_of(name: str) -> int:
    found = _LAYER.search(name)
    return int(found[1]) if found else -1


def _depth(name: str, top: int) -> int:
    """Layers below the head: 0 for it, 1 for the topmost layer, one more than the lowest layer for embeddings."""
    layer = _layer_of(name)
    if layer >= 0:
        return top - layer + 1
    return top + 2 if "embed" in name else 0


class NamedOptimizer:
    """A torch optimizer that knows its parameters' names."""

    def __init__(
        self, inner: torch.optim.Optimizer, groups: Sequence[tuple[str, float, list[str]]], world: World
    ) -> None:
        self.inner = inner
        self._world = world
        self._groups = groups
        self._names = [name for _, _, names in groups for name in names]
        self._parameters: list[Tensor] = [p for group in inner.param_groups for p in group["params"]]

    def set_rates(self, multiplier: float) -> None:
        """Give every group its rate times the schedule's multiplier."""
        for group, (_, lr, _) in zip(self.inner.param_groups, self._groups, strict=True):
            group["lr"] = lr * multiplier

    def rates(self) -> dict[str, float]:
        """The rate in force in each named group; of one with layer decay the highest, and the `lowest` beside it."""
        found: dict[str, list[float]] = defaultdict(list)
        for group, (label, _, _) in zip(self.inner.param_groups, self._groups, strict=True):
            found[label].append(float(group["lr"]))
        rates: dict[str, float] = {}
        for label, values in found.items():
            rates[label] = max(values)
            if min(values) < max(values):
                rates[f"{label} lowest"] = min(values)
        return rates

    def forget_frozen(self) -> None:
        """Drop the state of parameters that are not trained any more."""
        for parameter in [p for p in self.inner.state if not p.requires_grad]:
            del self.inner.state[parameter]

    def state(self) -> dict[str, Tensor]:
        """The optimizer's tensors, keyed `exp_avg/bert.encoder...`.

        Raises:
            CheckpointError: it keeps something else than tensors, which a checkpoint can't hold.
        """
        found: dict[str, Tensor] = {}
        for index, values in self.inner.state_dict()["state"].items():
            for key, value in values.items():
                if value is None:
                    continue
                if not isinstance(value, Tensor):
                    what = f"the optimizer keeps `{key}`, which is {type(value).__name__} and no tensor"
                    raise CheckpointError(what, hint="keep it as a tensor: a checkpoint holds nothing else")
                found[f"{key}/{self._names[index]}"] = value.detach().contiguous()
        return found

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` gave on all processes, by name: each keeps its part.

        Raises:
            CheckpointError: there is state for a parameter that the model does not have.
        """
        places = {name: index for index, name in enumerate(self._names)}
        state: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if name not in places:
                raise CheckpointError(f"the optimizer's state holds {name}, which the model does not have")
            state[places[name]][kind] = self._world.part_of(value, like=self._parameters[places[name]])
        whole: dict[str, Any] = self.inner.state_dict()
        self.inner.load_state_dict({"state": dict(state), "param_groups": whole["param_groups"]})


class OptimizerFactory(Protocol):
    """What `optimizer.factory` names: makes an optimizer of torch's kind, all of whose state must be tensors."""

    def __call__(self, groups: list[dict[str, Any]], *, lr: float, **options: Any) -> torch.optim.Optimizer:
        """The optimizer.

        Args:
            groups: `params`, `lr` and `weight_decay` of each group; the schedule sets the groups' `lr` in every step.
            lr: The recipe's `optimizer.lr`.
            options: The recipe's `optimizer.options`.
        """
        ...


def build_optimizer(
    model: nn.Module, choice: OptimizerChoice, rules: Sequence[ParameterRule], world: World
) -> NamedOptimizer:
    """The optimizer over all parameters, grouped by rate and decay."""
    parameters = dict(model.named_parameters())
    grouped: dict[tuple[str, float, float], list[str]] = defaultdict(list)
    for rule in rules:
        grouped[rule.group, rule.lr, rule.weight_decay].append(rule.name)
    groups: list[dict[str, Any]] = [
        {"params": [parameters[name] for name in names], "lr": lr, "weight_decay": decay}
        for (_, lr, decay), names in grouped.items()
    ]
    labels = [(label, lr, names) for (label, lr, _), names in grouped.items()]
    first = next(model.parameters())
    sample = nn.Parameter(world.part_of(torch.zeros(2, 2, device=first.device), like=first))
    build = partial(_build, choice=choice, sample=sample)
    inner = build(groups) if world.owners is None else PartitionedOptimizer(groups, build, world.owners)
    return NamedOptimizer(inner, labels, world)


def _build(groups: list[dict[str, Any]], choice: OptimizerChoice, sample: nn.Parameter) -> torch.optim.Optimizer:
    match choice:
        case AdamW():
            betas = (choice.beta1, choice.beta2)
            return torch.optim.AdamW(groups, lr=choice.lr, betas=betas, eps=choice.epsilon, fused=True)
        case SGD():
            # Fused, it can't take parameters whose momentum begins later than that of others: those of a later stage.
            # Nor has torch a rule for split ones.
            fused = choice.momentum == 0 and type(sample.data) is Tensor
            return torch.optim.SGD(groups, lr=choice.lr, momentum=choice.momentum, fused=fused)
        case TorchOptimizer():
            check_takes_steps(choice)
            key = ("optimizer", "options" if choice.options else "name")
            # Each group has its own decay.
            return _tried(groups, choice, f"torch.optim:{choice.name}", sample, key=key, reserved=("weight_decay",))
        case CustomOptimizer():
            return _tried(groups, choice, choice.factory, sample, key=("optimizer", "factory"))


def _tried(
    groups: list[dict[str, Any]],
    choice: TorchOptimizer | CustomOptimizer,
    address: str,
    sample: nn.Parameter,
    *,
    key: Key,
    reserved: tuple[str, ...] = (),
) -> torch.optim.Optimizer:
    """What some code makes of the groups, once it has done well on a parameter that stands for all."""
    build = partial(
        call,
        address,
        lr=choice.lr,
        key=key,
        options_key=("optimizer", "options"),
        options=choice.options,
        reserved=reserved,
    )
    tried = build([{**groups[0], "params": [sample]}])
    try:
        known = Options.of(find_factory(address, key=key), num_given=1, named=("lr", *reserved))
        try_optimizer(tried, address, key=key, hint=known.hint)
    except FailingCodeError as error:
        if type(sample.data) is Tensor:
            raise
        what = f"`{address}` can't step weights that are split"
        hint = 'distributed.sharding = "stage1" leaves them whole, and splits its state'
        raise RecipeError(what, hint=hint, key=key) from error
    return build(groups)
