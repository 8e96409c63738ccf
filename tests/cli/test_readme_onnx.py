"""The README's examples that run a model.onnx with onnxruntime, tokenizers and numpy alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModel

from tests.cli.test_export import train
from tests.conftest import Ftcli
from tests.laws.rig import TASKS
from tests.modeling.encoders import make_config
from tests.modeling.vocabularies import KINDS, make_tokenizer
from tests.readme import blocks, section

ALONE = "import sys\nsys.modules.update(dict.fromkeys(('ftcli', 'torch', 'transformers')))\n"
"""With this before it, a script that imports one of these fails."""
_EXAMPLE = re.compile(r"^(?:rows|words) = .*$", re.MULTILINE)


def scripts() -> list[str]:
    return [block.text for block in blocks(section("ONNX without ftcli"))]


def printed(script: str) -> list[list[str]]:
    """The words of the lines that a script prints in the working directory."""
    done = subprocess.run([sys.executable, "-c", ALONE + script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def assert_of_the_card(script: str) -> None:
    """The README's lines are those of the export's model card, but for the folder and the rows or words."""
    (own,) = [
        block.text for block in blocks(Path("run/export/onnx/README.md").read_text()) if block.language == "python"
    ]
    own = own.replace("FOLDER", "run/export/onnx")
    assert _EXAMPLE.sub("", own) == _EXAMPLE.sub("", script)


def test_the_example_of_pairs_gives_the_checkpoints_labels(project: Path, ftcli: Ftcli) -> None:
    train(project, ftcli)
    assert ftcli("eval", "--ckpt", "run/best", "--calibrate", "--tune-threshold", "f1").code == 0
    assert ftcli("export", "--ckpt", "run/best", "--format", "onnx").code == 0
    script, _ = scripts()
    assert_of_the_card(script)
    rows = re.findall(r'\("([^"]+)", "([^"]+)"\)', script)
    assert len(rows) == 2
    Path("rows.jsonl").write_text("".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows))
    expected = ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl").out.splitlines()
    for (label, probability), line in zip(printed(script), expected, strict=True):
        answer = json.loads(line)
        assert label == answer["label"]
        assert abs(float(probability) - answer["probability"]) < 2e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_words_gives_the_checkpoints_tags(project: Path, ftcli: Ftcli, kind: str) -> None:
    encoder = make_tokenizer(project / "encoder", kind)
    config = make_config("bert")
    config.update({"vocab_size": 400, "max_position_embeddings": 64})
    AutoModel.from_config(config).save_pretrained(encoder)
    train(project, ftcli, *TASKS["tagging with a CRF"], "data.max_length=64", f"model.path={encoder}")
    assert ftcli("export", "--ckpt", "run/best", "--format", "onnx").code == 0
    pairs, tags = scripts()
    assert_of_the_card(pairs[: pairs.index("rows = ")] + tags)
    tags = tags.replace("parcel from", "\N{ZERO WIDTH SPACE} parcel \x7f from").replace(".split()", ".split(' ')")
    found = printed(pairs[: pairs.index("rows = ")] + tags)
    Path("rows.jsonl").write_text(json.dumps({"words": [word for word, _ in found]}))
    (answer,) = ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl").out.splitlines()
    assert [tag for _, tag in found] == json.loads(answer)["tags"]
