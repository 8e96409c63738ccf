"""`ftcli explain` and `ftcli schema`, as a user reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftcli.spec.run import RunSpec
from ftcli.spec.schema import recipe_schema
from tests.cli.errors import refused
from tests.conftest import Ftcli


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_key_is_explained(ftcli: Ftcli) -> None:
    result = ftcli("explain", "batch.max_tokens")
    assert result.code == 0, result.err
    assert result.out == (
        "batch.max_tokens\n"
        "\n"
        "The tokens of a micro-batch, padding included.\n"
        "\n"
        'takes       a whole number > 0 or "off"\n'
        'default     "off"\n'
        "example     [batch]\n"
        "            max_tokens = 2048\n"
        "note        A step is cut by one of `micro_size`, `max_tokens` and\n            `accumulation`.\n"
        "            `batch.max_tokens` is at least `data.max_length`.\n"
    )


def test_a_table_is_explained_with_its_kinds_and_keys(ftcli: Ftcli) -> None:
    result = ftcli("explain", "schedule")
    assert result.code == 0, result.err
    assert result.out == (
        "[schedule]\n"
        "\n"
        "How the learning rate goes over the run: a warm-up to its peak, and what comes\n"
        "after.\n"
        "\n"
        "kind        what it is\n"
        "linear      Down to zero in a straight line.\n"
        "cosine      Down to zero along half a cosine.\n"
        "polynomial  Down to `end` as a power of the time left.\n"
        "constant    The same rate to the end.\n"
        "torch       Any scheduler of torch.optim.lr_scheduler by its name, if the rate\n"
        "            follows from the step alone.\n"
        "\n"
        "key      default   what it is\n"
        'kind     "linear"  How the learning rate falls after the warm-up.\n'
        "warmup   0.0       How long the learning rate rises from 0 to its peak: below 1\n"
        "                   a fraction of all steps, otherwise steps.\n"
        "power    2.0       The power: 1 is a straight line, 2 falls fast first. Only\n"
        '                   with kind = "polynomial".\n'
        "end      0.0       The last learning rate, as a fraction of the peak. Only with\n"
        '                   kind = "polynomial".\n'
        "name               Its name in torch.optim.lr_scheduler. Only with kind =\n"
        '                   "torch".\n'
        "options  {}        What it is called with. It counts steps from the end of the\n"
        "                   warm-up; rates are fractions of the peak. Only with kind =\n"
        '                   "torch".\n'
        "\n"
        "ftcli explain schedule.KEY says all of a key.\n"
    )


def test_without_a_key_every_table_has_a_sentence(ftcli: Ftcli) -> None:
    result = ftcli("explain")
    assert result.code == 0, result.err
    for name in RunSpec.model_fields:
        assert f"\n[{name}] " in result.out


@pytest.mark.parametrize("key", [None, *RunSpec.model_fields, "evaluate.best", "data.format.kind", "freeze.stages"])
def test_everything_fits_a_narrow_terminal(key: str | None, ftcli: Ftcli) -> None:
    result = ftcli("explain", *filter(None, [key]))
    assert result.code == 0, result.err
    assert max(map(len, result.out.splitlines())) <= 80
    assert not [line for line in result.out.splitlines() if line.endswith(" ")]


def test_an_unknown_key_ends_with_2_and_what_was_meant(ftcli: Ftcli) -> None:
    error = refused(ftcli("explain", "batch.micro_sise"), 2)
    assert error == "error[usage]: a recipe has no key `batch.micro_sise`\nhelp: did you mean `micro_size`?\n"


def test_the_schema_is_written_where_it_is_asked_for(ftcli: Ftcli, tmp_path: Path) -> None:
    assert json.loads(ftcli("schema").out) == recipe_schema()
    file = tmp_path / "ftcli.schema.json"
    assert ftcli("schema", "--output", file).out == f"schema: {file}\n"
    assert json.loads(file.read_text(encoding="utf-8")) == recipe_schema()


def test_a_schema_that_can_not_be_written_says_why(ftcli: Ftcli, tmp_path: Path) -> None:
    file = tmp_path / "none" / "a.json"
    error = refused(ftcli("schema", "--output", file), 2)
    assert error == (
        f"error[usage]: can't write {file}: No such file or directory\nhelp: say where else: --output FILE\n"
    )


def test_neither_loads_torch() -> None:
    code = (
        "import sys\nfrom ftcli.cli.main import run\n"
        "assert run(['explain', 'freeze.cache']) == run(['schema']) == 0\n"
        "heavy = {'torch', 'transformers', 'safetensors'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
