"""What a user reads when a model, an optimizer or a launch does not go with split weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import spawn

HEAD = """
import torch
from torch import nn


class Scaled(nn.Module):
    def __init__(self, config, outputs):
        super().__init__()
        self.linear = nn.Linear(config.hidden_size, outputs.size)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, states, attention_mask):
        return self.linear(states[:, 0]) * self.scale
"""
FSDP = ("--set", "distributed.strategy=fsdp")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            ("distributed.sharding_degree=3",),
            "error[recipe]: `distributed.sharding_degree` is 3, which does not divide 2 processes\n"
            "  --> --set distributed.sharding_degree=3\n"
            'help: give a divisor, or "all"\n',
        ),
        (
            ("optimizer.kind=torch", "optimizer.name=Adafactor"),
            "error[recipe]: `torch.optim:Adafactor` can't step weights that are split\n"
            "  --> --set optimizer.name=Adafactor\n"
            'help: distributed.sharding = "stage1" leaves them whole, and splits its state\n',
        ),
    ],
)
def test_it_is_refused_with_the_fix(project: Path, settings: tuple[str, ...], says: str) -> None:
    given = [part for setting in settings for part in ("--set", setting)]
    done = spawn("train", "tiny.toml", *FSDP, *given, ranks=2, cwd=project)
    assert done.code == 1  # torchrun's own; that of its workers is 2
    assert says in done.err
    assert "exitcode  : 2" in done.err
    assert "bug:" not in done.err, done.err


@pytest.mark.slow
def test_it_is_shown_where_it_is_written_when_a_run_goes_on(project: Path) -> None:
    assert spawn("train", "tiny.toml", *FSDP, "--set", "train.stop_after=1", cwd=project).code == 0
    done = spawn("resume", "run", "--set", "distributed.sharding_degree=3", ranks=2, cwd=project)
    assert "does not divide 2 processes\n  --> --set distributed.sharding_degree=3\n" in done.err, done.err


@pytest.mark.slow
def test_a_parameter_that_has_no_rows_is_named(project: Path) -> None:
    (project / "heads.py").write_text(HEAD)
    own = ("--set", "model.head=custom", "--set", "model.head_factory=heads:Scaled")
    done = spawn("train", "tiny.toml", *FSDP, *own, ranks=2, cwd=project)
    assert "error[recipe]: the model can't be split: " in done.err, done.err
    assert 'help: set distributed.sharding = "stage1", which leaves weights whole' in done.err


HUNGRY = """
import os
import torch
from torch import nn


class Hungry(nn.Module):
    def __init__(self, config, outputs):
        super().__init__()
        self.linear = nn.Linear(config.hidden_size, outputs.size)

    def forward(self, states, attention_mask):
        if self.training and os.environ["RANK"] == "HUNGRY":
            raise torch.OutOfMemoryError("there is none left")
        return self.linear(states[:, 0])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "says"),
    [
        (
            "0",
            "help: lower batch.micro_size or batch.max_tokens, and resume: processes that split weights meet in every",
        ),
        ("1", "error[distributed]: rank 1 has failed: "),
    ],
)
def test_running_out_of_memory_ends_a_run_of_split_weights_on_all_ranks(project: Path, rank: str, says: str) -> None:
    """torchrun asks rank 0 to end as soon as the other has, and it still says why."""
    (project / "heads.py").write_text(HUNGRY.replace("HUNGRY", rank))
    own = ("--set", "model.head=custom", "--set", "model.head_factory=heads:Hungry")
    done = spawn("train", "tiny.toml", *FSDP, *own, "--set", "distributed.timeout_seconds=10", ranks=2, cwd=project)
    assert "does not fit into memory: there is none left" in done.err, done.err
    assert says in done.err, done.err
    assert "bug:" not in done.err
