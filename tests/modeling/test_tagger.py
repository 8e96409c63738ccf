"""A token classifier under a CRF: scores at words, a likelihood within forward, and files that others load."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification

from ftcli.modeling.backbone import load_model, restore_model, save_model
from ftcli.modeling.crf import AllowedSteps
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.tagger import CrfTagger, word_logits
from ftcli.spec.sections import ModelSection
from tests.conftest import run_torchrun
from tests.modeling.encoders import ARCHITECTURES, make_encoder, make_inputs

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
LENGTHS = [9, 4, 17]
BIO = AllowedSteps([True, True, False], [True, True, True], [[True, True, False], [True] * 3, [True] * 3])
OUTPUTS = Outputs(("O", "B-X", "I-X"), per="token", allowed=BIO)
POSITIONS = torch.tensor([[1, 3, 4, 7], [1, 2, 0, 0], [2, 5, 15, 0]])
MASK = torch.tensor([[True] * 4, [True, True, False, False], [True, True, True, False]])
TAGS = torch.tensor([[0, 1, 2, 0], [1, 1, 0, 0], [0, 0, 1, 0]])


def make_tagger(folder: Path, architecture: str = "bert") -> CrfTagger:
    return tagger_on(make_encoder(folder, architecture))


def tagger_on(encoder: Path) -> CrfTagger:
    model = load_model(ModelSection(path=str(encoder), head="crf"), outputs=OUTPUTS, seed=1).model
    assert isinstance(model, CrfTagger)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for value in model.crf.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return model.eval()


def batch() -> dict[str, Tensor]:
    return make_inputs(LENGTHS, pad_id=1)


def test_word_logits_are_those_of_first_pieces() -> None:
    logits = torch.randn(3, 17, 5)
    words = word_logits(logits, POSITIONS)
    assert words.shape == (3, 4, 5)
    for row, places in enumerate(POSITIONS.tolist()):
        for word, place in enumerate(places):
            assert torch.equal(words[row, word], logits[row, place])


@every_architecture
def test_names_are_those_of_transformers_and_three_more(tmp_path: Path, architecture: str) -> None:
    model = make_tagger(tmp_path / "m", architecture)
    plain = AutoModelForTokenClassification.from_config(model.config)
    extra = [name for name, _ in model.named_parameters()][-3:]
    assert extra == ["crf.starts", "crf.ends", "crf.steps"]
    assert [name for name, _ in model.named_parameters()][:-3] == [name for name, _ in plain.named_parameters()]


def test_a_new_crf_is_named_and_begins_as_a_softmax_over_what_is_allowed(tmp_path: Path) -> None:
    section = ModelSection(path=str(make_encoder(tmp_path / "m", "bert")), head="crf")
    loaded = load_model(section, outputs=OUTPUTS, seed=1)
    assert set(loaded.new) == {"classifier.weight", "classifier.bias", "crf.starts", "crf.ends", "crf.steps"}
    assert isinstance(loaded.model, CrfTagger)
    assert not any(value.any() for value in loaded.model.crf.parameters())


@every_architecture
@torch.no_grad()
def test_the_likelihood_is_the_crfs_at_the_words(tmp_path: Path, architecture: str) -> None:
    model = make_tagger(tmp_path / "m", architecture)
    at_tokens = model(**batch())
    assert at_tokens.logits.shape == (3, 17, 3)
    assert at_tokens.log_likelihood is None
    begins = torch.tensor([True, False, True])
    output = model(**batch(), positions=POSITIONS, mask=MASK, tags=TAGS, begins=begins, finishes=~begins)
    assert torch.equal(output.logits, word_logits(at_tokens.logits, POSITIONS))
    expected = model.crf.log_likelihood(output.logits, TAGS, MASK, begins=begins, finishes=~begins)
    assert torch.equal(output.log_likelihood, expected)
    with pytest.raises(ValueError, match="tags need a mask"):
        model(**batch(), positions=POSITIONS, tags=TAGS)


@every_architecture
def test_what_was_saved_comes_back_and_plain_transformers_loads_all_but_the_crf(
    tmp_path: Path, architecture: str
) -> None:
    model = make_tagger(tmp_path / "m", architecture)
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    without_scheme = Outputs(OUTPUTS.labels, per="token")
    again = restore_model(tmp_path / "saved", head="crf", outputs=without_scheme).eval()
    assert isinstance(again, CrfTagger)
    assert torch.equal(again.crf.may_step, torch.tensor(BIO.steps))
    inputs = {**batch(), "positions": POSITIONS, "mask": MASK, "tags": TAGS}
    with torch.no_grad():
        assert torch.equal(again(**inputs).log_likelihood, model(**inputs).log_likelihood)
        emissions = model(**inputs).logits
        assert torch.equal(again.crf.decode(emissions, MASK), model.crf.decode(emissions, MASK))
        plain, report = AutoModelForTokenClassification.from_pretrained(tmp_path / "saved", output_loading_info=True)
        assert not report["missing_keys"]
        assert set(report["unexpected_keys"]) == {f"crf.{name}" for name in model.crf.state_dict()}
        assert torch.equal(plain.eval()(**batch()).logits, model(**batch()).logits)


@every_architecture
def test_a_checkpoint_with_the_same_tags_keeps_its_crf_and_the_task_says_what_is_allowed(
    tmp_path: Path, architecture: str
) -> None:
    model = make_tagger(tmp_path / "m", architecture)
    (tmp_path / "saved").mkdir()
    save_model(model, tmp_path / "saved", weights=model.state_dict())
    section = ModelSection(path=str(tmp_path / "saved"), head="crf")
    free = Outputs(OUTPUTS.labels, per="token")
    again = load_model(section, outputs=free, seed=7)
    assert again.new == ()
    assert isinstance(again.model, CrfTagger)
    assert again.model.crf.may_step.all()
    for name, value in model.named_parameters():
        assert torch.equal(again.model.get_parameter(name), value)


def test_a_tagger_moves_copies_and_switches_as_one(tmp_path: Path) -> None:
    model = make_tagger(tmp_path / "m")
    twin = copy.deepcopy(model).double().train()
    with torch.no_grad():
        twin.get_parameter("classifier.bias").add_(1.0)
    output = twin(**batch(), positions=POSITIONS, mask=MASK, tags=TAGS)
    assert output.logits.dtype == output.log_likelihood.dtype == torch.float64
    twin.eval()
    torch.testing.assert_close(twin(**batch()).logits.float(), model(**batch()).logits + 1.0)


SCRIPT = """
import sys
from pathlib import Path

