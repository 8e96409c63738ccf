"""Law 4: frozen tensors keep their bytes; after their stage opens they change. Frozen modules run in eval mode."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ftcli.flows.laws.frozen import check, moved_though_frozen, opened_but_still, opened_later
from ftcli.flows.laws.short_run import Prints, prints_of, run_through
from ftcli.runtime.activity import finish
from ftcli.train.events import StageEntered
from ftcli.train.loop import fit
from tests.laws.rig import make_bench, make_run, spec_of
from tests.laws.tasks import build_meddling

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
    prints: list[Prints] = []
    seen: list[int] = []
    for event in fit(run):
        if isinstance(event, StageEntered):
            seen.append(event.step)
            prints.append(prints_of(run.model))
    start, border, end = *prints, prints_of(run.model)
    assert seen == [0, 6]
    assert all(border[n] == start[n] for n in start if FROZEN.search(n) or LATER.search(n))
    assert not any(border[n] == start[n] for n in ("classifier.weight", "bert.pooler.dense.weight"))
    assert all(end[name] == start[name] for name in start if FROZEN.search(name))
    assert not any(end[name] == start[name] for name in start if LATER.search(name))


def test_what_stages_close_and_open_is_told_apart(project: Path) -> None:
    closing = (
        r"freeze.stages=[{at={step=2}, unfreeze=['layer\.1\.'], freeze=['pooler']},"
        r" {at={step=4}, unfreeze=['pooler'], freeze=['layer\.1\.']}]"
    )
    spec = spec_of(project / "tiny.toml", *SETTINGS, closing, "train.steps=6")
    done = finish(run_through(make_run(spec, project / "run", dtype=torch.float32)))
    stages, prints = done.run.freezing.stages, done.prints
    assert len(prints) == 4
    assert moved_though_frozen(stages, prints) == []
    assert opened_but_still(stages, prints) == []
    assert all(LATER.search(name) for name in opened_later(stages))
    always = "bert.encoder.layer.0.output.dense.bias"
    meddled = [*prints[:3], {**prints[3], always: "moved"}]
    assert moved_though_frozen(stages, meddled) == [always]
    stuck = [prints[0]] * 4
    assert set(opened_but_still(stages, stuck)) == opened_later(stages)


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
    done = finish(run_through(run))
    assert not any("embeddings" in key for key in run.optimizer.state())
    _, at_border, end = done.prints
    assert all(end[name] == at_border[name] for name in at_border if "embeddings" in name)


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


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        (SETTINGS, [True, True]),
        ((r"freeze.patterns=['embeddings']",), [True]),
        (("freeze.stages=[{at={epoch=1}, freeze=['embeddings']}]",), [True]),
        ((), [None]),
        ((*SETTINGS, "optimizer.kind=sgd", "optimizer.lr=1e-30"), [True, False]),
        ((*SETTINGS, "optimizer.groups=[{match='layer.1', lr=0.0}]"), [True, True]),
    ],
    ids=["a later stage", "always frozen", "frozen later", "nothing frozen", "a rate too low", "a rate of zero"],
)
def test_prove_looks_at_what_the_recipe_freezes(project: Path, settings: tuple[str, ...], holds: list[bool]) -> None:
    checks = finish(check(make_bench(spec_of(project / "tiny.toml", *settings), project / "bench")))
    assert [each.holds for each in checks] == holds, checks
    if not settings:
        assert checks[0].note == "nothing is frozen"


def test_prove_finds_a_task_that_moves_what_is_frozen(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml", *SETTINGS), project / "bench", build_task=build_meddling)
    assert [each.holds for each in finish(check(bench))] == [False, True]
    assert finish(check(bench))[0].note == "bert.embeddings.LayerNorm.bias"
