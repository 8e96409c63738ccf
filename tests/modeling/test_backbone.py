"""Encoders come whole, in fp32, with the right head, or not at all; what was saved comes back bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForSequenceClassification

from ftcli.errors import CheckpointError, RecipeError
from ftcli.modeling.backbone import (
    Loaded,
    load_model,
    load_weights,
    longest_row,
    restore_model,
    save_model,
)
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.places import resolve_path
from ftcli.spec.sections import ModelSection
from tests.modeling.encoders import ARCHITECTURES, make_encoder, make_inputs

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
every_head = pytest.mark.parametrize("head", ["auto", "cls", "mean", "max"])
LABELS = ("no", "yes")


def load(path: Path | str, *, labels: tuple[str, ...] = LABELS, seed: int = 1, **section: object) -> Loaded:
    return load_model(ModelSection.model_validate({"path": str(path), **section}), outputs=Outputs(labels), seed=seed)


def logits(model: nn.Module) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return model(**make_inputs([9, 4, 17], pad_id=model.config.pad_token_id)).logits


def head_of(model: nn.Module) -> dict[str, torch.Tensor]:
    prefix = model.base_model_prefix
    return {name: value for name, value in model.named_parameters() if not name.startswith(f"{prefix}.")}


@every_architecture
@every_head
def test_half_precision_files_become_single_precision_weights(tmp_path: Path, architecture: str, head: str) -> None:
    folder = make_encoder(tmp_path / "half", architecture, dtype=torch.float16)
    stored = load_file(folder / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}
    model = load(folder, head=head).model
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    encoder = dict(getattr(model, model.base_model_prefix).named_parameters())
    assert encoder
    assert all(torch.equal(value, stored[name].float()) for name, value in encoder.items())


@every_architecture
def test_a_plain_encoder_gets_a_new_head_and_says_so(tmp_path: Path, architecture: str) -> None:
    loaded = load(make_encoder(tmp_path / "m", architecture))
    assert set(loaded.new) == set(head_of(loaded.model))
    assert loaded.model.config.id2label == {0: "no", 1: "yes"}
    assert logits(loaded.model).shape == (3, 2)


def test_default_label_names_are_not_mistaken_for_a_trained_head(tmp_path: Path) -> None:
    loaded = load(make_encoder(tmp_path / "m", "bert"), labels=("LABEL_0", "LABEL_1"))
    assert loaded.new == ("classifier.bias", "classifier.weight")


@every_architecture
@every_head
def test_a_new_head_depends_on_the_seed_and_on_nothing_else(tmp_path: Path, architecture: str, head: str) -> None:
    folder = make_encoder(tmp_path / "m", architecture)
    first = load(folder, seed=1, head=head).model
    torch.rand(5)
    again, other = (load(folder, seed=seed, head=head).model for seed in (1, 2))
    assert torch.equal(logits(first), logits(again))
    assert not torch.equal(logits(first), logits(other))


def trained(folder: Path, architecture: str, head: str) -> nn.Module:
    """A checkpoint in `folder/trained`, with weights unlike those that any seed gives."""
    model = load(make_encoder(folder / "m", architecture), head=head).model
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.25)
    (folder / "trained").mkdir()
    save_model(model, folder / "trained", weights=model.state_dict())
    return model


@every_architecture
@every_head
def test_a_task_checkpoint_with_the_same_labels_keeps_its_head(tmp_path: Path, architecture: str, head: str) -> None:
    model = trained(tmp_path, architecture, head)
    loaded = load(tmp_path / "trained", head=head, seed=5)
    assert loaded.new == ()
    assert torch.equal(logits(loaded.model), logits(model))


@every_architecture
@every_head
@pytest.mark.parametrize("labels", [("yes", "no"), ("no", "maybe"), ("no", "yes", "maybe")])
def test_a_task_checkpoint_with_other_labels_gets_a_new_head(
    tmp_path: Path, architecture: str, head: str, labels: tuple[str, ...]
) -> None:
    model = trained(tmp_path, architecture, head)
    loaded = load(tmp_path / "trained", head=head, labels=labels)
    assert set(loaded.new) == set(head_of(loaded.model))
    old = dict(model.named_parameters())
    for name, value in loaded.model.named_parameters():
        is_kept = value.shape == old[name].shape and torch.equal(value, old[name])
        assert is_kept == (name not in loaded.new), name
    assert tuple(loaded.model.config.id2label.values()) == labels


@every_architecture
@pytest.mark.parametrize(("saved", "wanted"), [("auto", "mean"), ("mean", "auto"), ("mean", "max"), ("cls", "mean")])
def test_a_head_of_another_kind_is_not_kept(tmp_path: Path, architecture: str, saved: str, wanted: str) -> None:
    old = dict(trained(tmp_path, architecture, saved).named_parameters())
    loaded = load(tmp_path / "trained", head=wanted)
    assert set(head_of(loaded.model)) <= set(loaded.new)
    for name, value in head_of(loaded.model).items():
        assert name not in old or not torch.equal(value, old[name])


@every_architecture
@every_head
def test_a_file_that_lacks_parts_of_the_encoder_is_an_error(tmp_path: Path, architecture: str, head: str) -> None:
    folder = make_encoder(tmp_path / "m", architecture)
    weights = load_file(folder / "model.safetensors")
    lost = [name for name in weights if "layer.1." in name and name.endswith("weight")]
    for name in lost:
        del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RecipeError, match=rf"lacks {len(lost)} of the encoder's tensors, for instance .*layer\.1\."):
        load(folder, head=head)


def test_a_config_of_another_size_is_an_error(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 64}))
    with pytest.raises(RecipeError, match="lacks 6 of the encoder's tensors"):
        load(folder)


def test_a_missing_pooler_is_made_anew_and_named(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", "bert")
    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if not k.startswith("pooler.")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    new = {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}
    assert set(load(folder).new) == new


@every_architecture
@every_head
def test_the_recipe_overrides_every_dropout_rate(tmp_path: Path, architecture: str, head: str) -> None:
    folder = make_encoder(tmp_path / "m", architecture)
    inputs = make_inputs([9, 4], pad_id=1)
    for dropout, is_random in ((0.0, False), (0.5, True)):
        model = load(folder, dropout=dropout, head=head).model.train()
        assert (not torch.equal(model(**inputs).logits, model(**inputs).logits)) == is_random
        assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {dropout}
    rates = {module.p for module in load(folder, head=head).model.modules() if isinstance(module, nn.Dropout)}
    assert rates <= {0.1, 0.2}  # DistilBERT's own head has 0.2


def test_a_package_path_is_a_folder_inside_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "tiny_encoders"
    make_encoder(package / "models" / "one", "bert")
    (package / "__init__.py").write_text("raise RuntimeError('looking for files must not run code')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert resolve_path("package:tiny_encoders/models/one") == str(package / "models" / "one")
    assert load("package:tiny_encoders/models/one").new == ("classifier.bias", "classifier.weight")
    with pytest.raises(RecipeError, match="the package `tiny_encoders` has no folder `models/two`"):
        resolve_path("package:tiny_encoders/models/two")


@pytest.mark.parametrize("path", ["package:no_such_package/m", "package:json.tool/m", "package:sys/m", "package:/m"])
def test_a_package_that_holds_no_folders_is_an_error(path: str) -> None:
    with pytest.raises(RecipeError, match="is not installed"):
        resolve_path(path)


def test_a_hub_id_is_left_alone_and_a_missing_folder_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_path("google-bert/bert-base-chinese") == "google-bert/bert-base-chinese"
    for path in ("./none", "/none", "~/none/none", "a/b/c"):
        with pytest.raises(RecipeError, match="no such model folder"):
            resolve_path(path)


@every_architecture
def test_the_longest_row_runs_and_a_longer_one_does_not(tmp_path: Path, architecture: str) -> None:
    model = load(make_encoder(tmp_path / "m", architecture)).model.eval()
    longest = longest_row(model)
    assert longest == 30
    model(**make_inputs([longest], pad_id=1))
    with pytest.raises((IndexError, RuntimeError)):
        model(**make_inputs([longest + 1], pad_id=1))


@every_architecture
@every_head
def test_what_was_saved_comes_back_with_the_same_logits(tmp_path: Path, architecture: str, head: str) -> None:
    model = trained(tmp_path, architecture, head)
    assert torch.equal(logits(restore_model(tmp_path / "trained", head=head, outputs=Outputs(LABELS))), logits(model))


@every_architecture
def test_plain_transformers_loads_what_was_saved_whole(tmp_path: Path, architecture: str) -> None:
    model = trained(tmp_path, architecture, "auto")
    plain, report = AutoModelForSequenceClassification.from_pretrained(tmp_path / "trained", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.allclose(logits(plain), logits(model), atol=1e-6)


@pytest.mark.parametrize("change", ["missing", "left over", "other shape", "no file", "no safetensors"])
def test_weights_that_do_not_fit_are_an_error_of_the_checkpoint(tmp_path: Path, change: str) -> None:
    model = trained(tmp_path, "bert", "auto")
    file = tmp_path / "trained" / "model.safetensors"
    weights = load_file(file)
    match change:
        case "missing":
            del weights["classifier.bias"]
        case "left over":
            weights["classifier.scale"] = torch.zeros(1)
        case _:
            weights["classifier.bias"] = torch.zeros(3)
    save_file(weights, file)
    if change == "no file":
        file.unlink()
    elif change == "no safetensors":
        file.write_bytes(b"\0" * 64)
    expected = "can't read" if change.startswith("no ") else "don't fit the model: .*classifier"
    with pytest.raises(CheckpointError, match=expected):
        load_weights(model, tmp_path / "trained")
