"""The README's examples that run a model.onnx with onnxruntime, tokenizers and numpy alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.test_export import train
from tests.cli.test_readme import section
from tests.conftest import Ftcli
from tests.laws.rig import TASKS

BLOCKS = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ALONE = "import sys\nsys.modules.update(dict.fromkeys(('ftcli', 'torch', 'transformers')))\n"
"""With this before it, a script that imports one of these fails."""


def printed(script: str) -> list[list[str]]:
    """The words of the lines that a script prints in the working directory."""
    done = subprocess.run([sys.executable, "-c", ALONE + script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_the_example_of_pairs_gives_the_checkpoints_labels(project: Path, ftcli: Ftcli) -> None:
    train(project, ftcli)
    assert ftcli("export", "--ckpt", "run/best", "--format", "onnx").code == 0
    script, _ = BLOCKS.findall(section("ONNX without ftcli"))
    assert len(script.strip().splitlines()) <= 22
    rows = re.findall(r'\("([^"]+)", "([^"]+)"\)', script)
    assert len(rows) == 2
    Path("rows.jsonl").write_text("".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows))
    expected = ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl").out.splitlines()
    for (label, probability), line in zip(printed(script), expected, strict=True):
        answer = json.loads(line)
        assert label == answer["label"]
        assert abs(float(probability) - answer["probability"]) < 2e-4


def test_the_example_of_words_gives_the_checkpoints_tags(project: Path, ftcli: Ftcli) -> None:
    train(project, ftcli, *TASKS["tagging with a CRF"], "data.max_length=32")
    assert ftcli("export", "--ckpt", "run/best", "--format", "onnx").code == 0
    pairs, tags = BLOCKS.findall(section("ONNX without ftcli"))
    found = printed(pairs[: pairs.index("rows = ")] + tags)
    Path("rows.jsonl").write_text(json.dumps({"words": [word for word, _ in found]}))
    (answer,) = ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl").out.splitlines()
    assert [tag for _, tag in found] == json.loads(answer)["tags"]