import torch

from ftcli.runtime.joining import open_world
from ftcli.spec.processes import DistributedSection
from tests.modeling.test_tagger import MASK, POSITIONS, TAGS, batch, tagger_on

with open_world(DistributedSection(), device="cpu") as world:
    model = tagger_on(Path(sys.argv[1]) / "m")
    wrapped = world.wrap(model)
    rows = [0, 2] if world.rank == 0 else [1]
    words = 4 if world.rank == 0 else 1  # a row of one word has no step in it
    inputs = {name: value[rows] for name, value in batch().items()}
    words = {"positions": POSITIONS[rows, :words], "mask": MASK[rows, :words], "tags": TAGS[rows, :words]}
    (-wrapped(**inputs, **words).log_likelihood.sum() * 2).backward()
    gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
    torch.save(gradients, Path(sys.argv[1]) / f"{world.rank}.pt")
"""


def test_two_ranks_give_every_parameter_the_gradient_of_one_process(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    model = make_tagger(tmp_path / "m")
    done = run_torchrun("script.py", tmp_path, cwd=tmp_path)
    assert done.code == 0, done.err
    likelihood = 0
    for row, words in ((0, 4), (2, 4), (1, 1)):
        inputs = {name: value[row : row + 1] for name, value in batch().items()}
        at = (slice(row, row + 1), slice(words))
        likelihood = likelihood + model(**inputs, positions=POSITIONS[at], mask=MASK[at], tags=TAGS[at]).log_likelihood
    (-likelihood).sum().backward()
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, parameter in model.named_parameters():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], parameter.grad, rtol=1e-3, atol=1e-5, msg=name)
