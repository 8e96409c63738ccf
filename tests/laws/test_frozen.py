"""Law 4: frozen tensors keep their bytes; after their stage opens they change. Frozen modules run in eval mode."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import nn

from ftcli.train.events import StageEntered
from ftcli.train.loop import fit
from tests.laws.rig import make_run, spec_of, weights

SETTINGS = (
    r"freeze.patterns=['^bert\.embeddings', '^bert\.encoder\.layer\.[01]\.']",
    r"freeze.stages=[{at={step=6}, unfreeze=['^bert\.encoder\.layer\.1\.']}]",
    "optimizer.weight_decay=0.1",
    "train.steps=9",
    "evaluate.every=never",
)
FROZEN = re.compile(r"^bert\.(embeddings|encoder\.layer\.0\.)")
LATER = re.compile(r"^bert\.encoder\.layer\.1\.")


def test_frozen_tensors_keep_their_bytes_until_their_stage_opens(project: Path) -> None:
    run = make_run(spec_of(project / "tiny.toml", *SETTINGS), project / "run", dtype=torch.float32)
    start = weights(run)
    seen: list[int] = []
    for event in fit(run):
        if isinstance(event, StageEntered):
            seen.append(event.step)
            now = weights(run)
            if event.stage == 1:
                assert all(torch.equal(now[n], start[n]) for n in start if FROZEN.search(n) or LATER.search(n))
                assert not any(torch.equal(now[n], start[n]) for n in ("classifier.weight", "bert.pooler.dense.weight"))
    end = weights(run)
    assert seen == [0, 6]
    names = [name for name, _ in run.model.named_parameters()]
    assert all(torch.equal(end[name], start[name]) for name in names if FROZEN.search(name))
    assert not any(torch.equal(end[name], start[name]) for name in names if LATER.search(name))


def test_frozen_parameters_have_no_gradient_and_no_optimizer_state(project: Path) -> None:
    run = make_run(
        spec_of(project / "tiny.toml", *SETTINGS, "train.stop_after=3"), project / "run", dtype=torch.float32
    )
    for _ in fit(run):
        continue
    held = {key.partition("/")[2] for key in run.optimizer.state()}
    assert held == {name for name, _ in run.model.named_parameters() if not (FROZEN.search(name) or LATER.search(name))}
    assert all(p.grad is None for n, p in run.model.named_parameters() if FROZEN.search(n))


def test_a_stage_that_freezes_drops_the_optimizer_state(project: Path) -> None:
    stages = "freeze.stages=[{at={step=2}, freeze=['embeddings']}]"
    spec = spec_of(project / "tiny.toml", stages, "train.steps=4", "evaluate.every=never")
    run = make_run(spec, project / "run", dtype=torch.float32)
    at_border: dict[str, torch.Tensor] = {}
    for event in fit(run):
        if isinstance(event, StageEntered) and event.stage == 1:
            at_border = weights(run)
    assert not any("embeddings" in key for key in run.optimizer.state())
    assert all(torch.equal(run.model.state_dict()[name], at_border[name]) for name in at_border if "embeddings" in name)


def test_modules_that_are_frozen_as_a_whole_run_in_eval_mode(project: Path) -> None:
    run = make_run(
        spec_of(project / "tiny.toml", *SETTINGS, "train.stop_after=1"), project / "run", dtype=torch.float32
    )
    modes: dict[str, bool] = {}

    def note(name: str) -> None:
        run.model.get_submodule(name).register_forward_hook(lambda m, *_: modes.__setitem__(name, m.training))

    dropouts = [name for name, module in run.model.named_modules() if isinstance(module, nn.Dropout)]
    for name in dropouts:
        note(name)
    for _ in fit(run):
        continue
    assert modes
    for name, training in modes.items():
        assert training == (not (FROZEN.search(name) or LATER.search(name))), name
