"""Compiled steps are the same steps; whether they are used is decided once a stage, and said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from ftcli.errors import RecipeError
from ftcli.modeling.compiled import CompiledForward
from ftcli.modeling.cpu_dropout import CpuDropout
from ftcli.modeling.packing import skips_padding
from ftcli.runtime.activity import Activity
from ftcli.train.events import Event, Noted, StepDone
from ftcli.train.loop import fit
from ftcli.train.run import Run
from tests.conftest import make_model, run_torchrun
from tests.laws.rig import make_run, spec_of, weights

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++"))), reason="there is no C++ compiler"
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch loads its compiler with some
EAGER = ("evaluate.every=never", "batch.micro_size=auto", "train.steps=8")
COMPILED = (*EAGER, "train.compile=true")


@pytest.fixture
def small(project: Path) -> Path:
    """A project whose model has one layer and no dropout."""
    recipe, folder = project / "tiny.toml", make_model(project / "small", layers=1, dropout=0.0)
    before = next(line for line in recipe.read_text().splitlines() if line.startswith("path = "))
    recipe.write_text(recipe.read_text().replace(before, f'path = "{folder}"'))
    return project


def run_of(project: Path, name: str, *settings: str, start: Path | None = None) -> Run:
    return make_run(spec_of(project / "tiny.toml", *settings), project / name, dtype=torch.float32, start=start)


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepDone)]


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Noted) and "compiled" in event.text][-1:]


def tried(events: list[Event]) -> int:
    """How many steps a trial was to have."""
    return max((event.total or 0 for event in events if isinstance(event, Activity) and "try" in event.name), default=0)


@pytest.mark.slow
@needs_compiler
def test_compiled_steps_are_the_same_and_a_resumed_run_goes_on_with_them(small: Path) -> None:
    eager = run_of(small, "eager", *EAGER)
    expected = losses(list(fit(eager)))
    first = run_of(small, "run", *COMPILED, "train.stop_after=3")
    first.progress.stage, first.progress.compiled = 0, True  # as if it had paid
    found = losses(list(fit(first)))
    then = run_of(small, "run", *COMPILED, start=(small / "run/last").resolve())
    events = list(fit(then))
    assert found + losses(events) == pytest.approx(expected, rel=1e-5)
    [note] = notes(events)
    assert note.startswith("steps are compiled in ")
    assert note.endswith(", as they were before")
    assert tried(events) == 1
    assert then.compiled is not None
    assert then.compiled.num_graphs <= 2  # whatever the lengths; one of them for single rows
    left, right = weights(small / "run/last"), weights(eager)
    assert left.keys() == right.keys()
    assert all(torch.allclose(left[name], right[name], atol=1e-4) for name in left)


@pytest.mark.slow
@needs_compiler
def test_a_trial_says_what_it_found_and_leaves_no_trace(small: Path) -> None:
    expected = losses(list(fit(run_of(small, "eager", *EAGER))))
    run = run_of(small, "run", *COMPILED, "train.steps=8")
    events = list(fit(run))
    assert losses(events) == pytest.approx(expected, rel=1e-5)
    [note] = notes(events)
    assert "x as fast over 1 step: " in note
    assert tried(events) == 1  # a fifth of the stage's steps
    assert run.progress.compiled is note.endswith(": used")
    assert (run.compiled is not None) == run.progress.compiled


def test_steps_that_start_from_stored_states_are_not_compiled(project: Path) -> None:
    frozen = r"freeze.patterns=['^bert\.embeddings', '^bert\.encoder\.layer\.[01]\.']"
    run = run_of(project, "run", *COMPILED, frozen, "freeze.cache=memory")
    events = list(fit(run))
    assert notes(events) == ["steps are not compiled: they start from cached states of the frozen layers"]
    assert len(losses(events)) == 8
    assert run.progress.compiled is False


@pytest.mark.slow
def test_a_compiler_that_fails_is_done_without(small: Path) -> None:
    settings = [part for setting in (*COMPILED, "train.steps=1") for part in ("--set", setting)]
    environment = {**os.environ, "CXX": "/bin/false", "TORCHINDUCTOR_CACHE_DIR": str(small / "kernels")}
    command = [sys.executable, "-m", "ftcli", "train", "tiny.toml", "--run-dir", "run", *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (small / "run/log.jsonl").read_text().splitlines()]
    [note] = [record for record in records if "not compiled" in record.get("text", "")]
    assert note["level"] == "warning"
    assert note["text"].startswith("steps are not compiled, for that failed: ")
    assert "\n" not in note["text"]
    assert json.loads((small / "run/last/state/progress.json").read_text())["compiled"] is False


@pytest.mark.slow
def test_a_shape_that_can_not_be_compiled_ends_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model = nn.Sequential(nn.Linear(3, 3), nn.GELU())
    broken = inductor.patch({"cpp.cxx": ("/bin/false",)})
    with (
        broken,
        pytest.raises(RecipeError, match="steps can't be compiled: ") as raised,
        CompiledForward(model).standing_in(),
    ):
        model(torch.ones(2, 3)).sum().backward()
    [problem] = raised.value.problems
    assert problem.key == ("train", "compile")
    assert problem.hint == "take them as they are: train.compile = false"
    assert "forward" not in vars(model)


@pytest.mark.slow
@needs_compiler
def test_a_bert_without_padding_is_given_it_while_it_is_compiled_and_only_then(small: Path) -> None:
    run = run_of(small, "run", *COMPILED, "train.steps=6")
    assert run.feed.cut.skips_padding
    events = list(fit(run))
    assert run.feed.cut.skips_padding is (run.progress.compiled is False)
    assert skips_padding(run.model)
    steps = [event for event in events if isinstance(event, StepDone)]
    assert all(step.padding_share == 0 for step in steps) is (run.progress.compiled is False)


class TwoMasks(nn.Module):
    """Drops the same values twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = CpuDropout(0.5), CpuDropout(0.5)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return self.first(values), self.second(values)


