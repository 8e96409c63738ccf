"""States of tokens lie unpadded, come back padded, and what is not yet on disk is known."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.data.states import States, StatesFile, StatesInMemory, lay_out
from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.encoding import Encoded

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def split_of(lengths: list[int]) -> TokenizedSplit:
    first = [sum(lengths[:number]) for number in range(len(lengths))]
    ids = [list(range(start, start + count)) for start, count in zip(first, lengths, strict=True)]
    return TokenizedSplit.of(Encoded(ids, None, lengths), None)


def states_of(split: TokenizedSplit, sequences: torch.Tensor) -> torch.Tensor:
    """Each token's state tells its number."""
    parts = [split.ids[split.offsets[n] : split.offsets[n + 1]] for n in sequences.tolist()]
    return torch.cat(parts).float()[:, None] * torch.tensor([1.0, -1.0])


@settings(deadline=None, max_examples=60)
@given(lengths, st.data())
def test_every_sequence_gets_its_own_states_back(lengths: list[int], data: st.DataObject) -> None:
    split = split_of(lengths)
    layout = lay_out(split)
    memory = StatesInMemory(layout, size=2, dtype=torch.float32)
    for number, chunk in enumerate(layout.chunks):
        memory.write(number, states_of(split, chunk))
    assert sorted(torch.cat(list(layout.chunks)).tolist()) == list(range(len(lengths)))
    states = States(memory.values, layout.starts, torch.float64)
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=9)))
    gathered, inputs = states.gather(chosen, split.lengths), split.gather(chosen, pad_id=0)
    assert gathered.dtype is torch.float64
    mask = inputs["attention_mask"].bool()
    assert gathered.shape == (*mask.shape, 2)
    assert torch.equal(gathered[mask][:, 0].long(), inputs["input_ids"][mask])
    assert torch.isfinite(gathered).all()


def test_some_sequences_can_be_laid_out_alone() -> None:
    split = split_of([3, 9, 1, 5])
    layout = lay_out(split, torch.tensor([3, 1]))
    assert layout.num_tokens == 14
    assert layout.starts.tolist()[0] == layout.starts.tolist()[2] == -1


def test_a_chunk_counts_once_it_has_reached_the_disk(tmp_path: Path) -> None:
    split = split_of([200] * 50)
    layout = lay_out(split)
    path = tmp_path / "prefix" / "train.states"
    file = StatesFile(path, layout, size=2, dtype=torch.float32)
    everything = list(range(len(layout.chunks)))
    assert len(everything) > 2
    assert file.missing() == everything
    file.write(1, states_of(split, layout.chunks[1]))
    assert file.missing() == everything
    file.flush()
    assert StatesFile(path, layout, size=2, dtype=torch.float32).missing() == [n for n in everything if n != 1]
    for number in file.missing():
        file.write(number, states_of(split, layout.chunks[number]))
    file.flush()
    assert file.missing() == []
    assert torch.equal(file.values()[:, 0].sort().values, split.ids.float())
    path.unlink()
    assert file.missing() == everything
