"""Words and texts that spell a special token never become it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ftcli.modeling.tokenizer import Tokenizer, load_tokenizer
from tests.modeling.vocabularies import KINDS, make_tokenizer

Tokenizers = Callable[[str], Tokenizer]
WHOLE = "whole words"
every_kind = pytest.mark.parametrize("kind", [*KINDS, WHOLE])


def make_whole_word_tokenizer(folder: Path) -> Path:
    """One that cuts at spaces alone, so that it knows a special token's name even where it is told not to look."""
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[E1]", "a", "fox"])}
    backend = Backend(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    fast.add_tokens(["[E1]"], special_tokens=True)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    made = {kind: load_tokenizer(str(make_tokenizer(tmp_path_factory.mktemp(kind), kind))) for kind in KINDS}
    made[WHOLE] = load_tokenizer(str(make_whole_word_tokenizer(tmp_path_factory.mktemp("whole"))))
    return made.__getitem__


def roles_of(tokenizer: Tokenizer) -> dict[str, int]:
    """The names and ids of the tokens with a role, but for the unknown one, which any word may become."""
    inner = tokenizer.inner
    names = [str(name) for name in (inner.pad_token, inner.cls_token, inner.sep_token)]
    return dict(zip(names, inner.convert_tokens_to_ids(names), strict=True))


@every_kind
def test_a_text_has_the_special_tokens_around_it_alone(tokenizers: Tokenizers, kind: str) -> None:
    tokenizer = tokenizers(kind)
    roles = roles_of(tokenizer)
    text = " ".join(["a", *(f"fox {name} {name}{name}fox" for name in roles), "a"])
    for texts, pairs in (([text], None), ([text], [text]), (["a"], [text])):
        plain = ["a"], None if pairs is None else ["a"]
        for length in (200, 12):
            ids, expected = (tokenizer.encoder(length)(*each).ids[0] for each in ((texts, pairs), plain))
            assert len(ids) > len(expected)
            assert [ids.count(number) for number in roles.values()] == [expected.count(n) for n in roles.values()]


@every_kind
def test_a_word_becomes_none(tokenizers: Tokenizers, kind: str) -> None:
    tokenizer = tokenizers(kind)
    roles = roles_of(tokenizer)
    row = ["fox", *roles, "[SEP]", *(f"{name}s" for name in roles), "fox"]
    encoded = tokenizer.word_encoder(100)([row])
    assert encoded.positions is not None
    assert len(encoded.positions[0]) == len(row)
    assert not set(encoded.ids[0][1:-1]) & set(roles.values())


def test_tokens_that_a_user_has_added_stay_what_they_are(tokenizers: Tokenizers) -> None:
    tokenizer = tokenizers(WHOLE)
    (marker,) = tokenizer.inner.convert_tokens_to_ids(["[E1]"])
    assert tokenizer.encoder(20)(["a [E1] fox"], None).ids[0].count(marker) == 1
