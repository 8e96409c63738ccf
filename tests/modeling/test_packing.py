"""A batch's padding passes through none of the layers of BERT's kin, and nothing else changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from ftcli.modeling.building import HeadPlan, random_model
from ftcli.modeling.cpu_dropout import use_cpu_dropout
from ftcli.modeling.packing import skip_padding, skips_padding
from ftcli.modeling.prefix import Prefix, find_prefix, passes_through
from tests.modeling.encoders import make_inputs
from tests.modeling.test_first_token import LABELS, NARROWED, gradients
from tests.modeling.test_prefix import CONFIGS

LENGTHS = [9, 2, 5, 1, 7, 7, 3, 9, 4, 4, 6]
"""More rows than attention takes at once, in no order."""


@pytest.fixture(autouse=True)
def _attention_as_it_comes() -> None:
    """Configs are shared by tests, and remember the attention that was asked for last."""
    for config in NARROWED.values():
        config._attn_implementation = "sdpa"


def packed(model: nn.Module) -> Any:
    found = copy.deepcopy(model)
    use_cpu_dropout(found)
    skip_padding(found)
    return found


def slots_per_layer(model: Any, inputs: dict[str, Tensor]) -> list[int]:
    seen: list[int] = []
    handles = [
        layer.intermediate.register_forward_hook(lambda _module, _inputs, output: seen.append(output[..., 0].numel()))
        for layer in model.base_model.encoder.layer
    ]
    model(**inputs)
    for handle in handles:
        handle.remove()
    return seen


def assert_same_gradients(plain: nn.Module, other: nn.Module, inputs: dict[str, Tensor]) -> None:
    expected, found = gradients(plain, inputs), gradients(other, inputs)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, atol=1e-12), name


@pytest.mark.parametrize("architecture", NARROWED)
def test_logits_and_gradients_are_those_with_padding(architecture: str) -> None:
    torch.manual_seed(3)
    plain = AutoModelForSequenceClassification.from_config(NARROWED[architecture]).double().eval()
    inputs = make_inputs(LENGTHS, pad_id=1)
    assert torch.allclose(packed(plain)(**inputs).logits, plain(**inputs).logits, atol=1e-12)
    assert_same_gradients(plain, packed(plain), inputs)


@pytest.mark.parametrize("head", ["auto", "cls"])
def test_so_they_are_where_the_last_layer_answers_for_first_tokens(head: Any) -> None:
    torch.manual_seed(4)
    narrow = random_model(CONFIGS["bert"], HeadPlan(head, LABELS)).double().eval()
    inputs = make_inputs(LENGTHS, pad_id=1)
    assert torch.allclose(packed(narrow)(**inputs).logits, narrow(**inputs).logits, atol=1e-12)
    assert_same_gradients(narrow, packed(narrow), inputs)


@pytest.mark.parametrize("head", ["mean", "max"])
def test_heads_that_read_all_tokens_find_each_at_its_place(head: Any) -> None:
    torch.manual_seed(5)
    plain = random_model(CONFIGS["bert"], HeadPlan(head, LABELS)).double().eval()
    assert_same_gradients(plain, packed(plain), make_inputs(LENGTHS, pad_id=1))


def test_a_tagger_scores_each_word_as_with_padding() -> None:
    torch.manual_seed(6)
    plain = AutoModelForTokenClassification.from_config(CONFIGS["bert"]).double().eval()
    inputs = make_inputs(LENGTHS, pad_id=1)
    kept = inputs["attention_mask"].bool()
    found = packed(plain)(**inputs).logits
    assert found.shape == plain(**inputs).logits.shape
    assert torch.allclose(found[kept], plain(**inputs).logits[kept], atol=1e-12)


def test_layers_compute_tokens_alone() -> None:
    model = AutoModelForSequenceClassification.from_config(CONFIGS["bert"]).eval()
    inputs = make_inputs(LENGTHS, pad_id=1)
    slots = len(LENGTHS) * max(LENGTHS)
    assert slots_per_layer(model, inputs) == [slots] * 3
    assert slots_per_layer(packed(model), inputs) == [sum(LENGTHS)] * 3
    assert slots_per_layer(packed(model), make_inputs([4, 4], pad_id=1)) == [8] * 3


def test_dropout_is_on_in_training_and_follows_from_the_seed() -> None:
    model, inputs = (
        packed(random_model(CONFIGS["bert"], HeadPlan("auto", LABELS))).train(),
        make_inputs(LENGTHS, pad_id=1),
    )
    torch.manual_seed(7)
    one, two = model(**inputs).logits, model(**inputs).logits
    torch.manual_seed(7)
    assert torch.equal(model(**inputs).logits, one)
    assert not torch.equal(one, two)


def test_who_asks_for_hidden_states_gets_them_row_by_row() -> None:
    plain = AutoModelForSequenceClassification.from_config(CONFIGS["bert"]).eval()
    inputs = make_inputs([9, 2, 5], pad_id=1)
    found = packed(plain)(**inputs, output_hidden_states=True).hidden_states
    for expected, states in zip(plain(**inputs, output_hidden_states=True).hidden_states, found, strict=True):
        assert torch.equal(states, expected)


def test_a_copy_runs_its_own_layers() -> None:
    model, inputs = (
        packed(AutoModelForSequenceClassification.from_config(CONFIGS["bert"])).eval(),
        make_inputs([3, 2], pad_id=1),
    )
    other = copy.deepcopy(model)
    before = model(**inputs).logits
    with torch.no_grad():
        for parameter in other.bert.encoder.parameters():
            parameter.add_(0.5)
    assert torch.equal(model(**inputs).logits, before)
    assert not torch.allclose(other(**inputs).logits, before)


def test_the_states_of_a_frozen_prefix_are_row_by_row() -> None:
    model, inputs = random_model(CONFIGS["bert"], HeadPlan("auto", LABELS)).eval(), make_inputs([9, 2, 5], pad_id=1)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("layer.2" in name or "classifier" in name)
    use_cpu_dropout(model)
    skip_padding(model)
    prefix = find_prefix(model)
    assert isinstance(prefix, Prefix)
    with torch.inference_mode():
        assert prefix.states(inputs).shape == (3, 9, 16)
    assert passes_through(prefix, model, inputs)
    assert skips_padding(model)


@pytest.mark.parametrize("architecture", ["distilbert", "modernbert", "deberta-v2"])
def test_other_architectures_stay_as_they_are(architecture: str) -> None:
    model = AutoModelForSequenceClassification.from_config(CONFIGS[architecture]).eval()
    assert not skips_padding(packed(model))


def test_attention_that_knows_nothing_of_it_gets_rows() -> None:
    model = AutoModelForSequenceClassification.from_config(CONFIGS["bert"], attn_implementation="eager").eval()
    assert not skips_padding(packed(model))


def test_layers_that_take_a_row_in_pieces_get_rows() -> None:
    config = copy.deepcopy(CONFIGS["bert"])
    config.chunk_size_feed_forward = 3
    model = AutoModelForSequenceClassification.from_config(config).eval()
    assert not skips_padding(packed(model))
    model(**make_inputs([6, 6, 3], pad_id=1))


def test_rows_may_be_padded_on_either_side() -> None:
    torch.manual_seed(8)
    plain = AutoModelForTokenClassification.from_config(CONFIGS["bert"]).double().eval()
    inputs = {name: values.flip(1) for name, values in make_inputs(LENGTHS, pad_id=1).items()}
    kept = inputs["attention_mask"].bool()
    assert torch.allclose(packed(plain)(**inputs).logits[kept], plain(**inputs).logits[kept], atol=1e-12)
