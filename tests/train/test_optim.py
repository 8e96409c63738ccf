"""Which rate and decay each parameter gets, and a state that is known by names."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ftcli.errors import CheckpointError, RecipeError
from ftcli.runtime.world import World
from ftcli.spec.choices import SGD, AdamW, OptimizerChoice, ParameterGroup
from ftcli.train.optim import NamedOptimizer, ParameterRule, build_optimizer, rules_for

WIDTH = 4


class Net(nn.Module):
    """Named as BERT is: embeddings, two layers with a norm each, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = nn.ModuleDict(
            {
                "embeddings": nn.Embedding(5, WIDTH),
                "encoder": nn.ModuleDict({"layer": nn.ModuleList(nn.ModuleDict(self._layer()) for _ in range(2))}),
                "pooler": nn.Linear(WIDTH, WIDTH),
            }
        )
        self.classifier = nn.Linear(WIDTH, 2)

    @staticmethod
    def _layer() -> dict[str, nn.Module]:
        return {"dense": nn.Linear(WIDTH, WIDTH), "norm": nn.LayerNorm(WIDTH)}

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.bert["embeddings"](ids)
        for layer in self.bert["encoder"]["layer"]:
            hidden = layer["norm"](torch.tanh(layer["dense"](hidden)))
        return self.classifier(torch.tanh(self.bert["pooler"](hidden)))


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def rules(choice: OptimizerChoice) -> dict[str, ParameterRule]:
    return {rule.name: rule for rule in rules_for(choice, net())}


def step(model: Net, optimizer: NamedOptimizer, number: int) -> None:
    optimizer.inner.zero_grad()
    ids = torch.tensor([number % 5, (number + 1) % 5])
    model(ids).square().sum().backward()
    optimizer.inner.step()


def build(model: Net, choice: OptimizerChoice) -> NamedOptimizer:
    return build_optimizer(model, choice, rules_for(choice, model), World())


