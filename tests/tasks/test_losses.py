"""Losses of single labels are those that torch and the papers define, as sums."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from ftcli.tasks.losses import LabelLoss, divergence

WEIGHTS = (0.3, 1.0, 2.5, 0.01)


def made(seed: int, *, rows: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(4, (rows,), generator=generator)


def assert_same(found: torch.Tensor, expected: torch.Tensor, logits: torch.Tensor) -> None:
    """The same loss and the same gradient."""
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, logits), torch.autograd.grad(expected, logits)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_label_smoothing_is_torchs(seed: int, smoothing: float) -> None:
    logits, labels = made(seed)
    expected = cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    assert_same(LabelLoss(smoothing=smoothing)(logits, labels), expected, logits)


@pytest.mark.parametrize("seed", range(3))
def test_divided_by_the_summed_weights_it_is_torchs_weighted_mean(seed: int) -> None:
    logits, labels = made(seed)
    loss = LabelLoss(weights=WEIGHTS)
    weights = torch.tensor(WEIGHTS).double()
    assert torch.equal(loss.weights_of(labels).double(), weights[labels])
    expected = cross_entropy(logits, labels, weight=weights)
    assert_same(loss(logits, labels) / weights[labels].sum(), expected, logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weights_multiply_each_rows_loss_whatever_it_is(smoothing: float) -> None:
    logits, labels = made(5)
    each = cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
    expected = (each * torch.tensor(WEIGHTS).double()[labels]).sum()
    assert_same(LabelLoss(weights=WEIGHTS, smoothing=smoothing)(logits, labels), expected, logits)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_focal_loss_is_that_of_its_paper(gamma: float, weights: tuple[float, ...] | None) -> None:
    logits, labels = made(2)
    right = torch.softmax(logits, 1)[torch.arange(len(labels)), labels]
    each = -((1 - right) ** gamma) * right.log()
    expected = (each if weights is None else each * torch.tensor(weights).double()[labels]).sum()
    assert_same(LabelLoss(weights=weights, focal_gamma=gamma)(logits, labels), expected, logits)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0.0, 20.0, 200.0, -200.0])
def test_the_focal_loss_has_a_finite_gradient_however_sure_the_model_is(
    gamma: float, dtype: torch.dtype, margin: float
) -> None:
    logits = torch.tensor([[margin, 0.0]], dtype=dtype, requires_grad=True)
    loss = LabelLoss(focal_gamma=gamma)(logits, torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert math.isfinite(float(loss.detach()))
    assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize(
    "loss", [LabelLoss(), LabelLoss(smoothing=0.1), LabelLoss(focal_gamma=2.0), LabelLoss(weights=WEIGHTS)]
)
def test_half_precision_is_computed_in_single(loss: LabelLoss) -> None:
    logits, labels = made(1)
    coarse = logits.detach().bfloat16()
    found = loss(coarse, labels)
    assert found.dtype is torch.float32
    assert float(found) == pytest.approx(float(loss(coarse.double(), labels)), rel=1e-5)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_divergence_is_the_mean_of_both_directions(swapped: bool) -> None:
    (first, _), (second, _) = made(3), made(4)
    left, right = first.log_softmax(1), second.log_softmax(1)
    there, back = (kl_div(p, q, reduction="sum", log_target=True) for p, q in ((left, right), (right, left)))
    found = (divergence(second, first) if swapped else divergence(first, second)).sum()
    assert_same(found, (there + back) / 2, first)


def test_nothing_lies_between_equal_passes() -> None:
    logits, _ = made(3)
    assert divergence(logits, logits).detach().tolist() == [0.0] * len(logits)


def test_weights_that_an_evaluation_has_made_are_good_for_training() -> None:
    logits, labels = made(6)
    weighted = LabelLoss(weights=(0.5, 1.5, 7.0, 0.125))
    with torch.inference_mode():
        weighted(logits.detach(), labels)
    weighted(logits, labels).backward()
    assert logits.grad is not None
    assert weighted.divisor(labels) == float(torch.tensor([0.5, 1.5, 7.0, 0.125])[labels].sum())
