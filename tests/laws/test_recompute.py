"""Computing inner values again in the backward pass changes no gradient, whatever is dropped, frozen or packed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ftcli.train.events import StepDone
from ftcli.train.loop import fit
from tests.laws.rig import LOSSES, make_run, spec_of, weights

FROZEN = (r"freeze.patterns=['^bert\.embeddings', '^bert\.encoder\.layer\.[01]\.']",)
CASES = {
    "everything trained": (),
    "frozen layers": (*FROZEN, "freeze.cache=off"),
    "frozen layers cached": (*FROZEN, "freeze.cache=memory"),
    "padded micro-batches": ("batch.micro_size=3",),
    "R-Drop": LOSSES["R-Drop of weighted symmetric pairs"],
}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_steps_are_those_without(project: Path, settings: tuple[str, ...]) -> None:
    common = ("model.dropout=0.1", "train.steps=4", "log.every=1", "batch.micro_size=auto", *settings)
    plain = make_run(spec_of(project / "tiny.toml", *common), project / "plain")
    again = make_run(spec_of(project / "tiny.toml", *common, "train.recompute=true"), project / "again")
    losses = [[event.loss for event in fit(run) if isinstance(event, StepDone)] for run in (plain, again)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)
    left, right = weights(plain), weights(again)
    assert all(torch.allclose(left[name], right[name], rtol=0, atol=1e-12) for name in left)


def test_layers_are_computed_twice(project: Path) -> None:
    counts: list[int] = []
    for recompute in ("false", "true"):
        settings = ("train.steps=1", "evaluate.every=never", f"train.recompute={recompute}")
        run = make_run(spec_of(project / "tiny.toml", *settings), project / recompute)
        calls: list[int] = []
        layer = run.model.get_submodule("bert.encoder.layer.1.attention")
        layer.register_forward_pre_hook(lambda _module, _inputs, calls=calls: calls.append(1))
        list(fit(run))
        counts.append(len(calls))
    assert counts[1] == 2 * counts[0] > 0
