"""Dropout drawn sixteen bits an element: right in distribution, a function of the seed, and only in training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, BertConfig, DebertaV2Config, ModernBertConfig

from ftcli.modeling.cpu_dropout import CpuDropout, drop, use_cpu_dropout
from tests.modeling.encoders import make_inputs
from tests.modeling.test_prefix import RELATIVE, SIZES

RATES = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.25}
CONFIGS = {
    "bert": BertConfig(**SIZES, **RATES),
    "deberta-v2": DebertaV2Config(**SIZES, **RATES, **RELATIVE),
    "modernbert": ModernBertConfig(**SIZES, local_attention=4, attention_dropout=0.25, mlp_dropout=0.1),
}


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_a_share_of_the_rate_is_dropped_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(1)
    count = 1_000_001  # no multiple of four
    dropped = drop(torch.ones(count), rate)
    share = float((dropped == 0).double().mean())
    assert abs(share - rate) < 4 * (rate * (1 - rate) / count) ** 0.5 + 2**-17
    assert dropped.unique().numel() == 2
    assert float(dropped.max()) == pytest.approx(1 / (1 - rate), rel=1e-3)
    assert float(dropped.double().mean()) == pytest.approx(1, abs=6 * (rate / (1 - rate) / count) ** 0.5)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(2)
    kept = (drop(torch.ones(400_000), 0.5) > 0).double()
    for distance in (1, 2, 3, 4):
        assert abs(float(((kept[:-distance] - 0.5) * (kept[distance:] - 0.5)).mean())) < 4 * 0.25 / 400_000**0.5


def test_it_depends_on_the_seed_alone_and_gradients_go_where_values_went() -> None:
    values = torch.randn(7, 5, requires_grad=True)
    torch.manual_seed(3)
    one = drop(values, 0.3)
    torch.manual_seed(3)
    assert torch.equal(drop(values, 0.3), one)
    assert not torch.equal(drop(values, 0.3), one)
    one.sum().backward()
    assert values.grad is not None
    assert torch.allclose(values.grad * values, one)


def test_everything_can_be_dropped_and_nothing_is_outside_training() -> None:
    assert torch.equal(drop(torch.ones(5), 1.0), torch.zeros(5))
    module = CpuDropout(0.5)
    assert torch.equal(module.eval()(torch.ones(9)), torch.ones(9))


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_model_says_the_same_without_dropout_and_trains_with_it(architecture: str) -> None:
    torch.manual_seed(4)
    model = AutoModelForSequenceClassification.from_config(CONFIGS[architecture])
    inputs = make_inputs([9, 4, 7], pad_id=1)
    with torch.no_grad():
        before = model.eval()(**inputs).logits
        use_cpu_dropout(model)
        assert not any(type(module) is nn.Dropout for module in model.modules())
        assert torch.equal(model(**inputs).logits, before)
        model.train()
        torch.manual_seed(5)
        one, two = model(**inputs).logits, model(**inputs).logits
        torch.manual_seed(5)
        again = model(**inputs).logits
    assert not torch.equal(one, two)
    assert torch.equal(one, again)


def test_attention_drops_what_eager_attention_drops() -> None:
    """The mean over many masks is the attention without one; a mask of the padding holds in each."""
    config = BertConfig(**SIZES, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.25)
    torch.manual_seed(6)
    model = AutoModelForSequenceClassification.from_config(config).double()
    use_cpu_dropout(model)
    layer: Any = model.bert.encoder.layer[0].attention.self
    hidden = torch.randn(2, 6, 16, dtype=torch.float64)
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    mask[1, :, :, 4:] = False
    with torch.no_grad():
        still: Tensor = layer.eval()(hidden, mask)[0]
        layer.train()
        mean = torch.stack([layer(hidden, mask)[0] for _ in range(3000)]).mean(0)
        assert torch.allclose(mean, still, atol=0.03)
        moved = hidden.clone()
        moved[1, 4:] = 9.0
        torch.manual_seed(7)
        one = layer(hidden, mask)[0]
        torch.manual_seed(7)
        assert torch.allclose(layer(moved, mask)[0][1, :4], one[1, :4])


def test_the_saved_config_knows_nothing_of_it(tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_config(CONFIGS["bert"])
    model.save_pretrained(tmp_path / "before")
    use_cpu_dropout(model)
    model.save_pretrained(tmp_path / "after")
    before, after = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("before", "after"))
    assert before == after
