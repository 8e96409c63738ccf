"""Rows of words to token ids: every word has its place, whatever it is made of and however long its sentence is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.errors import RecipeError
from ftcli.modeling.tokenizer import Tokenizer, load_tokenizer
from ftcli.runtime.encoding import Encoded
from tests.modeling.vocabularies import KINDS, SENTENCES, make_tokenizer

every_kind = pytest.mark.parametrize("kind", KINDS)
ODD = [
    "",
    " ",
    "\u200b",
    "\x00",
    "e\u0301",
    "ｆｕｌｌ",
    "👩\u200d👩\u200d👧",
    "\ud800",
    "x\udc00y",
    "中国",
    "银行",
    "fox",
    "." * 90,
]
Tokenizers = Callable[[str], Tokenizer]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    made = {kind: load_tokenizer(str(make_tokenizer(tmp_path_factory.mktemp(kind), kind))) for kind in KINDS}
    return made.__getitem__


def tokens_of(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    return [tokenizer.inner.convert_ids_to_tokens(number) for number in ids]


def pieces_of(tokenizer: Tokenizer, word: str) -> list[int]:
    """A word's pieces as the tokenizer itself gives them after a space, without the space where it stands alone."""
    text = " " + "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in word)
    tokens = tokenizer.inner.tokenize(text)
    while len(tokens) > 1 and tokens[0] in {"▁", "Ġ"}:
        tokens = tokens[1:]
    return tokenizer.inner.convert_tokens_to_ids(tokens or [tokenizer.inner.unk_token])


def check(tokenizer: Tokenizer, rows: list[list[str]], encoded: Encoded, *, max_length: int) -> None:
    assert encoded.sequences is not None
    assert encoded.positions is not None
    assert sum(encoded.sequences) == len(encoded.ids) == len(encoded.positions)
    assert len(encoded.sequences) == len(encoded.full_lengths) == len(rows)
    sequences = zip(encoded.ids, encoded.positions, strict=True)
    for row, count, length in zip(rows, encoded.sequences, encoded.full_lengths, strict=True):
        whole = [pieces_of(tokenizer, word) for word in row]
        cut = [pieces[: max_length - 2] for pieces in whole]
        assert length == sum(map(len, whole)) + 2
        assert count == 1 or sum(map(len, cut)) > max_length - 2
        found: list[list[int]] = []
        for _ in range(count):
            ids, places = next(sequences)
            assert len(ids) <= max_length
            assert (ids[0], ids[-1]) == (tokenizer.inner.cls_token_id, tokenizer.inner.sep_token_id)
            assert places
            assert all(one < other for one, other in pairwise(places))
            words = cut[len(found) : len(found) + len(places)]
            found += [ids[place : place + len(word)] for place, word in zip(places, words, strict=True)]
            ends = [place + len(word) for place, word in zip(places, words, strict=True)]
            assert places[1:] == ends[:-1]
        assert found == cut


words = st.one_of(st.sampled_from(ODD), st.text(min_size=1, max_size=12), st.characters().map(str))


@every_kind
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_every_word_has_its_place_in_one_sequence(tokenizers: Tokenizers, kind: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(words, min_size=1, max_size=25), min_size=1, max_size=4))
    max_length = data.draw(st.integers(4, 30))
    stride = data.draw(st.none() | st.integers(0, max_length - 3))
    tokenizer = tokenizers(kind)
    encoded = tokenizer.word_encoder(max_length, stride)(rows)
    check(tokenizer, rows, encoded, max_length=max_length)
    whole = [pieces for row in rows for word in row for pieces in pieces_of(tokenizer, word)]
    assert (encoded.num_pieces, encoded.num_unknown) == (len(whole), whole.count(tokenizer.inner.unk_token_id))


@every_kind
def test_a_sentence_of_a_thousand_words_loses_none(tokenizers: Tokenizers, kind: str) -> None:
    sentence = (" ".join(SENTENCES).split() * 30)[:1000]
    tokenizer = tokenizers(kind)
    encoded = tokenizer.word_encoder(64)([sentence])
    check(tokenizer, [sentence], encoded, max_length=64)
    assert encoded.positions is not None
    assert sum(map(len, encoded.positions)) == 1000


