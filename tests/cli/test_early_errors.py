"""Everything that is wrong with a recipe is said at once, and before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ftcli.data.catalog import builtin_names
from tests.conftest import Ftcli

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