def test_every_parameter_has_one_rule_and_stands_in_one_group() -> None:
    model, choice = net(), AdamW(groups=(ParameterGroup(match="dense", lr=0.5), ParameterGroup(match="layer", lr=0.1)))
    names = [name for name, _ in model.named_parameters()]
    assert [rule.name for rule in rules_for(choice, model)] == names
    held = [id(p) for group in build(model, choice).inner.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


def test_the_first_match_wins() -> None:
    choice = AdamW(lr=1.0, groups=(ParameterGroup(match=r"layer\.1", lr=0.5), ParameterGroup(match="layer", lr=0.1)))
    found = rules(choice)
    assert found["bert.encoder.layer.1.dense.weight"].lr == 0.5
    assert found["bert.encoder.layer.0.dense.weight"].lr == 0.1
    assert found["classifier.weight"].lr == 1.0
    assert {rule.group for rule in found.values()} == {r"layer\.1", "layer", "base"}


def test_vectors_are_not_decayed_unless_asked_for() -> None:
    def decayed(**options: object) -> set[str]:
        choice = AdamW.model_validate({"weight_decay": 0.3, **options})
        return {name for name, rule in rules(choice).items() if rule.weight_decay}

    shapes = {name: value.ndim for name, value in net().named_parameters()}
    assert decayed() == {name for name, ndim in shapes.items() if ndim > 1}
    assert decayed(decay_biases_and_norms=True) == set(shapes)
    norms = decayed(groups=[{"match": "norm", "weight_decay": 0.1}])
    assert {name for name in norms if shapes[name] == 1} == {name for name in shapes if "norm" in name}
    assert decayed(groups=[{"match": ".", "weight_decay": 0.0}]) == set()


def test_layer_decay_multiplies_once_for_each_layer_below_the_head() -> None:
    found = {name: rule.lr for name, rule in rules(AdamW(lr=1.0, layer_decay=0.5)).items()}
    assert found["classifier.weight"] == found["bert.pooler.weight"] == 1.0
    assert found["bert.encoder.layer.1.dense.weight"] == found["bert.encoder.layer.1.norm.bias"] == 0.5
    assert found["bert.encoder.layer.0.dense.weight"] == 0.25
    assert found["bert.embeddings.weight"] == 0.125


def test_layer_decay_applies_to_the_rates_of_groups_too() -> None:
    groups = (ParameterGroup(match=r"layer\.0", lr=8.0),)
    assert rules(AdamW(lr=1.0, layer_decay=0.5, groups=groups))["bert.encoder.layer.0.dense.weight"].lr == 2.0


def test_patterns_that_match_nothing_or_only_what_is_taken_are_errors_at_their_key() -> None:
    missing = (ParameterGroup(match="dense"), ParameterGroup(match="nope"), ParameterGroup(match="nil"))
    with pytest.raises(RecipeError, match="matches none of the") as caught:
        rules(AdamW(groups=missing))
    assert [problem.key for problem in caught.value.problems] == [
        ("optimizer", "groups", 1, "match"),
        ("optimizer", "groups", 2, "match"),
    ]
    with pytest.raises(RecipeError, match="an earlier group has taken") as caught:
        rules(AdamW(groups=(ParameterGroup(match="classifier"), ParameterGroup(match="classifier.bias"))))
    assert caught.value.problems[0].key == ("optimizer", "groups", 1, "match")


def test_rates_follow_the_multiplier_and_show_the_highest_and_lowest_of_each_group() -> None:
    choice = AdamW(lr=1.0, layer_decay=0.5, groups=(ParameterGroup(match="classifier", lr=4.0),))
    optimizer = build(net(), choice)
    for multiplier in (0.5, 0.1, 1.0):
        optimizer.set_rates(multiplier)
        expected = {"base": multiplier, "base lowest": multiplier / 8, "classifier": 4 * multiplier}
        assert optimizer.rates() == pytest.approx(expected)


def test_a_step_uses_each_parameters_own_rate() -> None:
    model = net()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    groups = (ParameterGroup(match="classifier", lr=0.5), ParameterGroup(match="pooler", lr=0.0))
    optimizer = build(model, SGD(lr=0.25, weight_decay=0.0, groups=groups))
    step(model, optimizer, 0)
    for name, value in model.named_parameters():
        rate = 0.5 if "classifier" in name else 0.0 if "pooler" in name else 0.25
        torch.testing.assert_close(value.detach(), before[name] - rate * value.grad)


@pytest.mark.parametrize("choice", [AdamW(lr=0.1), SGD(lr=0.1), SGD(lr=0.1, momentum=0.9)])
def test_state_goes_to_the_same_names_under_other_groups(choice: OptimizerChoice) -> None:
    groups = (ParameterGroup(match="classifier"), ParameterGroup(match="norm"))
    whole, stopped = net(), net()
    one = build(whole, choice)
    two = build(stopped, choice)
    for number in range(3):
        step(whole, one, number)
        step(stopped, two, number)
    resumed = net()
    resumed.load_state_dict(stopped.state_dict())
    again = build(resumed, choice.model_copy(update={"groups": groups}))
    again.load_state(two.state())
    step(whole, one, 3)
    step(resumed, again, 3)
    for (name, value), other in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(value, other), name
    assert again.state().keys() == one.state().keys()


def test_state_is_keyed_by_what_it_is_and_the_parameters_name() -> None:
    model = net()
    optimizer = build(model, AdamW())
    assert optimizer.state() == {}
    step(model, optimizer, 0)
    kinds = {key.partition("/")[0] for key in optimizer.state()}
    assert kinds == {"step", "exp_avg", "exp_avg_sq"}
    assert {key.partition("/")[2] for key in optimizer.state()} == {name for name, _ in model.named_parameters()}


def test_state_of_a_parameter_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CheckpointError, match=r"holds bert.layers.9, which the model does not have"):
        build(net(), AdamW()).load_state({"exp_avg/bert.layers.9": torch.zeros(1)})


def test_frozen_parameters_cost_no_state_and_are_neither_moved_nor_decayed() -> None:
    model = net()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("classifier" in name)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = build(model, AdamW(lr=0.1, weight_decay=0.5))
    step(model, optimizer, 0)
    assert {key.partition("/")[2] for key in optimizer.state()} == {"classifier.weight", "classifier.bias"}
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]) == ("classifier" not in name)


def test_a_parameter_that_is_frozen_later_loses_its_state_and_the_others_keep_theirs() -> None:
    model = net()
    optimizer = build(model, AdamW(lr=0.1))
    step(model, optimizer, 0)
    kept = {key: value.clone() for key, value in optimizer.state().items() if "embeddings" not in key}
    model.bert["embeddings"].requires_grad_(requires_grad=False)
    optimizer.forget_frozen()
    left = optimizer.state()
    assert left.keys() == kept.keys()
    assert all(torch.equal(left[key], value) for key, value in kept.items())
