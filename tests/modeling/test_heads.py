"""Heads of ftcli's and of one's own: what they compute, how their parameters are called, what others can load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig

from ftcli.errors import CheckpointError, RecipeError
from ftcli.modeling.backbone import load_model, restore_model, save_model
from ftcli.modeling.heads import CustomHeadModel, EncoderModel, PooledClassifier
from ftcli.modeling.outputs import Outputs
from ftcli.spec.sections import ModelSection
from tests.modeling.encoders import ARCHITECTURES, make_encoder, make_inputs

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
every_pooling = pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
PAD = 1
LENGTHS = [9, 4, 17, 1]
OUTPUTS = Outputs(("a", "b", "c"))


def pooled_model(folder: Path, architecture: str, pooling: str = "mean") -> PooledClassifier:
    section = ModelSection.model_validate({"path": str(make_encoder(folder, architecture)), "head": pooling})
    model = load_model(section, outputs=OUTPUTS, seed=1).model
    assert isinstance(model, PooledClassifier)
    return model.eval()


@every_architecture
@torch.no_grad()
def test_the_logits_are_linear_in_one_vector_of_real_tokens(tmp_path: Path, architecture: str) -> None:
    for pooling in ("cls", "mean", "max"):
        model, inputs = pooled_model(tmp_path / pooling, architecture, pooling), make_inputs(LENGTHS, pad_id=PAD)
        hidden = model.encoder(**inputs).last_hidden_state
        rows = [hidden[row, :length] for row, length in enumerate(LENGTHS)]
        vectors = {"cls": lambda row: row[0], "mean": lambda row: row.mean(0), "max": lambda row: row.max(0).values}
        expected = model.classifier(torch.stack([vectors[pooling](row) for row in rows]))
        torch.testing.assert_close(model(**inputs).logits, expected)


@every_architecture
@every_pooling
@torch.no_grad()
def test_padding_changes_nothing(tmp_path: Path, architecture: str, pooling: str) -> None:
    model, inputs = pooled_model(tmp_path / "m", architecture, pooling), make_inputs(LENGTHS, pad_id=PAD)
    together = model(**inputs).logits
    for row, length in enumerate(LENGTHS):
        alone = model(**{name: value[row : row + 1, :length] for name, value in inputs.items()}).logits[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-5, atol=1e-6)


@every_architecture
@every_pooling
def test_the_encoder_keeps_its_own_prefix_and_the_head_has_two_names(
    tmp_path: Path, architecture: str, pooling: str
) -> None:
    model = pooled_model(tmp_path / "m", architecture, pooling)
    names = [name for name, _ in model.named_parameters()]
    assert [name for name in names if not name.startswith(f"{architecture}.")] == [
        "classifier.weight",
        "classifier.bias",
    ]
    assert any(name.startswith(f"{architecture}.embeddings.word_embeddings") for name in names)
    assert not any("pooler" in name for name in names)


@every_architecture
@every_pooling
def test_it_reloads_with_the_same_logits(tmp_path: Path, architecture: str, pooling: str) -> None:
    model, inputs = pooled_model(tmp_path / "m", architecture, pooling), make_inputs(LENGTHS, pad_id=PAD)
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    again = restore_model(tmp_path / "saved", head=model.pooling, outputs=OUTPUTS).eval()
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_a_mean_head_that_does_not_say_so_is_one(tmp_path: Path) -> None:
    """A checkpoint of a version that knew no other pooling."""
    model, inputs = pooled_model(tmp_path / "m", "bert"), make_inputs(LENGTHS, pad_id=PAD)
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    del config["ftcli_head"]
    (tmp_path / "saved" / "config.json").write_text(json.dumps(config))
    again = load_model(ModelSection(path=str(tmp_path / "saved"), head="mean"), outputs=OUTPUTS, seed=9)
    assert again.new == ()
    assert torch.equal(again.model.eval()(**inputs).logits, model(**inputs).logits)
    assert load_model(ModelSection(path=str(tmp_path / "saved"), head="max"), outputs=OUTPUTS, seed=9).new


@every_architecture
@torch.no_grad()
def test_plain_transformers_loads_its_encoder(tmp_path: Path, architecture: str) -> None:
    model, inputs = pooled_model(tmp_path / "m", architecture), make_inputs(LENGTHS, pad_id=PAD)
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
@every_pooling
def test_every_parameter_gets_a_gradient(tmp_path: Path, architecture: str, pooling: str) -> None:
    model = pooled_model(tmp_path / "m", architecture, pooling)
    model(**make_inputs(LENGTHS, pad_id=PAD)).logits.square().sum().backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []


@every_architecture
@every_pooling
def test_the_rate_before_the_last_layer_is_the_recipes(tmp_path: Path, architecture: str, pooling: str) -> None:
    path = str(make_encoder(tmp_path / "m", architecture))
    section = ModelSection.model_validate({"path": path, "head": pooling, "head_dropout": 0.35})
    model = load_model(section, outputs=OUTPUTS, seed=1).model
    assert isinstance(model, PooledClassifier)
    assert model.dropout.p == 0.35
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    again = restore_model(tmp_path / "saved", head=model.pooling, outputs=OUTPUTS)
    assert isinstance(again, PooledClassifier)
    assert again.dropout.p == 0.35


class Scaled(nn.Module):
    """A head of one's own: a linear layer of a vector, with a buffer that has to come back, too."""

    def __init__(self, size: int, outputs: Outputs) -> None:
        super().__init__()
        self.per = outputs.per
        self.linear = nn.Linear(size, outputs.size)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        vectors = hidden[:, 0] if self.per == "row" else hidden * attention_mask[..., None]
        return self.linear(vectors) * self.scale


