"""`ftcli prove`: what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ftcli.cli.proof import show_proof
from ftcli.flows.laws.check import Check
from ftcli.flows.prove import Proof
from tests.conftest import Ftcli

STAGES = (
    "--set",
    r"freeze.patterns=['embeddings', 'layer\.[01]\.']",
    "--set",
    r"freeze.stages=[{at={epoch=1}, unfreeze=['layer\.1\.']}]",
)
LAWS = ["accumulation", "world size", "resume", "frozen", "cache", "round trip"]


@pytest.mark.slow
def test_the_tiny_recipe_holds(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("prove", "tiny.toml", *STAGES)
    assert result.code == 0, result.err + result.out
    assert "14 checks passed" in result.out
    assert all(f"\n{law}" in result.out for law in LAWS)
    assert not (project / "run").exists()


@pytest.mark.slow
def test_as_json_it_tells_every_measurement_and_a_law_that_fails_is_exit_code_1(project: Path, ftcli: Ftcli) -> None:
    """A rate below all rounding: what a stage opens does not change."""
    rate = ("--set", "optimizer.kind=sgd", "--set", "optimizer.lr=1e-30")
    result = ftcli("prove", "tiny.toml", *STAGES, *rate, "--json")
    assert result.code == 1, result.err + result.out
    proof = json.loads(result.out)
    assert proof["holds"] is False
    assert list(dict.fromkeys(check["law"] for check in proof["checks"])) == LAWS
    failed = [check for check in proof["checks"] if check["holds"] is False]
    assert [(check["law"], check["what"]) for check in failed] == [("frozen", "opened ones that did not")]
    gradient = proof["checks"][0]
    assert gradient["deviation"] <= gradient["bound"] == 1e-9
    assert gradient["deviation_fp32"] <= gradient["bound_fp32"] == 1e-5


def test_an_error_of_the_recipe_is_shown_at_its_line(project: Path, ftcli: Ftcli) -> None:
    with (project / "tiny.toml").open("a") as file:
        file.write("[[freeze.stages]]\nat = { epoch = 1 }\nunfreeze = ['embedings']\n")
    result = ftcli("prove", "tiny.toml")
    assert result.code == 2
    assert result.out == ""
    assert "error[recipe]: `embedings` matches none" in result.err
    assert f"tiny.toml:{len((project / 'tiny.toml').read_text().splitlines())}" in result.err


def printed(proof: Proof, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        show_proof(console, proof)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_proof_at_80_columns() -> None:
    checks = [
        Check("accumulation", "gradient of 32 rows", 1.2e-15, 1e-9, 6.1e-7, 1e-5, True, "in 1, 4 and 32 micro-batches"),
        Check("accumulation", "loss of 32 rows", 0.5, 1e-9, 0.5, 1e-5, False),
        Check("world size", "two ranks", note="torchrun could not start them: no network"),
        Check("resume", "tensors that differ", 2.0, 0.0, holds=False, note="a.weight, b.weight"),
    ]
    assert printed(Proof("mine", "afqmc", "bert", False, checks), 80) == [
        "mine  bert on afqmc, on the CPU",
        "law           what                 float64  bound  float32  bound",
        "accumulation  gradient of 32 rows    1e-15   1e-9     6e-7   1e-5  holds",
        "              loss of 32 rows         5e-1   1e-9     5e-1   1e-5  FAILS",
        "world size    two ranks                                            -",
        "resume        tensors that differ        2      0                  FAILS",
        "world size, two ranks: torchrun could not start them: no network",
        "resume, tensors that differ: a.weight, b.weight",
        "2 of 4 checks failed; 1 not checked",
    ]
    narrow = printed(Proof("mine", "afqmc", "bert", False, checks), 60)
    assert max(map(len, narrow[:6])) <= 60
