"""The arithmetic of the forward pass: autocast and loss scaling behind one face. Weights and state stay fp32."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ftcli.spec.sections import PrecisionSection

Kind = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(section: PrecisionSection, device: torch.device) -> tuple[Kind, str | None]:
    """What `auto` means on a device, and a warning where the choice is a slow one."""
    fast_bf16 = _gpu_has_fast_bf16() if device.type == "cuda" else _cpu_has_fast_bf16()
    if section.kind == "auto":
        if fast_bf16:
            return "bf16", None
        return ("fp16" if device.type == "cuda" else "fp32"), None
    if section.kind == "bf16" and not fast_bf16:
        return "bf16", f"this {device.type.upper()} has no fast bf16: it will be much slower than fp32"
    if section.kind == "fp16" and device.type == "cpu":
        return "fp16", "fp16 on a CPU is slower than fp32; it saves nothing here"
    return section.kind, None


def _gpu_has_fast_bf16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


def _cpu_has_fast_bf16() -> bool:
    abilities: Mapping[str, Any] = torch.cpu.get_capabilities()
    return bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))


class Precision:
    """Runs forward, backward and the optimizer's step in the chosen arithmetic."""

    def __init__(self, kind: Kind, device: torch.device, *, loss_scale: float = 65536.0) -> None:
        self.kind: Kind = kind
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, init_scale=loss_scale, enabled=kind == "fp16")
        self._scaler.scale(torch.zeros((), device=device))  # it makes its scale only when it is first used

    def autocast(self) -> AbstractContextManager[Any]:
        """Around a forward pass."""
        if self.kind == "fp32":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=_DTYPES[self.kind])

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients, scaled where the arithmetic needs it."""
        torch.autograd.backward(self._scaler.scale(loss))

    @property
    def may_overflow(self) -> bool:
        """Whether a gradient that is no number is only a scale too large: the step is skipped and the scale halved."""
        return self.kind == "fp16"

    def gradients(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
        """All gradients of a step, without the loss's scale. Once a step."""
        self._scaler.unscale_(optimizer)
        return [p.grad for p in model.parameters() if p.grad is not None]

    def clip(self, model: nn.Module, norm: Tensor, max_norm: float) -> None:
        """Clip the gradients, whose joint norm is `norm`, to `max_norm`."""
        if max_norm < float("inf"):
            nn.utils.clip_grads_with_norm_([p for p in model.parameters() if p.grad is not None], max_norm, norm)

    def abandon(self) -> None:
        """Forget the gradients of a step that will be taken again."""
        if self._scaler.is_enabled():
            self._scaler.update(self._scaler.get_scale())

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Take the optimizer's step; False where fp16 overflowed and the step was skipped."""
        before = self._scaler.get_scale()
        self._scaler.step(optimizer)
        self._scaler.update()
        return self._scaler.get_scale() >= before

    def state(self) -> dict[str, Any]:
        """The scaler's numbers; empty without one."""
        return self._scaler.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""
        if state:
            self._scaler.load_state_dict(state)
