"""Law 8: a checkpoint gives back the model that was saved, through ftcli and through transformers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from ftcli.flows.laws.bench import Bench
from ftcli.flows.laws.check import Check, exact, to_rounding
from ftcli.flows.laws.measure import BOUNDS, DTYPES, raw, relative_distance
from ftcli.flows.plain import own_scores, scores_of_transformers
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.modeling.parity import plain_encoder
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.encoding import Fields
from ftcli.spec.wording import counted

_ROWS = 16


def check(bench: Bench) -> Working[list[Check]]:
    """Score some validation rows with the short run's live model, its checkpoint, and transformers alone."""
    yield Activity("round trip", 0, _ROWS)
    split = "validation" if "validation" in bench.prepared.facts.splits else "train"
    rows = list(islice(bench.prepared.rows(split), _ROWS))
    live, checkpoint = bench.whole.run.model, bench.whole.checkpoint
    predictor = open_predictor(checkpoint, device="cpu")
    what = f"logits of {counted(len(rows))}"
    checks = [_compare(what, predictor, rows, lambda dtype: _logits(predictor, live, rows, dtype))]
    if predictor.card.head == "auto":
        by_transformers = partial(scores_of_transformers, predictor, checkpoint, rows)
        plain = _compare("same in transformers", predictor, rows, lambda dtype: by_transformers(dtype=dtype))
        checks.append(plain)
    else:
        wrong = other_encoder_tensors(live, plain_encoder(checkpoint))
        checks.append(exact("round trip", "encoder tensors that differ", wrong, note="loaded with AutoModel"))
    yield Activity("round trip", len(rows), len(rows))
    return checks


def _compare(
    what: str, predictor: Predictor, rows: Sequence[Fields], expected: Callable[[torch.dtype], Tensor]
) -> Check:
    """How far the predictor's logits are from those expected, in each arithmetic."""
    found = {
        dtype: relative_distance({"": _logits(predictor, predictor.model, rows, dtype)}, {"": expected(dtype)})
        for dtype in DTYPES
    }
    return to_rounding("round trip", what, found, bound_fp32=BOUNDS[torch.float32])


def _logits(predictor: Predictor, model: nn.Module, rows: Sequence[Fields], dtype: torch.dtype) -> Tensor:
    return own_scores(replace(predictor, model=model.to(dtype)), rows)


def other_encoder_tensors(model: nn.Module, plain: dict[str, Tensor]) -> list[str]:
    """The tensors of a model's encoder that transformers does not find, or finds with other bytes."""
    base: Any = model.base_model_prefix
    encoder = model.get_submodule(str(base))
    return [
        name
        for name, value in encoder.named_parameters()
        if name not in plain or not torch.equal(raw(plain[name]), raw(value))
    ]