def build_scaled(config: PreTrainedConfig, outputs: Outputs) -> nn.Module:
    return Scaled(config.hidden_size, outputs)


@every_architecture
@pytest.mark.parametrize("per", ["row", "token"])
def test_a_head_of_ones_own_is_loaded_kept_and_restored(tmp_path: Path, architecture: str, per: str) -> None:
    outputs = Outputs(("a", "b", "c"), per="row" if per == "row" else "token")
    section = ModelSection(path=str(make_encoder(tmp_path / "m", architecture)), head="custom")
    loaded = load_model(section, outputs=outputs, seed=1, build_head=build_scaled)
    model = loaded.model.eval()
    assert isinstance(model, CustomHeadModel)
    assert loaded.new == ("head.linear.bias", "head.linear.weight")
    assert all(name.startswith((f"{architecture}.", "head.")) for name in model.state_dict())
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(0.25)
    inputs = make_inputs(LENGTHS, pad_id=PAD)
    logits = model(**inputs).logits
    assert logits.shape == ((4, 3) if per == "row" else (4, 17, 3))
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    restored = restore_model(tmp_path / "saved", head="custom", outputs=outputs, build_head=build_scaled)
    assert torch.equal(restored.eval()(**inputs).logits, logits)
    again = load_model(
        ModelSection(path=str(tmp_path / "saved"), head="custom"), outputs=outputs, seed=2, build_head=build_scaled
    )
    assert again.new == ()
    assert torch.equal(again.model.eval()(**inputs).logits, logits)


def test_a_head_of_ones_own_that_has_changed_is_new_or_refused(tmp_path: Path) -> None:
    section = ModelSection(path=str(make_encoder(tmp_path / "m", "bert")), head="custom")
    model = load_model(section, outputs=OUTPUTS, seed=1, build_head=build_scaled).model
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())

    def build_other(config: PreTrainedConfig, outputs: Outputs) -> nn.Module:
        return nn.ModuleDict({"linear": nn.Linear(config.hidden_size * 2, outputs.size)})

    saved = str(tmp_path / "saved")
    loaded = load_model(ModelSection(path=saved, head="custom"), outputs=OUTPUTS, seed=1, build_head=build_other)
    assert loaded.new == ("head.linear.bias", "head.linear.weight")
    with pytest.raises(RecipeError, match="has another head than"):
        load_model(
            ModelSection(path=saved, head="custom", weights="all"), outputs=OUTPUTS, seed=1, build_head=build_other
        )
    with pytest.raises(CheckpointError, match="don't fit the model"):
        restore_model(tmp_path / "saved", head="custom", outputs=OUTPUTS, build_head=build_other)


def test_a_head_of_ones_own_needs_what_builds_it(tmp_path: Path) -> None:
    section = ModelSection(path=str(make_encoder(tmp_path / "m", "bert")), head="custom")
    with pytest.raises(RecipeError, match=r'`model.head` = "custom" needs code that builds the head'):
        load_model(section, outputs=OUTPUTS, seed=1)
    with pytest.raises(CheckpointError, match=r"can't restore .* needs code that builds the head"):
        restore_model(tmp_path / "m", head="custom", outputs=OUTPUTS)


@every_pooling
def test_the_encoder_under_a_head_is_the_pretrained_one(tmp_path: Path, pooling: str) -> None:
    model = pooled_model(tmp_path / "m", "bert", pooling)
    assert isinstance(model, EncoderModel)
    assert model.encoder is model.get_submodule("bert")
