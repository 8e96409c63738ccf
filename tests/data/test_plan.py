"""What every plan holds, whatever the lengths, the batch, the cut and the world."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.data.plan import Cut, EpochPlan, Shares, by_length, deal, num_groups, padded_tokens, padding_share, slots_in
from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.encoding import Encoded

LONGEST = 24
lengths = st.lists(st.integers(1, LONGEST), min_size=1, max_size=70).map(torch.tensor)
sizes, windows, worlds, seeds = st.integers(1, 20), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31 - 1)
cuts = st.one_of(
    st.builds(Cut),
    st.builds(Cut, rows=st.integers(1, 20)),
    st.builds(Cut, tokens=st.integers(1, 120)),
    st.builds(Cut, accumulation=st.integers(1, 6)),
    st.builds(Cut, tokens=st.integers(1, 120), call_tokens=st.integers(0, 60), skips_padding=st.booleans()),
)
plans = st.builds(EpochPlan, lengths, sizes, windows, seeds, st.integers(0, 3))
many = settings(deadline=None, max_examples=100)


def group_rows(plan: EpochPlan) -> list[list[int]]:
    return [plan.rows(group).tolist() for group in range(len(plan))]


def parts_of(shares: Shares) -> list[list[int]]:
    return [part.tolist() for share in shares for part in share]


def whole_group(lengths: torch.Tensor, cut: Cut, world: int) -> Shares:
    return deal(torch.arange(len(lengths)), lengths, cut, world)


@many
@given(plans)
def test_every_row_is_seen_exactly_once_an_epoch(plan: EpochPlan) -> None:
    groups = group_rows(plan)
    assert sorted(row for group in groups for row in group) == list(range(len(plan.lengths)))
    assert len(groups) == num_groups(len(plan.lengths), plan.size)
    assert sorted(map(len, groups))[1:] == [plan.size] * (len(groups) - 1)


@many
@given(plans, st.integers(0, 100))
def test_a_slice_equals_a_replay(plan: EpochPlan, start: int) -> None:
    fresh = EpochPlan(plan.lengths, plan.size, plan.window, plan.seed, plan.epoch)
    start = min(start, len(plan) - 1)
    assert [fresh.rows(group).tolist() for group in range(start, len(plan))] == group_rows(plan)[start:]


@many
@given(plans, cuts, worlds)
def test_a_group_has_the_same_rows_whatever_the_world_and_the_cut(plan: EpochPlan, cut: Cut, world: int) -> None:
    for group in range(len(plan)):
        rows = plan.rows(group)
        dealt = [row for part in parts_of(deal(rows, plan.lengths, cut, world)) for row in part]
        assert sorted(dealt) == sorted(rows.tolist())


@many
@given(lengths, cuts, worlds)
def test_every_rank_has_equally_many_micro_batches(lengths: torch.Tensor, cut: Cut, world: int) -> None:
    shares = whole_group(lengths, cut, world)
    assert len(shares) == world
    assert len({len(share) for share in shares}) == 1
    assert all(part.dtype == torch.int64 for share in shares for part in share)


@many
@given(lengths, cuts, worlds)
def test_dummies_are_only_where_rows_are_too_few(lengths: torch.Tensor, cut: Cut, world: int) -> None:
    shares = whole_group(lengths, cut, world)
    counts = Counter(len(part) for part in parts_of(shares))
    assert counts[0] < world
    if counts[0]:
        assert set(counts) == {0, 1}
        assert len(lengths) % world


def cost(parts: list[torch.Tensor], lengths: torch.Tensor, call_tokens: int) -> int:
    return sum(padded_tokens(part, lengths) + call_tokens for part in parts)


def all_cuts(rows: torch.Tensor) -> list[list[torch.Tensor]]:
    """Every way to cut rows into consecutive parts."""
    if len(rows) == 0:
        return [[]]
    return [[rows[:n], *rest] for n in range(1, len(rows) + 1) for rest in all_cuts(rows[n:])]


@many
@given(st.lists(st.integers(1, LONGEST), min_size=1, max_size=9).map(torch.tensor), st.integers(0, 60))
def test_no_cut_costs_less_than_the_one_by_cost(lengths: torch.Tensor, call_tokens: int) -> None:
    [found] = whole_group(lengths, Cut(call_tokens=call_tokens), 1)
    ordered = by_length(torch.arange(len(lengths)), lengths)
    assert cost(list(found), lengths, call_tokens) == min(cost(cut, lengths, call_tokens) for cut in all_cuts(ordered))


@many
@given(lengths, st.integers(1, 120), st.integers(0, 60), worlds)
def test_by_cost_the_limit_holds_and_every_rank_of_several_has_two(
    lengths: torch.Tensor, tokens: int, call_tokens: int, world: int
) -> None:
    shares = whole_group(lengths, Cut(tokens=tokens, call_tokens=call_tokens), world)
    for part in parts_of(shares):
        assert len(part) <= 1 or len(part) * int(lengths[part].max()) <= tokens
    if world > 1 and len(lengths) >= 2 * world:
        assert len(shares[0]) >= 2


@many
@given(lengths, st.integers(1, 120))
def test_what_computes_no_padding_is_cut_only_where_a_micro_batch_is_full(lengths: torch.Tensor, tokens: int) -> None:
    [parts] = whole_group(lengths, Cut(tokens=tokens, call_tokens=9, skips_padding=True), 1)
    assert all(len(part) == 1 or int(lengths[part].sum()) <= tokens for part in parts)
    in_order = sorted(parts, key=lambda part: (int(lengths[part[0]]), int(part[0])))
    assert all(int(lengths[torch.cat([part, after[:1]])].sum()) > tokens for part, after in pairwise(in_order))


def test_a_group_is_cut_where_padding_costs_more_than_a_call() -> None:
    lengths = torch.tensor([4, 20, 4, 20])
    assert parts_of(whole_group(lengths, Cut(call_tokens=31), 1)) == [[1, 3], [0, 2]]
    assert parts_of(whole_group(lengths, Cut(call_tokens=33), 1)) == [[0, 2, 1, 3]]


@many
@given(lengths, st.integers(1, 30), worlds)
def test_micro_batches_have_at_most_so_many_rows_and_no_needless_ones(
    lengths: torch.Tensor, rows: int, world: int
) -> None:
    parts = parts_of(whole_group(lengths, Cut(rows=rows), world))
    counts = [len(part) for part in parts if part]
    assert max(counts) <= rows
    assert max(counts) - min(counts) <= 1
    assert len(parts) < -(-len(lengths) // rows) + world


@many
@given(lengths, st.integers(1, 6), worlds)
def test_accumulation_is_the_number_of_micro_batches_of_a_rank(lengths: torch.Tensor, number: int, world: int) -> None:
    shares = whole_group(lengths, Cut(accumulation=number), world)
    assert len(shares[0]) == min(number, -(-len(lengths) // world))


@many
@given(lengths, st.integers(1, 120), worlds)
def test_padded_tokens_stay_within_the_limit_save_for_single_rows(
    lengths: torch.Tensor, tokens: int, world: int
) -> None:
    for part in parts_of(whole_group(lengths, Cut(tokens=tokens), world)):
        assert len(part) <= 1 or len(part) * int(lengths[part].max()) <= tokens


@many
@given(lengths, st.integers(1, 120))
def test_by_tokens_each_micro_batch_is_as_full_as_it_can_be(lengths: torch.Tensor, tokens: int) -> None:
    parts = parts_of(whole_group(lengths, Cut(tokens=tokens), 1))
    parts.sort(key=lambda part: int(lengths[part].max()), reverse=True)
    for part, following in pairwise(parts):
        longest = int(lengths[part].max())
        assert int(lengths[part].min()) >= int(lengths[following].max())
        assert (len(part) + 1) * longest > tokens


@many
@given(lengths, cuts, worlds)
def test_the_rank_with_most_has_at_most_one_micro_batch_more(lengths: torch.Tensor, cut: Cut, world: int) -> None:
    shares = whole_group(lengths, cut, world)
    loads = [sum(slots_in(part, lengths, cut) for part in share) for share in shares]
    heaviest = max(slots_in(part, lengths, cut) for share in shares for part in share)
    assert max(loads) - min(loads) <= heaviest


@many
@given(lengths, cuts, worlds)
def test_rows_of_a_micro_batch_are_neighbours_in_length(lengths: torch.Tensor, cut: Cut, world: int) -> None:
    ranges = sorted(
        (int(lengths[part].min()), int(lengths[part].max()))
        for part in parts_of(whole_group(lengths, cut, world))
        if part
    )
    assert all(left[1] <= right[0] for left, right in pairwise(ranges))


@many
@given(lengths, cuts, worlds)
def test_dealing_is_a_function_of_its_arguments(lengths: torch.Tensor, cut: Cut, world: int) -> None:
    one, other = whole_group(lengths, cut, world), whole_group(lengths, cut, world)
    assert [parts_of((share,)) for share in one] == [parts_of((share,)) for share in other]


@many
@given(lengths, sizes, st.integers(2, 5), seeds)
def test_a_window_sorts_the_same_rows_over_several_groups(
    lengths: torch.Tensor, size: int, window: int, seed: int
) -> None:
    plain, sorted_plan = (EpochPlan(lengths, size, number, seed, 0) for number in (1, window))
    assert plain.order == sorted_plan.order
    ours, theirs = group_rows(sorted_plan), group_rows(plain)
    for first in range(0, len(ours), window):
        span = slice(first, first + window)
        assert sorted(chain(*ours[span])) == sorted(chain(*theirs[span]))
        ranges = sorted((int(lengths[rows].min()), int(lengths[rows].max())) for rows in ours[span])
        assert all(left[1] <= right[0] for left, right in pairwise(ranges))


def padding(plan: EpochPlan, cut: Cut) -> float:
    """The share of padding in one process, of rows that are a sequence each."""
    ids = [[1] * length for length in plan.lengths[torch.arange(len(plan.lengths))].tolist()]
    return padding_share(plan, TokenizedSplit.of(Encoded(ids, None, list(map(len, ids))), None), cut, 1)


def test_a_window_shuffles_its_groups_and_pads_less() -> None:
    lengths = torch.arange(1, 129)
    plain, windowed = (EpochPlan(lengths, 8, window, 0, 0) for window in (1, 16))
    firsts = [min(rows) for rows in group_rows(windowed)]
    assert firsts != sorted(firsts)
    assert padding(windowed, Cut(rows=8)) < padding(plain, Cut(rows=8)) / 2


def test_every_window_of_every_epoch_is_shuffled_in_its_own_way() -> None:
    lengths = torch.arange(1, 129)
    shuffles: list[tuple[int, ...]] = []
    for epoch in range(3):
        plan = EpochPlan(lengths, 4, 8, 0, epoch)
        firsts = [int(plan.rows(group).min()) for group in range(len(plan))]
        shuffles += [tuple(sorted(range(8), key=firsts[start : start + 8].__getitem__)) for start in range(0, 32, 8)]
    assert len(set(shuffles)) == len(shuffles) == 12


def test_epochs_and_seeds_differ_and_repeat() -> None:
    lengths = torch.full((64,), 5)
    orders = [tuple(chain(*group_rows(EpochPlan(lengths, 8, 1, seed, epoch)))) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4
    assert tuple(chain(*group_rows(EpochPlan(lengths, 8, 1, 1, 1)))) == orders[3]


def test_rows_of_equal_length_keep_their_order() -> None:
    lengths = torch.tensor([3, 1, 3, 1, 2])
    assert by_length(torch.tensor([2, 0, 4, 3, 1]), lengths).tolist() == [3, 1, 4, 2, 0]


def test_a_known_group_is_cut_and_dealt_as_expected() -> None:
    lengths = torch.tensor([9, 1, 8, 2, 7, 3])
    rows = whole_group(lengths, Cut(rows=2), 2)
    assert [[part.tolist() for part in share] for share in rows] == [[[5, 4], [1, 3]], [[0], [2]]]
    tokens = whole_group(lengths, Cut(tokens=18), 1)
    assert [part.tolist() for part in tokens[0]] == [[2, 0], [5, 4], [1, 3]]


def test_fewer_rows_than_ranks_leave_a_dummy_for_each_rank_without() -> None:
    shares = whole_group(torch.tensor([4, 6]), Cut(rows=8), 3)
    assert [[part.tolist() for part in share] for share in shares] == [[[1]], [[0]], [[]]]


@pytest.mark.parametrize(("num_rows", "size", "groups"), [(1, 1, 1), (8, 8, 1), (9, 8, 2), (3, 8, 1)])
def test_a_short_last_group_counts(num_rows: int, size: int, groups: int) -> None:
    assert num_groups(num_rows, size) == groups


def test_the_padding_share_counts_slots_that_hold_no_token() -> None:
    plan = EpochPlan(torch.tensor([1, 3]), 2, 1, 0, 0)
    assert padding(plan, Cut(rows=2)) == pytest.approx(2 / 6)
    assert padding(plan, Cut(rows=1)) == 0


def test_it_counts_every_sequence_of_a_row() -> None:
    encoded = Encoded([[1], [1, 1, 1], [1, 1]], None, [4, 2], sequences=[2, 1])
    split = TokenizedSplit.of(encoded, None)
    plan = EpochPlan(split.row_lengths, 2, 1, 0, 0)
    assert padding_share(plan, split, Cut(rows=3), 1) == pytest.approx(3 / 9)
    assert padding_share(plan, split, Cut(rows=2), 1) == pytest.approx(1 / 7)


def test_some_groups_tell_the_padding_of_all() -> None:
    lengths = [length for length in range(1, 41) for _ in range(8)]
    plan = EpochPlan(torch.tensor(lengths), 8, 1, 0, 0)
    split = TokenizedSplit.of(Encoded([[1] * length for length in lengths], None, lengths), None)
    every = padding_share(plan, split, Cut(rows=8), 1)
    assert padding_share(plan, split, Cut(rows=8), 1, groups=20) == pytest.approx(every, rel=0.2)
    assert padding_share(plan, split, Cut(rows=8), 1, groups=1000) == every