@every_kind
def test_ordinary_words_are_read_as_in_running_text(tokenizers: Tokenizers, kind: str) -> None:
    tokenizer = tokenizers(kind)
    spaced = [word for word in SENTENCES[0].split() if tokenizer.inner.tokenize(f" {word}")[0] not in {"▁", "Ġ"}]
    assert len(spaced) > 5
    encoded = tokenizer.word_encoder(100)([spaced])
    running = tokenizer.encoder(100)([" " * (kind == "bytes") + " ".join(spaced)], None)
    assert encoded.ids == running.ids
    assert encoded.type_ids == running.type_ids
    assert (encoded.full_lengths, encoded.num_pieces) == (running.full_lengths, running.num_pieces)


def test_only_words_that_need_it_lose_the_space_before_them(tokenizers: Tokenizers) -> None:
    for kind, mark in (("bytes", "Ġ"), ("unigram", "▁")):
        tokenizer = tokenizers(kind)
        encoded = tokenizer.word_encoder(50)([["the", "⌘", "the"]])
        tokens = tokens_of(tokenizer, encoded.ids[0])
        assert encoded.positions is not None
        first, odd, last = (tokens[place] for place in encoded.positions[0])
        assert first == last
        assert first.startswith(f"{mark}t")
        assert mark not in odd
        assert mark not in tokens


@every_kind
def test_a_word_longer_than_a_window_is_cut_and_keeps_its_place(tokenizers: Tokenizers, kind: str) -> None:
    tokenizer = tokenizers(kind)
    sentence = ["fox", "fox" * 30, "fox"]
    encoded = tokenizer.word_encoder(12)([sentence])
    check(tokenizer, [sentence], encoded, max_length=12)
    assert max(map(len, encoded.ids)) == 12


def test_type_ids_come_only_where_the_model_takes_them(tokenizers: Tokenizers) -> None:
    rows = [["the", "fox"], ["dog"]]
    typed = tokenizers("wordpiece").word_encoder(20)(rows)
    assert typed.type_ids == [[0] * len(ids) for ids in typed.ids]
    assert tokenizers("bytes").word_encoder(20)(rows).type_ids is None


def test_what_a_word_is_does_not_depend_on_what_came_before(tokenizers: Tokenizers) -> None:
    for kind in KINDS:
        encode = tokenizers(kind).word_encoder(20)
        rows = [[word, "fox", "the"] for word in ODD]
        apart = [encode([row]).ids for row in rows]
        assert [ids for one in apart for ids in one] == encode(rows).ids == tokenizers(kind).word_encoder(20)(rows).ids


def test_cutting_and_padding_that_a_file_asks_for_are_left_out(tokenizers: Tokenizers, tmp_path: Path) -> None:
    made = tokenizers("wordpiece")
    folder = Path(shutil.copytree(made.inner.name_or_path, tmp_path / "asks"))
    content = json.loads((folder / "tokenizer.json").read_text())
    content["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    content["padding"] = {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None}
    content["padding"] |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    rows = [["unbelievable", "happenings", "."]]
    tokenizer = load_tokenizer(str(folder))
    tokenizer.encoder(4)([SENTENCES[0]], None)
    assert tokenizer.word_encoder(40)(rows) == made.word_encoder(40)(rows)


@every_kind
def test_texts_count_their_pieces_uncut_and_what_is_unknown_of_them(tokenizers: Tokenizers, kind: str) -> None:
    tokenizer = tokenizers(kind)
    texts, pairs = ["the fox ⌘ the dog", "the"], ["a ⌘", "⌘ b"]
    inner = tokenizer.inner
    for second in (None, pairs):
        every = [*texts, *(second or [])]
        pieces = [piece for text in every for piece in inner(text, add_special_tokens=False)["input_ids"]]
        encoded = tokenizer.encoder(8)(texts, second)
        assert encoded.num_pieces == len(pieces)
        assert encoded.num_unknown == pieces.count(inner.unk_token_id)
    assert (tokenizer.encoder(8)(["⌘"], None).num_unknown > 0) == (kind != "bytes")


def test_a_length_without_room_for_a_word_is_refused(tokenizers: Tokenizers) -> None:
    with pytest.raises(RecipeError, match="which special tokens alone fill") as caught:
        tokenizers("unigram").word_encoder(2)
    assert caught.value.problems[0].hint == "at least 3"
    for stride in (8, 9, -1):
        with pytest.raises(RecipeError, match=f"windows of 8 pieces can't overlap by {stride}") as caught:
            tokenizers("unigram").word_encoder(10, stride)
        assert caught.value.problems[0].hint == "at most 7"
