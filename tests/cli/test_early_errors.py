"""Everything that is wrong with a recipe is said at once, and before torch is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftcli.data.catalog import builtin_names
from tests.conftest import Ftcli, run_torchrun

BAD = """
[data]
name = "dmeo"
[model]
path = "package:no_such_package/model"
tokenizer = "package:no_such_tokenizer"
[batch]
sise = 3
"""
SETTINGS = ["--set", "foo", "--set", "train.epochs=many", "--set", "=3"]


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_all_problems_of_settings_names_and_keys_come_at_once(project: Path, ftcli: Ftcli, command: str) -> None:
    Path("bad.toml").write_text(BAD)
    result = ftcli(command, "bad.toml", *SETTINGS)
    assert result.code == 2, result.err
    lines = result.err.splitlines()
    heads = [line.removeprefix("error[recipe]: ") for line in lines if line.startswith("error")]
    places = [line.strip() for line in lines if "-->" in line]
    assert list(zip(heads, places, strict=True)) == [
        ("a setting is written section.key=value", "--> --set =3"),
        ("a setting is written section.key=value", "--> --set foo"),
        ('`train.epochs` must be a number, not "many"', "--> --set train.epochs=many"),
        ("there is no built-in data set called `dmeo`", "--> bad.toml:3"),
        ("the package `no_such_package`, which holds the model, is not installed", "--> bad.toml:5"),
        ("the package `no_such_tokenizer`, which holds the model, is not installed", "--> bad.toml:6"),
        ("unknown key `sise` in [batch]", "--> bad.toml:8"),
    ]
    assert f"help: did you mean `demo`? Built-in data sets: {', '.join(builtin_names())}" in lines
    assert lines[-1] == "7 problems"


def test_a_wrong_recipe_is_refused_without_importing_torch(project: Path) -> None:
    Path("bad.toml").write_text(BAD)
    code = "import sys; from ftcli.cli.main import run; code = run(['train', 'bad.toml']); print(code, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    exit_code, *modules = done.stdout.split()
    assert exit_code == "2"
    assert {"torch", "transformers"}.isdisjoint(modules)


ROWS = ["--input", "test.jsonl"]
CKPT = ["--ckpt", "run/best"]
EARLY: dict[str, tuple[int, list[str]]] = {
    "predict with no checkpoint": (6, ["predict", "--ckpt", "none", *ROWS]),
    "predict with no model of ftcli": (6, ["predict", "--ckpt", "data", *ROWS]),
    "predict no file": (3, ["predict", *CKPT, "--input", "none.jsonl"]),
    "predict an unknown ending": (3, ["predict", *CKPT, "--input", "tiny.toml"]),
    "predict in an unknown format": (2, ["predict", *CKPT, *ROWS, "--format", "xml"]),
    "predict with a delimiter in JSON": (2, ["predict", *CKPT, *ROWS, "--delimiter", ";"]),
    "predict in no scheme": (2, ["predict", *CKPT, *ROWS, "--scheme", "x"]),
    "predict into no folder": (2, ["predict", *CKPT, *ROWS, "--output", "none/out.jsonl"]),
    "predict into an unknown ending": (2, ["predict", *CKPT, *ROWS, "--output", "out.xml"]),
    "predict into an unknown format": (2, ["predict", *CKPT, *ROWS, "--output-format", "xml"]),
    "predict into columns": (2, ["predict", *CKPT, *ROWS, "--output-format", "conll"]),
    "predict with a delimiter out JSON": (2, ["predict", *CKPT, *ROWS, "--output-delimiter", ";"]),
    "predict with a delimiter that is none": (2, ["predict", *CKPT, *ROWS, "--output-delimiter", '"']),
    "predict on no device": (2, ["predict", *CKPT, *ROWS, "--device", "gpu"]),
    "predict without code": (2, ["predict", *CKPT, *ROWS, "--code", "none"]),
    "predict numbers' probabilities": (2, ["predict", "--ckpt", "numbers", *ROWS, "--proba"]),
    "predict by a program": (2, ["predict", "--ckpt", "program", *ROWS]),
    "eval no checkpoint": (6, ["eval", "--ckpt", "none"]),
    "eval no file": (3, ["eval", *CKPT, "--input", "none.jsonl"]),
    "eval an unknown ending": (3, ["eval", *CKPT, "--input", "tiny.toml"]),
    "eval with nothing to compare": (2, ["eval", *CKPT, "--compare", "none"]),
    "eval tuned for nothing": (2, ["eval", *CKPT, "--tune-threshold", "f2"]),
    "eval on no device": (2, ["eval", *CKPT, "--device", "gpu"]),
    "export no checkpoint": (6, ["export", "--ckpt", "none"]),
    "export in an unknown format": (2, ["export", *CKPT, "--format", "xml"]),
    "export a program": (2, ["export", "--ckpt", "program"]),
    "export an unknown head": (2, ["export", "--ckpt", "chain"]),
    "export into a used folder": (2, ["export", *CKPT, "--output", "run"]),
    "export onto a file": (2, ["export", *CKPT, "--output", "tiny.toml"]),
    "export over another export": (2, ["export", *CKPT]),
    "export to no repository": (2, ["export", *CKPT, "--output", "new", "--push", "a/b/c"]),
}


def test_wrong_paths_formats_and_options_are_refused_without_importing_torch(trained: Path, tmp_path: Path) -> None:
    card = json.loads((trained / "run/best/ftcli.json").read_text())
    for name in ("run", "data", "test.jsonl", "tiny.toml"):
        (tmp_path / name).symlink_to(trained / name)
    others = {"program": {}, "chain": {"head": "crf"}, "numbers": {"task": {"kind": "regression"}, "labels": []}}
    for name, changes in others.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "ftcli.json").write_text(json.dumps({**card, **changes}))
    (tmp_path / "program" / "model.pt2").touch()
    code = (
        "import json, sys\nfrom ftcli.cli.main import run\n"
        "codes = [run(each) for each in json.loads(sys.argv[1])]\nprint(json.dumps([codes, list(sys.modules)]))"
    )
    commands = json.dumps([command for _, command in EARLY.values()])
    done = subprocess.run([sys.executable, "-c", code, commands], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    codes, modules = json.loads(done.stdout)
    assert dict(zip(EARLY, codes, strict=True)) == {name: wanted for name, (wanted, _) in EARLY.items()}, done.stderr
    assert done.stderr.count("error[") == len(EARLY)
    assert {"torch", "transformers", "tokenizers", "safetensors"}.isdisjoint(modules)


TARDY = """
import os, sys, time
from pathlib import Path

# The first process begins when the second is about to fail, and loads the command line only then.
first, second = sys.argv[1:]
if os.environ["RANK"] == "0":
    while not Path("failing").exists():
        time.sleep(0.01)
from ftcli.cli.main import run
if os.environ["RANK"] == "1":
    Path("failing").touch()
sys.exit(run(["train", first if os.environ["RANK"] == "0" else second]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["bad.toml", "tiny.toml"])
def test_of_two_processes_the_first_speaks_or_the_one_that_alone_has_failed(project: Path, first: str) -> None:
    Path("bad.toml").write_text("[batch]\nsise = 3\n")
    Path("tardy.py").write_text(TARDY)
    done = run_torchrun("tardy.py", first, "bad.toml", cwd=project)
    assert done.code == 1, done.err
    assert done.err.count("unknown key `sise` in [batch]") == 1
