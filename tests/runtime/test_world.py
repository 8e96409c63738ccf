"""A world of one does nothing special; two real processes agree over gloo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ftcli.errors import DistributedError
from ftcli.runtime.joining import open_world
from ftcli.runtime.launch import launch_agent, launch_id, launched_rank, launched_size, may_restart, num_restarts
from ftcli.runtime.world import World
from ftcli.spec.processes import DistributedSection

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)


def test_without_torchrun_there_is_a_world_of_one(alone: None) -> None:
    assert (launched_rank(), launched_size(), launch_id()) == (0, 1, None)
    assert (launch_agent(), num_restarts(), may_restart()) == (None, 0, False)
    with open_world(DistributedSection(), device="cpu") as world:
        assert (world.rank, world.size, world.is_main, world.device.type) == (0, 1, True, "cpu")


def test_a_world_of_one_gives_back_what_it_gets() -> None:
    world = World()
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    assert torch.equal(world.sum(torch.ones(2)), torch.ones(2))
    assert world.largest(7) == 7
    assert torch.equal(world.gather_rows(value), value)
    assert not world.gather_rows(value).requires_grad
    assert world.share_text("支付") == "支付"
    model = nn.Linear(1, 1)
    assert world.wrap(model) is model
    with world.syncing(model, when=False), world.leading() as leads:
        assert leads


def test_torchrun_is_asked_for_where_the_others_can_not_be_found(alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(DistributedError, match="rank 1 of 2 can't join") as raised,
        open_world(DistributedSection(), device="cpu"),
    ):
        pass
    assert raised.value.exit_code == 7
    hint = raised.value.problems[0].hint
    assert hint is not None
    assert "torchrun --nproc-per-node" in hint


SCRIPT = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from ftcli.errors import DistributedError
from ftcli.runtime.launch import launch_agent, launch_id
from ftcli.runtime.launch import launched_rank, launched_size
from ftcli.runtime.joining import open_world
from ftcli.spec.processes import DistributedSection

folder = Path(sys.argv[1])
with open_world(DistributedSection(), device="cpu") as world:
    rank = world.rank
    seen = {"rank": rank, "size": world.size, "main": world.is_main, "launched": [launched_rank(), launched_size()]}
    seen["launch"] = [launch_id(), launch_agent()]
    seen["sum"] = world.sum(torch.tensor([1.0, 10.0]) * (rank + 1)).tolist()
    seen["largest"] = [world.largest(rank * 5), world.largest(-rank), world.largest(2**40 - rank)]
    rows = torch.arange(6.0).reshape(3, 2)[: 1 + 2 * rank] + 100 * rank
    seen["rows"] = world.gather_rows(rows).tolist()
    seen["numbers"] = world.gather_rows(torch.full((2 * rank,), 2**40)).tolist()
    seen["none"] = world.gather_rows(torch.zeros(0)).tolist()
    seen["texts"] = [world.share_text(text if rank == 0 else "mine") for text in ("run/支付", "", "x")]

    with world.leading() as leads:
        if leads:
            (folder / "led").write_text("done")
    seen["led"] = (folder / "led").read_text()
    try:
        with world.leading() as leads:
            if leads:
                raise ValueError("rank 0 has trouble")
    except (ValueError, DistributedError) as error:
        seen["trouble"] = [type(error).__name__, str(error)]
    with world.leading() as leads:
        seen["leads"] = leads

    torch.manual_seed(0)
    model = nn.Linear(2, 1, bias=False)
    wrapped = world.wrap(model)
    gradients = []
    for when in (False, True):
        with world.syncing(wrapped, when=when):
            wrapped(torch.full((1, 2), float(rank + 1))).sum().backward()
        gradients.append(model.weight.grad[0, 0].item())
    seen["gradients"] = gradients
threads = [comm.read_text().strip() for comm in Path("/proc/self/task").glob("*/comm")]
seen["gloo"] = [name for name in threads if "gloo" in name]
(folder / f"{rank}.json").write_text(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes saw."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", str(folder / "script.py"), str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_two_processes_know_their_places(two: list[dict[str, Any]]) -> None:
    assert [(seen["rank"], seen["size"], seen["main"]) for seen in two] == [(0, 2, True), (1, 2, False)]
    assert [seen["launched"] for seen in two] == [[0, 2], [1, 2]]
    assert two[0]["launch"] == two[1]["launch"]
    assert two[0]["launch"][0] is None  # torchrun was given no name for the launch, but it is one torchrun


def test_two_processes_agree_on_sums_and_on_the_largest(two: list[dict[str, Any]]) -> None:
    for seen in two:
        assert seen["sum"] == [3.0, 30.0]
        assert seen["largest"] == [5, 0, 2**40]


def test_rows_of_uneven_number_are_gathered_in_rank_order(two: list[dict[str, Any]]) -> None:
    for seen in two:
        assert seen["rows"] == [[0, 1], [100, 101], [102, 103], [104, 105]]
        assert seen["numbers"] == [2**40, 2**40]
        assert seen["none"] == []


def test_every_rank_gets_the_text_of_rank_0_even_if_it_is_empty(two: list[dict[str, Any]]) -> None:
    for seen in two:
        assert seen["texts"] == ["run/支付", "", "x"]


def test_the_others_wait_until_rank_0_has_worked(two: list[dict[str, Any]]) -> None:
    assert [seen["led"] for seen in two] == ["done", "done"]
    assert [seen["leads"] for seen in two] == [True, False]


def test_a_failure_of_rank_0_ends_the_waiting_of_the_others(two: list[dict[str, Any]]) -> None:
    assert two[0]["trouble"] == ["ValueError", "rank 0 has trouble"]
    assert two[1]["trouble"] == ["LostContactError", "rank 0 has failed; its error says why"]


def test_gradients_meet_only_in_the_last_micro_batch(two: list[dict[str, Any]]) -> None:
    assert [seen["gradients"] for seen in two] == [[1.0, 3.0], [2.0, 3.0]]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads have no names here")
def test_no_thread_of_gloo_outlives_the_world_though_the_wrapped_model_does(two: list[dict[str, Any]]) -> None:
    assert [seen["gloo"] for seen in two] == [[], []]


def test_a_world_that_splits_nothing_does_without_what_splits() -> None:
    """What torch splits weights with brings sympy along, which preparing data would pay for."""
    code = "import sys, ftcli.flows.prepare, ftcli.runtime.joining; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"sympy", "torch.distributed.fsdp"}.isdisjoint(done.stdout.split())
