"""The model's tokenizer: texts to token ids in batches, a fingerprint to key stores by, and its files."""

# pyright: reportUnknownVariableType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import orjson
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ftcli.errors import RecipeError
from ftcli.modeling.places import resolve_path
from ftcli.modeling.quiet import quieten
from ftcli.modeling.spelled import SpecialNames
from ftcli.modeling.words import WordEncoder
from ftcli.runtime.encoding import Encode, Encoded, EncodeWords
from ftcli.spec.sections import ModelSection

quieten()

_NO_LIMIT = 1_000_000
"""Tokenizers that know no limit report 1e30."""


@dataclass(frozen=True)
class Tokenizer:
    """A fast tokenizer and what ftcli needs to know of it."""

    inner: PreTrainedTokenizerFast

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what decides the ids; truncation and padding are options of a call that linger in the backend."""
        state: dict[str, object] = orjson.loads(self.inner.backend_tokenizer.to_str())
        pattern = SpecialNames.of(self.inner).pattern
        content = {**state, "truncation": None, "padding": None, "inputs": self.inner.model_input_names}
        content["read as letters"] = None if pattern is None else pattern.pattern
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def size(self) -> int:
        """How many embeddings a model needs for its tokens: one more than the largest id."""
        count, token_of = len(self.inner), self.inner.backend_tokenizer.id_to_token
        if all(token_of(number) is not None for number in range(count)):
            return count  # as many ids without a gap; to list all tokens takes several times longer
        return max(self.inner.get_vocab().values(), default=-1) + 1

    @property
    def words(self) -> list[str]:
        """What of its vocabulary is written like a word or a part of one, in order."""
        return sorted({piece for token in self.inner.get_vocab() if (piece := token.lstrip("▁Ġ#")).isalnum()})

    @property
    def pad_id(self) -> int:
        """The id that fills rows up to a common length."""
        return cast("int", self.inner.pad_token_id)

    @property
    def max_length(self) -> int | None:
        """The longest row in tokens that it is meant for, if it says so."""
        limit = int(cast("float", self.inner.model_max_length))
        return limit if limit < _NO_LIMIT else None

    def encoder(self, max_length: int) -> Encode:
        """A function from texts (and second texts) to token ids, cut to `max_length` tokens, the longer text first.

        A text that spells a special token is read as letters.
        """
        unknown = cast("int", self.inner.unk_token_id)  # None, where there is none, is counted nowhere
        names = SpecialNames.of(self.inner)

        def encode(texts: Sequence[str], pairs: Sequence[str] | None) -> Encoded:
            texts, pairs = list(map(names.as_letters, texts)), pairs and list(map(names.as_letters, pairs))
            ids, types = self._encode_whole(texts, pairs)
            lengths = [len(row) for row in ids]
            num_unknown = sum(row.count(unknown) for row in ids)
            num_pieces = sum(lengths) - len(ids) * self.inner.num_special_tokens_to_add(pairs is not None)
            long = [number for number, length in enumerate(lengths) if length > max_length]
            if long:
                cut_pairs = [pairs[n] for n in long] if pairs else None
                cut_ids, cut_types = self._encode_cut([texts[n] for n in long], cut_pairs, max_length)
                for place, number in enumerate(long):
                    ids[number] = cut_ids[place]
                    if types is not None and cut_types is not None:
                        types[number] = cut_types[place]
            return Encoded(ids, types, lengths, num_unknown=num_unknown, num_pieces=num_pieces)

        return encode

    def word_encoder(self, max_length: int, stride: int | None = None) -> EncodeWords:
        """A function from rows of words to token ids, in windows of `max_length` tokens where rows are longer.

        Raises:
            RecipeError: no word fits, or windows that overlap by `stride` pieces would not move on.
        """
        return WordEncoder(self.inner, max_length=max_length, stride=stride)

    def _encode_whole(
        self, texts: Sequence[str], pairs: Sequence[str] | None
    ) -> tuple[list[list[int]], list[list[int]] | None]:
        """On all cores, without what transformers puts around it, which takes as long again."""
        backend: Any = self.inner.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        found = backend.encode_batch_fast(list(texts if pairs is None else zip(texts, pairs, strict=True)))
        has_types = "token_type_ids" in self.inner.model_input_names
        return [row.ids for row in found], [row.type_ids for row in found] if has_types else None

    def _encode_cut(
        self, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int
    ) -> tuple[list[list[int]], list[list[int]] | None]:
        """As transformers cuts: tokens of the longer text first."""
        batch: Any = self.inner(
            list(texts),
            list(pairs) if pairs else None,
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            verbose=False,
        )
        return batch["input_ids"], batch.get("token_type_ids")

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files."""
        self.inner.backend_tokenizer.no_truncation()
        self.inner.save_pretrained(folder)


def tokenizer_path(section: ModelSection) -> str:
    """Where the section's tokenizer is: beside the model, or at a path of its own."""
    if section.tokenizer == "auto":
        return resolve_path(section.path)
    return resolve_path(section.tokenizer, key=("model", "tokenizer"))


def load_tokenizer(path: str) -> Tokenizer:
    """Load the tokenizer of a resolved model path.

    Raises:
        RecipeError: there is none, it is not a fast one, or it has no padding token.
    """
    key = ("model", "tokenizer")
    try:
        inner: Any = AutoTokenizer.from_pretrained(path, use_fast=True)
    except (OSError, ValueError, KeyError) as error:
        hint = "the folder needs a tokenizer.json"
        raise RecipeError(f"can't load a tokenizer from {path}: {_first_line(error)}", hint=hint, key=key) from error
    if not isinstance(inner, PreTrainedTokenizerFast):
        hint = "save it as a fast one, or name another: model.tokenizer"
        raise RecipeError(f"the tokenizer of {path} is a slow one; ftcli needs its tokenizer.json", hint=hint, key=key)
    if inner.pad_token_id is None:
        hint = 'add "pad_token" to its tokenizer_config.json, or name another: model.tokenizer'
        raise RecipeError(f"the tokenizer of {path} has no padding token", hint=hint, key=key)
    return Tokenizer(inner)


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line.strip().removesuffix(" from one of:")
