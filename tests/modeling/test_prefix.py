"""A model that starts from its frozen layers' stored states says, and learns, what it would from the row itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    XLMRobertaConfig,
)

from ftcli.modeling.freezing import frozen_modules, set_training_mode
from ftcli.modeling.prefix import Prefix, find_prefix, passes_through
from tests.modeling.encoders import VOCABULARY, make_inputs

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
}
RELATIVE = {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
CONFIGS: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**SIZES),
    "roberta": RobertaConfig(**SIZES),
    "xlm-roberta": XLMRobertaConfig(**SIZES),
    "electra": ElectraConfig(**SIZES, embedding_size=8),
    "distilbert": DistilBertConfig(vocab_size=VOCABULARY, dim=16, n_layers=3, n_heads=2, hidden_dim=32, pad_token_id=1),
    "deberta-v2": DebertaV2Config(**SIZES, **RELATIVE, norm_rel_ebd="layer_norm"),
    "modernbert": ModernBertConfig(**SIZES, local_attention=4, global_attn_every_n_layers=2),
}
SHARED = AlbertConfig(**SIZES, embedding_size=8)


def make_model(config: PreTrainedConfig, *, frozen_layers: int = 2) -> PreTrainedModel:
    torch.manual_seed(5)
    model = AutoModelForSequenceClassification.from_config(config)
    for name, parameter in model.base_model.named_parameters():
        layer = next((int(part) for part in name.split(".") if part.isdigit()), -1)
        parameter.requires_grad_("pooler" in name or layer >= frozen_layers)
    return model.eval()


def prefix_of(model: nn.Module) -> Prefix:
    prefix = find_prefix(model)
    assert isinstance(prefix, Prefix), prefix
    return prefix


def gradients(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    model(**inputs).logits.square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("architecture", CONFIGS)
@pytest.mark.parametrize("frozen_layers", [1, 2, 3])
def test_logits_and_gradients_are_those_of_the_whole_model(architecture: str, frozen_layers: int) -> None:
    model = make_model(CONFIGS[architecture], frozen_layers=frozen_layers)
    inputs = make_inputs([9, 3, 6], pad_id=1)
    prefix = prefix_of(model)
    assert (prefix.depth, prefix.num_layers, prefix.size) == (frozen_layers, 3, 16)
    whole = gradients(model, inputs)
    assert whole
    with torch.inference_mode():
        states = prefix.states(inputs)
    assert states.shape == (3, 9, 16)
    with prefix.standing_in(states.clone()):
        short = gradients(model, inputs)
    assert whole.keys() == short.keys()
    for name, gradient in whole.items():
        assert torch.allclose(short[name], gradient, atol=1e-6), name
    assert passes_through(prefix, model, inputs)


def test_states_do_not_depend_on_the_padding_and_are_all_that_is_read() -> None:
    model = make_model(CONFIGS["bert"])
    prefix, inputs = prefix_of(model), make_inputs([9, 3, 6], pad_id=1)
    with torch.inference_mode():
        states = prefix.states(inputs)
        alone = prefix.states({name: value[1:2, :3] for name, value in inputs.items()})
        assert torch.allclose(states[1:2, :3], alone, atol=1e-6)
        with prefix.standing_in(torch.zeros_like(states)):
            zeros = model(**inputs).logits
        assert not torch.allclose(zeros, model(**inputs).logits)


def test_a_batch_that_is_passed_twice_starts_from_the_same_states_twice() -> None:
    model = make_model(CONFIGS["bert"])
    prefix, inputs = prefix_of(model), make_inputs([5, 4], pad_id=1)
    with torch.no_grad():
        whole = model(**inputs).logits
        with prefix.standing_in(prefix.states(inputs)):
            twice = model(**{name: value.repeat(2, 1) for name, value in inputs.items()}).logits
    assert torch.allclose(twice, whole.repeat(2, 1), atol=1e-6)


def test_shared_layers_are_stored_where_all_of_them_are_frozen() -> None:
    model = make_model(SHARED, frozen_layers=9)
    inputs = make_inputs([7, 2], pad_id=1)
    prefix = prefix_of(model)
    assert passes_through(prefix, model, inputs)
    assert prefix.flops_per_token == 3 * 2 * sum(
        p.numel() for p in model.albert.encoder.albert_layer_groups.parameters() if p.dim() > 1
    )
    assert find_prefix(make_model(SHARED, frozen_layers=0)) == "the layers are one and the same, and trained"


def test_what_can_not_be_stored_says_why() -> None:
    trained = make_model(CONFIGS["bert"])
    trained.bert.embeddings.LayerNorm.weight.requires_grad_(requires_grad=True)
    assert find_prefix(trained) == "the embeddings are trained"
    assert find_prefix(make_model(CONFIGS["bert"], frozen_layers=0)) == "the first layer is trained"
    relative = make_model(CONFIGS["deberta-v2"])
    relative.deberta.encoder.rel_embeddings.requires_grad_(requires_grad=True)
    assert isinstance(find_prefix(relative), str)
    other = AutoModelForSequenceClassification.from_config(GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=50))
    assert find_prefix(other) == "it is not known where the layers of a gpt2 are"


def test_a_model_that_reads_its_frozen_layers_twice_is_found_out() -> None:
    config = DebertaV2Config(**SIZES, **RELATIVE, conv_kernel_size=3, conv_act="gelu")
    model = make_model(config)
    model.deberta.encoder.conv.requires_grad_(requires_grad=False)
    assert not passes_through(prefix_of(model), model, make_inputs([7, 2], pad_id=1))


def test_a_fingerprint_stands_for_weights_depth_and_architecture_alone() -> None:
    model = make_model(CONFIGS["bert"])
    prefix = prefix_of(model)
    assert prefix.fingerprint == prefix_of(make_model(CONFIGS["bert"])).fingerprint
    assert prefix.fingerprint != prefix_of(make_model(CONFIGS["bert"], frozen_layers=1)).fingerprint
    other = BertConfig(**SIZES, hidden_act="relu")
    assert prefix.fingerprint != prefix_of(make_model(other)).fingerprint
    with torch.no_grad():
        model.bert.encoder.layer[2].output.dense.weight += 1
        assert prefix_of(model).fingerprint == prefix_of(make_model(CONFIGS["bert"])).fingerprint
        model.bert.encoder.layer[1].output.dense.weight[0, 0] += 1e-6
    assert prefix_of(model).fingerprint != prefix_of(make_model(CONFIGS["bert"])).fingerprint


def test_frozen_layers_have_no_dropout_while_the_rest_trains() -> None:
    model = make_model(CONFIGS["bert"])
    prefix, inputs = prefix_of(model), make_inputs([9, 3], pad_id=1)
    with torch.no_grad():
        states = prefix.states(inputs)
        set_training_mode(model, frozen_modules(model))
        assert torch.equal(prefix.states(inputs), states)
