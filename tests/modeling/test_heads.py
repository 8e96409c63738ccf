"""The mean head: what it computes, how its parameters are called, and what of it other tools can load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from ftcli.modeling.backbone import load_model, restore_model, save_model
from ftcli.modeling.heads import PooledClassifier
from ftcli.modeling.outputs import Outputs
from ftcli.spec.sections import ModelSection
from tests.modeling.encoders import ARCHITECTURES, make_encoder, make_inputs

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
PAD = 1
LENGTHS = [9, 4, 17, 1]


def mean_model(folder: Path, architecture: str) -> PooledClassifier:
    section = ModelSection(path=str(make_encoder(folder, architecture)), head="mean")
    model = load_model(section, outputs=Outputs(("a", "b", "c")), seed=1).model
    assert isinstance(model, PooledClassifier)
    return model.eval()


@every_architecture
@torch.no_grad()
def test_the_logits_are_linear_in_the_mean_over_real_tokens(tmp_path: Path, architecture: str) -> None:
    model, inputs = mean_model(tmp_path / "m", architecture), make_inputs(LENGTHS, pad_id=PAD)
    hidden = model.encoder(**inputs).last_hidden_state
    means = torch.stack([hidden[row, :length].mean(0) for row, length in enumerate(LENGTHS)])
    torch.testing.assert_close(model(**inputs).logits, model.classifier(means))


@every_architecture
@torch.no_grad()
def test_padding_changes_nothing(tmp_path: Path, architecture: str) -> None:
    model, inputs = mean_model(tmp_path / "m", architecture), make_inputs(LENGTHS, pad_id=PAD)
    together = model(**inputs).logits
    for row, length in enumerate(LENGTHS):
        alone = model(**{name: value[row : row + 1, :length] for name, value in inputs.items()}).logits[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-5, atol=1e-6)


@every_architecture
def test_the_encoder_keeps_its_own_prefix_and_the_head_has_two_names(tmp_path: Path, architecture: str) -> None:
    model = mean_model(tmp_path / "m", architecture)
    names = [name for name, _ in model.named_parameters()]
    assert [name for name in names if not name.startswith(f"{architecture}.")] == [
        "classifier.weight",
        "classifier.bias",
    ]
    assert any(name.startswith(f"{architecture}.embeddings.word_embeddings") for name in names)
    assert not any("pooler" in name for name in names)


@every_architecture
def test_it_reloads_with_the_same_logits(tmp_path: Path, architecture: str) -> None:
    model, inputs = mean_model(tmp_path / "m", architecture), make_inputs(LENGTHS, pad_id=PAD)
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    again = restore_model(tmp_path / "saved", head="mean", outputs=Outputs(("a", "b", "c"))).eval()
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)


@every_architecture
@torch.no_grad()
def test_plain_transformers_loads_its_encoder(tmp_path: Path, architecture: str) -> None:
    model, inputs = mean_model(tmp_path / "m", architecture), make_inputs(LENGTHS, pad_id=PAD)
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    plain, report = AutoModel.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not {name for name in report["missing_keys"] if "pooler" not in name}
    assert torch.equal(
        plain.eval()(**inputs).last_hidden_state,
        model.encoder(**inputs).last_hidden_state,
    )
    [named] = json.loads((tmp_path / "saved" / "config.json").read_text())["architectures"]
    assert named == type(plain).__name__


@every_architecture
def test_every_parameter_gets_a_gradient(tmp_path: Path, architecture: str) -> None:
    model = mean_model(tmp_path / "m", architecture)
    model(**make_inputs(LENGTHS, pad_id=PAD)).logits.square().sum().backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []
