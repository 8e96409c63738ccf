"""Dropout on a CPU, where drawing a mask number by number takes longer than all else that is not a matrix product.

One draw of torch's own generator gives 64 bits, the numbers of four elements, so a mask is a function of the step's
seed like any other. A rate is met to 2^-16. On other devices torch's own kernels are faster, and stay in place.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

from ftcli.modeling.packing import ATTENTION, PACKING, Packing

_NUMBERS = 2**16
_ALL_INT64 = torch.iinfo(torch.int64).min
_LOWEST = torch.iinfo(torch.int16).min


@torch.library.custom_op("ftcli::fill_randomly", mutates_args=("numbers",), schema="(Tensor(a!) numbers) -> ()")
def _fill_randomly(numbers: Tensor) -> None:
    """Draw int16 numbers [a multiple of 4] from all there are.

    An operation of its own, for torch's compiler refuses `random_`. It writes into what it is given: of two operations
    that read the same and write nothing, a compiler makes one, and two masks would be the same.
    """
    numbers.view(torch.int64).random_(_ALL_INT64, None)


@_fill_randomly.register_fake
def _(numbers: Tensor) -> None:
    """Nothing to tell of shapes."""


def drop(values: Tensor, rate: float) -> Tensor:
    """Zero each value with a probability of `rate`, and scale the others up by what that takes away on average."""
    threshold = round(rate * _NUMBERS)
    if threshold == _NUMBERS:
        return values * 0
    numbers = torch.empty(-(-values.numel() // 4) * 4, dtype=torch.int16)
    _fill_randomly(numbers)
    kept = (numbers[: values.numel()].view(values.shape) >= _LOWEST + threshold).to(values.dtype)
    return values * kept.mul_(_NUMBERS / (_NUMBERS - threshold))


class CpuDropout(nn.Dropout):
    """`nn.Dropout` by `drop`."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with some of its values dropped in training; as it is otherwise."""
        return drop(input, self.p) if self.training and self.p > 0 else input


def _attend(  # noqa: PLR0917 - transformers' protocol
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention [rows, length, heads, size] of query, key and value [rows, heads, length, size].

    Without dropout torch's own kernel does it. With it, that would fall back to the same products as here.
    """
    packing: Packing | None = options.pop(PACKING, None)
    if packing is not None:
        return packing.attend(query, key, value, partial(_attend, module, dropout=dropout, scaling=scaling)), None
    if dropout == 0 or options.get("position_bias") is not None:
        found = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return found[0], None
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ key.transpose(2, 3)
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    return (drop(scores.softmax(3), dropout) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, _attend)
AttentionMaskInterface.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


def use_cpu_dropout(model: nn.Module) -> None:
    """Let a model that is trained on a CPU draw its masks by `drop`; parameters and config.json stay the same."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = CpuDropout
        elif isinstance(module, PreTrainedModel) and module.config._attn_implementation == "sdpa":  # pyright: ignore[reportPrivateUsage]
            module.set_attn_implementation(ATTENTION)
