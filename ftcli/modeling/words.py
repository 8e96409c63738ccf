"""Rows of words as token ids: every word cut into pieces by itself, with its place on record."""

# pyright: reportUnknownVariableType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, takewhile
from typing import Any, cast

from transformers import PreTrainedTokenizerFast

from ftcli.errors import RecipeError
from ftcli.modeling.spelled import SpecialNames
from ftcli.modeling.windows import windows_over
from ftcli.runtime.encoding import Encoded

_CACHED_WORDS = 200_000
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACE_MARKS = "▁Ġ"
"""How SentencePiece and byte-level BPE write the space before a word."""
_PROBE = "a A 1 . 的"
"""Of this, any tokenizer knows something, or has a token for what it does not know."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A word's pieces, cut to the room there is; how many it has uncut, and how many of those are unknown."""

    pieces: list[int]
    num_pieces: int
    num_unknown: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """The special tokens around a sequence; `types` are the type ids of those before, of the pieces, of those after."""

    before: list[int]
    after: list[int]
    types: tuple[int, int, int] | None

    def types_of(self, num_pieces: int) -> list[int]:
        """A sequence's type ids."""
        before, inside, after = self.types or (0, 0, 0)
        return [before] * len(self.before) + [inside] * num_pieces + [after] * len(self.after)


class WordEncoder:
    """Turns rows of words into token ids, and remembers what it has found out about a word.

    Words are read as they stand in the middle of a sentence, the first one, too. A piece that is nothing but the space
    before a word is left out. A word without any piece becomes an unknown one; a word that is longer than a whole
    window is cut; one that spells a special token is read as letters.

    Args:
        inner: The tokenizer.
        max_length: Tokens of a sequence at most, special tokens included.
        stride: Pieces that neighbouring windows of a long sentence overlap by, at most; None: a quarter of a window.

    Raises:
        RecipeError: no word fits, or windows would not move on.
    """

    def __init__(self, inner: PreTrainedTokenizerFast, *, max_length: int, stride: int | None) -> None:
        self._backend: Any = inner.backend_tokenizer
        self._frame = _frame_of(inner)
        self._names = SpecialNames.of(inner)
        self._room = max_length - len(self._frame.before) - len(self._frame.after)
        self._stride = self._room // 4 if stride is None else stride
        self._unknown = cast("int", inner.pad_token_id if inner.unk_token_id is None else inner.unk_token_id)
        self._known: dict[str, _Word] = {}
        if self._room < 1:
            what = f"`data.max_length` is {max_length}, which special tokens alone fill"
            raise RecipeError(what, hint=f"at least {max_length - self._room + 1}", key=("data", "max_length"))
        if not 0 <= self._stride < self._room:
            what = f"windows of {self._room} pieces can't overlap by {self._stride}"
            raise RecipeError(what, hint=f"at most {self._room - 1}", key=("task", "stride"))
        first: list[int] = self._encoded(["a"])[0].ids[:1]
        self._mark = next((mark for mark in _SPACE_MARKS if first and self._token(first[0]).startswith(mark)), None)

    def __call__(self, rows: Sequence[Sequence[str]]) -> Encoded:
        """Rows of words as sequences; `positions` are those of core words, `full_lengths` is uncut."""
        self._learn(rows)
        result = Encoded(ids=[], type_ids=[] if self._frame.types else None, full_lengths=[])
        sequences: list[int] = []
        positions: list[list[int]] = []
        num_pieces = num_unknown = 0
        for row in rows:
            words = [self._known[word] for word in row]
            places = self._add(words, result)
            sequences.append(len(places))
            positions += places
            length = sum(word.num_pieces for word in words)
            result.full_lengths.append(length + len(self._frame.before) + len(self._frame.after))
            num_pieces += length
            num_unknown += sum(word.num_unknown for word in words)
        return Encoded(
            ids=result.ids,
            type_ids=result.type_ids,
            full_lengths=result.full_lengths,
            sequences=sequences,
            positions=positions,
            num_unknown=num_unknown,
            num_pieces=num_pieces,
        )

    def _add(self, words: list[_Word], result: Encoded) -> list[list[int]]:
        """Add a row's sequences, and tell where in each its core words begin."""
        lengths = [len(word.pieces) for word in words]
        positions: list[list[int]] = []
        for window in windows_over(lengths, room=self._room, stride=self._stride):
            inside = words[window.start : window.end]
            pieces = list(chain.from_iterable(word.pieces for word in inside))
            result.ids.append([*self._frame.before, *pieces, *self._frame.after])
            if result.type_ids is not None:
                result.type_ids.append(self._frame.types_of(len(pieces)))
            places = list(accumulate(lengths[window.start : window.end], initial=len(self._frame.before)))
            positions.append(places[window.core - window.start : window.core_end - window.start])
        return positions

    def _learn(self, rows: Sequence[Sequence[str]]) -> None:
        if len(self._known) > _CACHED_WORDS:
            self._known.clear()
        missing = [word for word in dict.fromkeys(chain.from_iterable(rows)) if word not in self._known]
        self._known.update(zip(missing, map(self._word, self._encoded(missing)), strict=True))

    def _encoded(self, words: Sequence[str]) -> list[Any]:
        # A tokenizer's file may ask for cutting and padding, and earlier calls leave theirs behind.
        self._backend.no_truncation()
        self._backend.no_padding()
        texts = [f" {self._names.as_letters(_SURROGATES.sub(chr(0xFFFD), word))}" for word in words]
        return self._backend.encode_batch_fast(texts, add_special_tokens=False)

    def _word(self, encoding: Any) -> _Word:
        pieces: list[int] = encoding.ids
        pieces = pieces[sum(1 for _ in takewhile(self._is_space, pieces[:-1])) :]
        pieces = pieces or [self._unknown]
        return _Word(pieces[: self._room], len(pieces), pieces.count(self._unknown))

    def _is_space(self, piece: int) -> bool:
        return self._mark is not None and not self._token(piece).strip(self._mark)

    def _token(self, piece: int) -> str:
        return self._backend.id_to_token(piece)


def _frame_of(inner: PreTrainedTokenizerFast) -> _Frame:
    """What the tokenizer puts around a text.

    Raises:
        RecipeError: it knows no letters at all, so there is nothing to see around.
    """
    batch: Any = inner(_PROBE, return_special_tokens_mask=True, verbose=False)
    ids: list[int] = batch["input_ids"]
    is_special: list[int] = batch["special_tokens_mask"]
    inside = [place for place, special in enumerate(is_special) if not special]
    if not inside:
        raise RecipeError(f"the tokenizer finds no tokens in `{_PROBE}`", key=("model", "tokenizer"))
    types: list[int] | None = batch.get("token_type_ids")
    kinds = (types[0], types[inside[0]], types[-1]) if types is not None else None
    return _Frame(ids[: inside[0]], ids[inside[-1] + 1 :], kinds)
