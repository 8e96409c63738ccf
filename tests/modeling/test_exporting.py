"""One graph says what the model says, for any number of rows of any length; so does the chain of tags within it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, PreTrainedConfig

from ftcli.errors import CheckpointError
from ftcli.modeling.crf import AllowedSteps
from ftcli.modeling.exporting.onnx_file import MODEL, OnnxModel, write_onnx
from ftcli.modeling.exporting.opening import exported_model
from ftcli.modeling.exporting.program_file import ProgramModel, write_program
from ftcli.modeling.exporting.tracing import traced
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.tagger import CrfTagger
from tests.modeling.encoders import make_inputs
from tests.modeling.test_prefix import CONFIGS, SHARED

LABELS = tuple("ABCDE")
LONGEST = 30
LENGTHS = [[1], [2], [LONGEST], [1, 1], [2, 1], [1, 2, LONGEST, 7], [5] * 33]
each_lengths = pytest.mark.parametrize("lengths", LENGTHS, ids=str)


def make_tagger() -> CrfTagger:
    """A tagger with random scores of steps, a third of which are forbidden."""
    torch.manual_seed(2)
    rng = random.Random(2)
    config: Any = CONFIGS["bert"]
    inner = AutoModelForTokenClassification.from_config(type(config)(**{**config.to_dict(), "num_labels": 5}))
    steps = [[rng.random() > 0.3 for _ in LABELS] for _ in LABELS]
    allowed = AllowedSteps([True, True, False, True, True], [True, False, True, True, True], steps)
    tagger = CrfTagger(inner, num_labels=5, allowed=allowed)
    for scores in tagger.crf.parameters():
        torch.nn.init.normal_(scores, std=2.0)
    torch.nn.init.normal_(inner.classifier.weight, std=2.0)
    return tagger.eval()


TOKENS = Outputs(LABELS, per="token")
OPEN = {"onnx": exported_model, "pt2": ProgramModel}


@pytest.fixture(scope="module")
def tagger() -> CrfTagger:
    return make_tagger()


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory, tagger: CrfTagger) -> Path:
    """The tagger as model.onnx in `onnx` and as model.pt2 in `pt2`."""
    folder = tmp_path_factory.mktemp("graphs")
    program = traced(tagger, TOKENS, has_types=False)
    for name in ("onnx", "pt2"):
        (folder / name).mkdir()
    write_program(program, folder / "pt2", tagger.crf)
    write_onnx(program, folder / "onnx", TOKENS, tagger.crf)
    return folder


def sentences(lengths: list[int]) -> tuple[dict[str, Tensor], Tensor]:
    """Inputs whose every token is a word, and the words' positions."""
    inputs = make_inputs(lengths, pad_id=1)
    places = torch.arange(max(lengths)).expand(len(lengths), -1)
    return inputs, places.masked_fill(inputs["attention_mask"] == 0, -1)


@each_lengths
def test_the_graph_decodes_the_best_chain_at_every_length(graphs: Path, tagger: CrfTagger, lengths: list[int]) -> None:
    inputs, positions = sentences(lengths)
    session = onnxruntime.InferenceSession(graphs / "onnx" / MODEL)
    given = {name: value.numpy() for name, value in {**inputs, "positions": positions}.items()}
    logits, tags = session.run(["logits", "tags"], given)
    with torch.inference_mode():
        expected = tagger(**inputs).logits
        best = tagger.crf.decode(expected, positions >= 0)
    assert torch.allclose(torch.from_numpy(logits)[positions >= 0], expected[positions >= 0], atol=1e-4)
    assert torch.equal(torch.from_numpy(tags), best)


@pytest.mark.parametrize("format", OPEN)
@each_lengths
def test_an_exported_tagger_stands_in_for_the_model(
    graphs: Path, tagger: CrfTagger, format: str, lengths: list[int]
) -> None:
    inputs, positions = sentences(lengths)
    mask = positions >= 0
    tags = torch.randint(5, mask.shape, generator=torch.Generator().manual_seed(1))
    words = {"positions": positions.clamp(min=0), "mask": mask, "tags": tags}
    exported: Any = OPEN[format](graphs / format, TOKENS)
    with torch.inference_mode():
        expected, found = tagger(**inputs, **words), exported(**inputs, **words)
        assert torch.allclose(found.logits[mask], expected.logits[mask], atol=1e-4)
        assert torch.allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-4)
        best = tagger.crf.decode(expected.logits, mask)
        assert torch.equal(exported.crf.decode(found.logits, mask), best)


def test_the_loop_over_words_is_a_loop_in_the_graph(graphs: Path) -> None:
    model = onnx.load(graphs / "onnx" / MODEL)
    (decoder,) = model.functions
    assert [node.op_type for node in decoder.node].count("Scan") == 2
    assert [node.op_type for node in model.graph.node].count("Viterbi") == 1
    axes = {each.name: [axis.dim_param for axis in each.type.tensor_type.shape.dim] for each in model.graph.input}
    assert axes == {name: ["rows", "length"] for name in ("input_ids", "attention_mask")} | {
        "positions": ["rows", "words"]
    }


def test_a_graph_names_no_file_of_the_machine_it_was_made_on(graphs: Path) -> None:
    for path in (graphs / "onnx" / MODEL, graphs / "pt2" / "model.pt2"):
        assert b".py" not in path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("config", [*CONFIGS.values(), SHARED], ids=lambda config: config.model_type)
def test_the_graph_of_every_architecture_gives_its_logits(config: PreTrainedConfig, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    outputs = Outputs(("no", "yes"))
    write_onnx(traced(model, outputs, has_types=False), tmp_path, outputs, None)
    exported = OnnxModel(tmp_path, outputs)
    with torch.inference_mode():
        for lengths in LENGTHS:
            inputs = make_inputs(lengths, pad_id=1)
            assert torch.allclose(exported(**inputs).logits, model(**inputs).logits, atol=1e-5)


def test_a_graph_with_other_outputs_is_refused(graphs: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.onnx has 5 outputs, but it is used for no, yes"):
        exported_model(graphs / "onnx", Outputs(("no", "yes"), per="token"))
