"""Where a head reads the first token alone, the last layer is computed for no other, and nothing else changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, CamembertConfig, PreTrainedConfig, PreTrainedModel

from ftcli.modeling.building import HeadPlan, random_model
from ftcli.modeling.cpu_dropout import use_cpu_dropout
from ftcli.modeling.first_token import read_first_token_only
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.prefix import Prefix, find_prefix, passes_through
from tests.modeling.encoders import make_inputs
from tests.modeling.test_prefix import CONFIGS, SIZES

NARROWED: dict[str, PreTrainedConfig] = {
    **{name: CONFIGS[name] for name in ("bert", "roberta", "xlm-roberta", "electra")},
    "camembert": CamembertConfig(**SIZES),
}
LABELS = Outputs(("no", "yes"), logits_alone=True)


def gradients(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    model(**inputs).logits.square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def lengths_of_last_layer(model: PreTrainedModel, inputs: dict[str, Tensor]) -> int:
    seen: list[int] = []
    layer: Any = model.base_model.get_submodule("encoder.layer")[-1]
    handle = layer.output.register_forward_hook(lambda _module, _inputs, output: seen.append(output.shape[1]))
    model(**inputs)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("architecture", NARROWED)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_and_gradients_are_those_of_the_whole_layer(architecture: str, attention: str) -> None:
    torch.manual_seed(3)
    whole = AutoModelForSequenceClassification.from_config(NARROWED[architecture], attn_implementation=attention)
    whole.double().eval()
    narrow, inputs = copy.deepcopy(whole), make_inputs([9, 2, 5], pad_id=1)
    read_first_token_only(narrow.base_model)
    assert lengths_of_last_layer(whole, inputs) == 9
    assert lengths_of_last_layer(narrow, inputs) == 1
    expected, found = gradients(whole, inputs), gradients(narrow, inputs)
    assert expected.keys() == found.keys() == {name for name, _ in whole.named_parameters()}
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, atol=1e-12), name


@pytest.mark.parametrize("head", ["auto", "cls"])
def test_heads_that_read_the_first_token_get_no_other(head: Any) -> None:
    model: Any = random_model(CONFIGS["bert"], HeadPlan(head, LABELS)).eval()
    assert lengths_of_last_layer(getattr(model, "encoder", model), make_inputs([4, 3], pad_id=1)) == 1


@pytest.mark.parametrize("head", ["mean", "max"])
def test_heads_that_read_all_tokens_get_them(head: Any) -> None:
    model: Any = random_model(CONFIGS["bert"], HeadPlan(head, LABELS)).eval()
    assert lengths_of_last_layer(model.encoder, make_inputs([4, 3], pad_id=1)) == 4


def test_a_task_that_reads_more_than_logits_gets_all_tokens() -> None:
    model: Any = random_model(CONFIGS["bert"], HeadPlan("auto", Outputs(("no", "yes")))).eval()
    assert lengths_of_last_layer(model, make_inputs([4, 3], pad_id=1)) == 4


def test_other_architectures_stay_as_they_are() -> None:
    model = AutoModelForSequenceClassification.from_config(CONFIGS["distilbert"]).eval()
    inputs = make_inputs([4, 3], pad_id=1)
    before = model(**inputs).logits
    read_first_token_only(model.base_model)
    assert torch.equal(model(**inputs).logits, before)


def test_it_drops_in_training_and_the_states_below_a_frozen_head_are_of_all_tokens() -> None:
    torch.manual_seed(4)
    model = random_model(CONFIGS["bert"], HeadPlan("auto", LABELS))
    use_cpu_dropout(model)
    inputs = make_inputs([9, 2, 5], pad_id=1)
    assert not torch.equal(model.train()(**inputs).logits, model(**inputs).logits)
    model.eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("pooler" in name or "classifier" in name)
    prefix = find_prefix(model)
    assert isinstance(prefix, Prefix)
    assert prefix.depth == 3
    with torch.inference_mode():
        assert prefix.states(inputs).shape == (3, 9, 16)
    assert passes_through(prefix, model, inputs)
    assert lengths_of_last_layer(model, inputs) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", NARROWED)
def test_who_asks_for_hidden_states_gets_those_of_all_tokens(architecture: str) -> None:
    model, inputs = (
        AutoModelForSequenceClassification.from_config(NARROWED[architecture]),
        make_inputs([9, 2, 5], pad_id=1),
    )
    model.eval()
    expected = model(**inputs, output_hidden_states=True).hidden_states[-1]
    read_first_token_only(model.base_model)
    assert torch.equal(model(**inputs, output_hidden_states=True).hidden_states[-1], expected)
    assert lengths_of_last_layer(model, inputs) == 1