@pytest.mark.slow
@needs_compiler
def test_compiled_dropout_draws_each_mask_once_for_both_passes() -> None:
    model = TwoMasks()
    compiled = CompiledForward(model)
    for rows in (3, 7):
        values = torch.ones(rows, 50, requires_grad=True)
        with compiled.standing_in():
            first, second = model(values)
        (first + 1000 * second).sum().backward()
        assert values.grad is not None
        assert torch.equal(values.grad, first.detach() + 1000 * second.detach())
        assert not torch.equal(first, second)
        assert 0.3 < float((first == 0).float().mean()) < 0.7
    assert compiled.num_graphs == 1
    assert "forward" not in vars(model)


SCRIPT = """
import sys
from pathlib import Path
from ftcli.flows.data import place_of, prepared_for
from ftcli.runtime.activity import finish
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.joining import open_world
from ftcli.spec.recipe import load_recipe
from ftcli.train.assemble import assemble, load_parts
from ftcli.train.events import StepDone
from ftcli.train.loop import fit

spec = load_recipe(Path("tiny.toml"), sys.argv[1:]).spec
with open_world(spec.distributed, device="cpu") as world:
    parts = load_parts(spec, world=world, prepared=finish(prepared_for(place_of(spec.data, task="classification"))))
    run = finish(assemble(parts, run_dir=RunDir(Path("run"))))
    run.progress.stage, run.progress.compiled = 0, True
    losses = [event.loss for event in fit(run) if isinstance(event, StepDone)]
    if world.is_main and run.compiled is not None:
        print(*losses)
"""


@pytest.mark.slow
@needs_compiler
def test_two_ranks_take_the_same_steps_compiled(small: Path) -> None:
    expected = losses(list(fit(run_of(small, "one", *EAGER, "train.steps=4"))))
    (small / "script.py").write_text(SCRIPT)
    done = run_torchrun("script.py", *COMPILED, "train.steps=4", cwd=small)
    assert done.code == 0, done.err
    assert [float(loss) for loss in done.out.split()] == pytest.approx(expected, rel=1e-5)
