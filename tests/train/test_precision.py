"""What `auto` means where, and that half precision touches the forward pass alone."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ftcli.spec.sections import PrecisionSection
from ftcli.train.events import StepDone
from ftcli.train.loop import fit
from ftcli.train.precision import Kind, Precision, choose_precision
from tests.laws.rig import make_run, spec_of, weights

CPU = torch.device("cpu")
FAST = [{"amx_bf16": True}, {"avx512_bf16": True}]
SLOW = [{}, {"avx512_bf16": False, "avx2": True}, {"amx_int8": True}]


def chosen(kind: str) -> tuple[Kind, str | None]:
    return choose_precision(PrecisionSection.model_validate({"kind": kind}), CPU)


@pytest.mark.parametrize("abilities", SLOW)
def test_auto_is_single_precision_on_a_cpu_without_fast_bf16(
    abilities: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert chosen("auto") == ("fp32", None)


@pytest.mark.parametrize("abilities", FAST)
def test_auto_is_bf16_on_a_cpu_that_is_fast_at_it(abilities: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert chosen("auto") == ("bf16", None)
    assert chosen("bf16") == ("bf16", None)


@pytest.mark.parametrize(("generation", "expected"), [(7, "fp16"), (8, "bf16")])
def test_auto_on_a_gpu_is_bf16_only_where_its_hardware_has_it(
    generation: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Volta and Turing (7) emulate it, slower than fp32."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(major=generation))
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda _: True)
    section = PrecisionSection.model_validate({"kind": "auto"})
    assert choose_precision(section, torch.device("cuda")) == (expected, None)


def test_bf16_by_force_is_obeyed_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert chosen("bf16") == ("bf16", "this CPU has no fast bf16: it will be much slower than fp32")


def test_fp16_on_a_cpu_is_obeyed_with_a_warning_and_fp32_without() -> None:
    kind, warning = chosen("fp16")
    assert kind == "fp16"
    assert warning is not None
    assert "slower than fp32" in warning
    assert chosen("fp32") == ("fp32", None)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_only_the_forward_pass_is_in_half_precision(kind: Kind, dtype: torch.dtype) -> None:
    precision, model = Precision(kind, CPU), nn.Linear(4, 4)
    with precision.autocast():
        output = model(torch.ones(2, 4))
    assert output.dtype is dtype
    precision.backward(output.float().mean())
    optimizer = torch.optim.AdamW(model.parameters())
    precision.clip(model, norm_of(precision, model, optimizer), 1.0)
    assert precision.step(optimizer)
    assert model.weight.grad is not None
    assert model.weight.dtype is model.weight.grad.dtype is optimizer.state[model.weight]["exp_avg"].dtype
    assert model.weight.dtype is torch.float32


@pytest.mark.parametrize("kind", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("max_norm", [1.0, 100.0, float("inf")])
def test_gradients_are_unscaled_before_they_are_clipped(kind: Kind, max_norm: float) -> None:
    precision, model = Precision(kind, CPU), nn.Linear(2, 1, bias=False)
    precision.backward(model(torch.tensor([[3.0, 4.0]])).sum())
    norm = norm_of(precision, model, torch.optim.SGD(model.parameters()))
    precision.clip(model, norm, max_norm)
    assert float(norm) == pytest.approx(5)
    assert model.weight.grad is not None
    assert float(model.weight.grad.norm()) == pytest.approx(min(5, max_norm), rel=1e-5)


def norm_of(precision: Precision, model: nn.Module, optimizer: torch.optim.Optimizer) -> torch.Tensor:
    return nn.utils.get_total_norm(precision.gradients(model, optimizer))


def overflow(precision: Precision, model: nn.Linear, optimizer: torch.optim.Optimizer) -> bool:
    """A step whose gradients are infinite; whether it was taken."""
    optimizer.zero_grad()
    precision.backward(model(torch.full((1, 2), 3e38)).sum())
    precision.clip(model, norm_of(precision, model, optimizer), 1.0)
    return precision.step(optimizer)


def test_an_overflow_skips_the_step_and_lowers_the_scale() -> None:
    precision, model = Precision("fp16", CPU), nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before, scale = model.weight.detach().clone(), precision.state()["scale"]
    assert not overflow(precision, model, optimizer)
    assert torch.equal(model.weight, before)
    assert precision.state()["scale"] == scale / 2


def test_the_scale_is_state_and_single_precision_has_none() -> None:
    precision, model = Precision("fp16", CPU), nn.Linear(2, 1)
    for _ in range(3):
        overflow(precision, model, torch.optim.SGD(model.parameters(), lr=1.0))
    again = Precision("fp16", CPU)
    again.load_state(json.loads(json.dumps(precision.state())))
    assert again.state() == precision.state()
    for kind in ("fp32", "bf16"):
        plain = Precision(kind, CPU)
        assert plain.state() == {}
        plain.load_state({})


def test_a_run_counts_the_steps_that_fp16_skips_and_takes_none_of_them(project: Path) -> None:
    run = make_run(spec_of(project / "tiny.toml", "precision.kind=fp16"), project / "run", dtype=torch.float32)
    run.precision.load_state({**run.precision.state(), "scale": 2.0**100})
    before = weights(run)
    counted = [event.num_overflows for event in fit(run) if isinstance(event, StepDone)]
    assert counted == list(range(1, 13))
    assert all(torch.equal(value, before[name]) for name, value in weights(run).items())
    assert run.precision.state()["scale"] == 2.0**88
    assert json.loads((run.run_dir.last / "state" / "progress.json").read_text())["num_overflows"] == 12


def test_a_run_in_fp16_skips_nothing_where_the_scale_fits(project: Path) -> None:
    run = make_run(spec_of(project / "tiny.toml", "precision.kind=fp16"), project / "run", dtype=torch.float32)
    assert {event.num_overflows for event in fit(run) if isinstance(event, StepDone)} == {0}
