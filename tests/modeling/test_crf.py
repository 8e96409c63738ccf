"""The CRF against all label sequences written out, against autograd, and within what it allows."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ftcli.modeling.crf import AllowedSteps, LinearChainCRF

O, B, I = 0, 1, 2  # noqa: E741
BIO = AllowedSteps(
    starts=[True, True, False],
    ends=[True, True, True],
    steps=[[True, True, False], [True, True, True], [True, True, True]],
)
BIOES = AllowedSteps(  # O B I E S
    starts=[True, True, False, False, True],
    ends=[True, False, False, True, True],
    steps=[
        [True, True, False, False, True],
        [False, False, True, True, False],
        [False, False, True, True, False],
        [True, True, False, False, True],
        [True, True, False, False, True],
    ],
)
LENGTHS = [4, 1, 2, 3]
constraints = pytest.mark.parametrize("allowed", [None, BIO], ids=["free", "bio"])


def make_crf(
    labels: int = 3, allowed: AllowedSteps | None = None, dtype: torch.dtype = torch.float64
) -> LinearChainCRF:
    crf = LinearChainCRF(labels, allowed=allowed)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return crf.to(dtype)


def make_batch(lengths: list[int], labels: int = 3, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(11)
    emissions = torch.randn(len(lengths), max(lengths), labels, generator=generator, dtype=dtype)
    return emissions, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def paths(
    crf: LinearChainCRF, emissions: Tensor, *, begins: bool = True, finishes: bool = True
) -> dict[tuple[int, ...], Tensor]:
    """Every allowed path of one row [length, labels] with its score."""
    length, labels = emissions.shape
    found: dict[tuple[int, ...], Tensor] = {}
    for path in itertools.product(range(labels), repeat=length):
        steps = list(itertools.pairwise(path))
        if (begins and not crf.may_start[path[0]]) or (finishes and not crf.may_end[path[-1]]):
            continue
        if not all(crf.may_step[step] for step in steps):
            continue
        score = sum(
            (emissions[place, label] for place, label in enumerate(path)), torch.zeros((), dtype=emissions.dtype)
        )
        score = score + sum(crf.steps[step] for step in steps)
        found[path] = score + crf.starts[path[0]] * begins + crf.ends[path[-1]] * finishes
    return found


@constraints
@pytest.mark.parametrize("edges", [None, True, False])
def test_the_likelihood_is_that_of_all_sequences_written_out(allowed: AllowedSteps | None, edges: bool | None) -> None:
    crf = make_crf(allowed=allowed)
    emissions, mask = make_batch(LENGTHS)
    flags = None if edges is None else torch.tensor([edges, not edges, edges, not edges])
    other = None if flags is None else ~flags
    for number, length in enumerate(LENGTHS):
        begins = True if flags is None else bool(flags[number])
        scores = paths(crf, emissions[number, :length], begins=begins, finishes=True if flags is None else not begins)
        partition = torch.stack(list(scores.values())).logsumexp(0)
        for path, score in scores.items():
            tags = torch.full(mask.shape, -100)
            tags[number, :length] = torch.tensor(path)
            got = crf.log_likelihood(emissions, tags.where(tags >= 0, O), mask, begins=flags, finishes=other)[number]
            torch.testing.assert_close(got, score - partition)


def test_what_tags_are_under_the_padding_does_not_matter() -> None:
    crf = make_crf(allowed=BIO)
    emissions, mask = make_batch(LENGTHS)
    tags = torch.zeros(mask.shape, dtype=torch.int64)
    expected = crf.log_likelihood(emissions, tags, mask)
    assert torch.equal(crf.log_likelihood(emissions, tags.where(mask, -100), mask), expected)
    noise = emissions.where(mask[..., None], 1e3)
    assert torch.equal(crf.log_likelihood(noise, tags, mask), expected)


@constraints
def test_the_decoded_path_is_the_best_of_all(allowed: AllowedSteps | None) -> None:
    crf = make_crf(allowed=allowed)
    emissions, mask = make_batch(LENGTHS)
    decoded = crf.decode(emissions, mask)
    for number, length in enumerate(LENGTHS):
        scores = paths(crf, emissions[number, :length])
        assert tuple(decoded[number, :length].tolist()) == max(scores, key=lambda path: float(scores[path].detach()))
        assert not decoded[number, length:].any()


@constraints
def test_the_marginals_are_those_of_all_sequences_written_out(allowed: AllowedSteps | None) -> None:
    crf = make_crf(allowed=allowed)
    emissions, mask = make_batch(LENGTHS)
    marginals = crf.marginals(emissions, mask)
    for number, length in enumerate(LENGTHS):
        scores = paths(crf, emissions[number, :length])
        shares = torch.stack(list(scores.values())).softmax(0)
        expected = torch.zeros(length, 3, dtype=torch.float64)
        for path, share in zip(scores, shares, strict=True):
            for place, label in enumerate(path):
                expected[place, label] += share
        torch.testing.assert_close(marginals[number, :length], expected)
        assert not marginals[number, length:].any()


@constraints
def test_the_marginals_are_the_gradient_of_the_partition(allowed: AllowedSteps | None) -> None:
    """The gradient of gold - partition is one-hot - marginals."""
    crf = make_crf(allowed=allowed)
    emissions, mask = make_batch(LENGTHS)
    tags = torch.zeros(mask.shape, dtype=torch.int64)
    emissions.requires_grad_()
    (gradient,) = torch.autograd.grad(crf.log_likelihood(emissions, tags, mask).sum(), emissions)
    gold = torch.nn.functional.one_hot(tags, 3) * mask[..., None]
    torch.testing.assert_close(gold - gradient, crf.marginals(emissions, mask).detach())


def test_gradients_are_those_of_finite_differences() -> None:
    crf = make_crf(allowed=BIO)
    emissions, mask = make_batch(LENGTHS)
    tags = torch.tensor([[B, I, O, B], [O, 0, 0, 0], [B, I, 0, 0], [I, I, B, 0]])
    begins, finishes = torch.tensor([True, True, True, False]), torch.tensor([True, False, True, True])

    def value(*tensors: Tensor) -> Tensor:
        names = [name for name, _ in crf.named_parameters()]
        return torch.func.functional_call(
            _Likelihood(crf),
            dict(zip([f"crf.{n}" for n in names], tensors[1:], strict=True)),
            (tensors[0], tags, mask, begins, finishes),
        )

    inputs = [emissions, *(parameter.detach().clone() for parameter in crf.parameters())]
    assert torch.autograd.gradcheck(value, [tensor.requires_grad_() for tensor in inputs])


class _Likelihood(torch.nn.Module):
    def __init__(self, crf: LinearChainCRF) -> None:
        super().__init__()
        self.crf = crf

    def forward(self, emissions: Tensor, tags: Tensor, mask: Tensor, begins: Tensor, finishes: Tensor) -> Tensor:
        return self.crf.log_likelihood(emissions, tags, mask, begins=begins, finishes=finishes)


@pytest.mark.parametrize("lengths", [[1], [1, 1], [2], [7, 1, 3]])
def test_every_score_has_a_finite_gradient_even_where_rows_have_one_word(lengths: list[int]) -> None:
    crf = make_crf(allowed=BIO, dtype=torch.float32)
    emissions, mask = make_batch(lengths, dtype=torch.float32)
    no = torch.zeros(len(lengths), dtype=torch.bool)
    tags = torch.zeros(mask.shape, dtype=torch.int64)
    crf.log_likelihood(emissions * 1e4, tags, mask, begins=no, finishes=no).sum().backward()
    for name, parameter in crf.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_forbidden_gold_sequence_is_finite_and_unmistakable() -> None:
    crf = make_crf(allowed=BIO, dtype=torch.float32)
    emissions, mask = make_batch([3], dtype=torch.float32)
    emissions.requires_grad_()
    value = crf.log_likelihood(emissions, torch.tensor([[O, I, O]]), mask)
    value.sum().backward()
    assert float(value.detach()) < -1e29
    assert emissions.grad is not None
    assert emissions.grad.isfinite().all()


def test_autocast_changes_nothing_but_the_rounding_of_its_input() -> None:
    crf = make_crf(allowed=BIO, dtype=torch.float32)
    emissions, mask = make_batch([9, 5], dtype=torch.float32)
    tags = torch.zeros(mask.shape, dtype=torch.int64)
    rounded = emissions.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        inside = (crf.log_likelihood(rounded, tags, mask), crf.decode(rounded, mask), crf.marginals(rounded, mask))
    plain = rounded.float()
    outside = (crf.log_likelihood(plain, tags, mask), crf.decode(plain, mask), crf.marginals(plain, mask))
    assert [value.dtype for value in inside] == [torch.float32, torch.int64, torch.float32]
    for one, other in zip(inside, outside, strict=True):
        assert torch.equal(one, other)


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_nothing_forbidden_is_ever_decoded(data: st.DataObject) -> None:
    allowed = data.draw(st.sampled_from([BIO, BIOES]))
    labels = len(allowed.starts)
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    size = data.draw(st.sampled_from([1.0, 1e3, 1e9]))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**20)))
    emissions = torch.randn(len(lengths), max(lengths), labels, generator=generator) * size
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    crf = make_crf(labels, allowed, torch.float32)
    for length, row in zip(lengths, crf.decode(emissions, mask).tolist(), strict=True):
        assert allowed.starts[row[0]]
        assert allowed.ends[row[length - 1]]
        assert all(allowed.steps[one][other] for one, other in itertools.pairwise(row[:length]))


def test_a_long_sentence_stays_finite_in_single_precision() -> None:
    crf = make_crf(5, BIOES, torch.float32)
    emissions, mask = make_batch([1500, 700], 5, torch.float32)
    value = crf.log_likelihood(emissions * 20, crf.decode(emissions * 20, mask), mask)
    assert value.isfinite().all()
    assert (value <= 1e-2).all()
    marginals = crf.marginals(emissions, mask)
    torch.testing.assert_close(marginals.sum(2), mask.float())
    assert not marginals[0, 0, ~torch.tensor(BIOES.starts)].any()


def test_what_is_allowed_is_saved_with_the_scores() -> None:
    crf = make_crf(allowed=BIO)
    again = LinearChainCRF(3).double()
    again.load_state_dict(crf.state_dict())
    emissions, mask = make_batch(LENGTHS)
    assert torch.equal(again.marginals(emissions, mask), crf.marginals(emissions, mask))
    assert {name for name, _ in crf.named_parameters()} == {"starts", "ends", "steps"}


def test_constraints_for_other_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"may_start has the shape \[3\], but there are 4 labels"):
        LinearChainCRF(4, allowed=BIO)
