"""What a head has to give decides the model's class, its config, and whether a checkpoint's own head will do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from ftcli.errors import RecipeError
from ftcli.modeling.backbone import Loaded, load_model, restore_model, save_model
from ftcli.modeling.outputs import Outputs
from ftcli.spec.sections import HeadName, ModelSection
from tests.modeling.encoders import ARCHITECTURES, make_encoder, make_inputs

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
LABELS = ("O", "B-X", "I-X")
ROW, TOKEN = Outputs(LABELS), Outputs(LABELS, per="token")
MULTI = Outputs(LABELS, problem="multi_label_classification")
NUMBER = Outputs((), problem="regression")


def load(path: Path, outputs: Outputs, **section: object) -> Loaded:
    return load_model(ModelSection.model_validate({"path": str(path), **section}), outputs=outputs, seed=1)


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**make_inputs([9, 4, 17], pad_id=1)).logits


def head_of(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_parameters() if not name.startswith(f"{model.base_model_prefix}.")}


def trained(folder: Path, outputs: Outputs, head: HeadName = "auto", architecture: str = "bert") -> Path:
    """A checkpoint with weights unlike those that any seed gives."""
    model = load(make_encoder(folder / "m", architecture), outputs, head=head).model
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.25)
    saved = folder / f"{outputs.per}-{outputs.problem}-{head}"
    saved.mkdir()
    save_model(model, saved, weights=model.state_dict())
    return saved


@every_architecture
@pytest.mark.parametrize(("outputs", "size"), [(ROW, 3), (MULTI, 3), (NUMBER, 1)])
@pytest.mark.parametrize("head", ["auto", "cls", "mean", "max"])
def test_rows_get_one_score_for_each_output(
    tmp_path: Path, architecture: str, outputs: Outputs, size: int, head: str
) -> None:
    model = load(make_encoder(tmp_path / "m", architecture), outputs, head=head).model
    assert logits(model).shape == (3, size)
    assert model.config.problem_type == outputs.problem
    assert model.config.num_labels == size


@every_architecture
def test_tokens_each_get_scores_from_the_architectures_own_head(tmp_path: Path, architecture: str) -> None:
    saved = trained(tmp_path, TOKEN, architecture=architecture)
    restored = restore_model(saved, head="auto", outputs=TOKEN)
    assert logits(restored).shape == (3, 17, 3)
    plain, report = AutoModelForTokenClassification.from_pretrained(saved, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(logits(plain), logits(restored))
    assert plain.config.id2label == dict(enumerate(LABELS))


@pytest.mark.parametrize("outputs", [ROW, MULTI, NUMBER], ids=lambda outputs: outputs.problem)
def test_plain_transformers_knows_what_a_saved_model_was_trained_for(tmp_path: Path, outputs: Outputs) -> None:
    saved = trained(tmp_path, outputs)
    plain = AutoModelForSequenceClassification.from_pretrained(saved)
    assert plain.config.problem_type == outputs.problem
    # With one output, kernels round by how the weights lie in memory.
    torch.testing.assert_close(logits(plain), logits(restore_model(saved, head="auto", outputs=outputs)))


@pytest.mark.parametrize("outputs", [ROW, MULTI, NUMBER, TOKEN], ids=lambda outputs: f"{outputs.per}-{outputs.problem}")
def test_a_checkpoint_for_the_same_task_keeps_its_head(tmp_path: Path, outputs: Outputs) -> None:
    saved = trained(tmp_path, outputs)
    for weights in ("auto", "all"):
        loaded = load(saved, outputs, weights=weights)
        assert loaded.new == ()
        restored = restore_model(saved, head="auto", outputs=outputs).state_dict()
        assert all(torch.equal(value, restored[name]) for name, value in loaded.model.state_dict().items())
    assert set(load(saved, outputs, weights="encoder").new) >= {"classifier.bias", "classifier.weight"}


@every_architecture
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((ROW, "auto"), (TOKEN, "auto")),
        ((ROW, "mean"), (TOKEN, "auto")),
        ((ROW, "cls"), (TOKEN, "crf")),
        ((TOKEN, "auto"), (ROW, "auto")),
        ((TOKEN, "crf"), (ROW, "max")),
        ((TOKEN, "crf"), (ROW, "auto")),
        ((TOKEN, "crf"), (TOKEN, "auto")),
        ((TOKEN, "auto"), (TOKEN, "crf")),
        ((ROW, "auto"), (MULTI, "auto")),
        ((MULTI, "mean"), (ROW, "mean")),
        ((ROW, "auto"), (NUMBER, "auto")),
        ((NUMBER, "auto"), (TOKEN, "crf")),
    ],
)
def test_a_checkpoint_for_another_task_gives_its_encoder_and_gets_a_new_head(
    tmp_path: Path, architecture: str, before: tuple[Outputs, HeadName], after: tuple[Outputs, HeadName]
) -> None:
    saved = trained(tmp_path, *before, architecture=architecture)
    old = restore_model(saved, head=before[1], outputs=before[0])
    loaded = load(saved, after[0], head=after[1])
    prefix = loaded.model.base_model_prefix
    extra = {name for name in loaded.new if ".pooler." in name}
    assert set(loaded.new) - extra == head_of(loaded.model)
    kept = dict(getattr(old, prefix).named_parameters())
    for name, value in getattr(loaded.model, prefix).named_parameters():
        assert f"{prefix}.{name}" in extra or torch.equal(value, kept[name])
    names = dict(old.named_parameters())
    for name in head_of(loaded.model) & set(names):
        value = loaded.model.get_parameter(name)
        assert value.shape != names[name].shape or not torch.equal(value, names[name])
    assert getattr(loaded.model.config, "ftcli_head", "auto") == after[1]
    with pytest.raises(RecipeError, match=r"has another head than|knows the labels"):
        load(saved, after[0], head=after[1], weights="all")


def test_a_number_wanted_of_a_classifier_is_an_error_that_says_so(tmp_path: Path) -> None:
    saved = trained(tmp_path, ROW)
    with pytest.raises(RecipeError, match="knows the labels O, B-X, I-X; this task has a number instead"):
        load(saved, NUMBER, weights="all")


@pytest.mark.parametrize("head", ["cls", "mean", "max"])
def test_a_head_for_rows_can_not_score_words(tmp_path: Path, head: str) -> None:
    with pytest.raises(RecipeError, match=f'`model.head` = "{head}" scores whole rows') as caught:
        load(tmp_path, TOKEN, head=head)
    assert caught.value.problems[0].hint == '"auto" or "crf"'
    assert caught.value.problems[0].key == ("model", "head")


@pytest.mark.parametrize("outputs", [ROW, MULTI, NUMBER], ids=lambda outputs: outputs.problem)
def test_a_crf_can_not_score_rows(tmp_path: Path, outputs: Outputs) -> None:
    with pytest.raises(RecipeError, match=r'`model.head` = "crf" scores sequences of tags') as caught:
        load(tmp_path, outputs, head="crf")
    assert caught.value.problems[0].hint == '"auto", "cls", "mean" or "max"'


def test_a_head_for_tokens_takes_its_rate_where_the_architecture_has_one(tmp_path: Path) -> None:
    model = load(make_encoder(tmp_path / "bert", "bert"), TOKEN, head="crf", head_dropout=0.3).model
    assert model.get_submodule("dropout").p == 0.3  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(RecipeError, match="the head of a distilbert has no dropout rate of its own"):
        load(make_encoder(tmp_path / "distilbert", "distilbert"), TOKEN, head_dropout=0.3)
