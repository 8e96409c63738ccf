"""Texts to token ids: cut where they must be, counted uncut, under a fingerprint that only the ids decide."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.errors import RecipeError
from ftcli.modeling.tokenizer import Tokenizer, load_tokenizer
from tests.conftest import WORDS

PAD, CLS, SEP = 0, 2, 3
MAX_LENGTH = 10


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> Tokenizer:
    return load_tokenizer(str(model_folder))


def rows(longest: int = 12) -> st.SearchStrategy[list[str]]:
    return st.lists(st.lists(st.sampled_from(WORDS), max_size=longest).map(" ".join), min_size=1, max_size=6)


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_rows_are_cut_to_the_limit_and_counted_uncut(tokenizer: Tokenizer, data: st.DataObject) -> None:
    texts = data.draw(rows())
    is_pair = data.draw(st.booleans())
    pairs = [" ".join(reversed(text.split())) for text in texts] if is_pair else None
    cut, whole = tokenizer.encoder(MAX_LENGTH)(texts, pairs), tokenizer.encoder(10_000)(texts, pairs)
    specials = 3 if is_pair else 2
    assert cut.full_lengths == whole.full_lengths
    for number, text in enumerate(texts):
        assert cut.full_lengths[number] == len(text.split()) * (2 if is_pair else 1) + specials
        assert len(cut.ids[number]) == min(cut.full_lengths[number], MAX_LENGTH)
        assert [cut.ids[number].count(mark) for mark in (CLS, SEP)] == [1, specials - 1]
        if cut.full_lengths[number] <= MAX_LENGTH:
            assert cut.ids[number] == whole.ids[number]
        assert cut.type_ids is not None
        assert len(cut.type_ids[number]) == len(cut.ids[number])


def test_of_a_pair_the_longer_text_is_cut_first(tokenizer: Tokenizer) -> None:
    long, short = "how do i close my card account where", "parcel order"
    for texts, kept in (((long, short), (5, 2)), ((short, long), (2, 5))):
        encoded = tokenizer.encoder(MAX_LENGTH)([texts[0]], [texts[1]])
        assert encoded.type_ids is not None
        types = encoded.type_ids[0]
        assert (types.count(0) - 2, types.count(1) - 1) == kept
        assert encoded.full_lengths == [13]
    whole = tokenizer.encoder(100)([long], [short])
    assert tokenizer.encoder(MAX_LENGTH)([long], [short]).ids[0][:6] == whole.ids[0][:6]


def test_a_cut_row_among_short_ones_keeps_its_place(tokenizer: Tokenizer) -> None:
    texts = ["card", " ".join(WORDS[:20]), "order late"]
    together = tokenizer.encoder(MAX_LENGTH)(texts, None)
    assert together.ids == [tokenizer.encoder(MAX_LENGTH)([text], None).ids[0] for text in texts]


def test_the_fingerprint_is_that_of_the_saved_tokenizer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    assert load_tokenizer(str(tmp_path)).fingerprint == tokenizer.fingerprint


def test_using_a_tokenizer_changes_neither_its_fingerprint_nor_its_files(model_folder: Path, tmp_path: Path) -> None:
    used = load_tokenizer(str(model_folder))
    used.save(tmp_path / "before")
    used.encoder(5)([" ".join(WORDS)], [" ".join(WORDS)])
    used.save(tmp_path / "after")
    before, after = (json.loads((tmp_path / name / "tokenizer.json").read_text()) for name in ("before", "after"))
    assert after["truncation"] is None
    assert before == after
    assert load_tokenizer(str(tmp_path / "after")).fingerprint == load_tokenizer(str(model_folder)).fingerprint


def test_a_tokenizer_saved_while_it_was_cutting_has_the_same_fingerprint(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    cutting = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, "truncation": cutting}))
    again = load_tokenizer(str(tmp_path))
    assert again.fingerprint == load_tokenizer(str(model_folder)).fingerprint
    assert again.encoder(100)([" ".join(WORDS)], None).full_lengths == [len(WORDS) + 2]


def test_another_vocabulary_has_another_fingerprint(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text.replace('"parcel"', '"parcels"'))
    assert load_tokenizer(str(tmp_path)).fingerprint != load_tokenizer(str(model_folder)).fingerprint


def test_a_limit_is_known_only_where_the_tokenizer_states_one(model_folder: Path, tmp_path: Path) -> None:
    assert load_tokenizer(str(model_folder)).max_length is None
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": 48}))
    assert load_tokenizer(str(tmp_path)).max_length == 48


def test_a_tokenizer_without_a_padding_token_is_refused(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del config["pad_token"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(RecipeError, match="has no padding token"):
        load_tokenizer(str(tmp_path))


def test_the_padding_id_is_the_tokenizers(tokenizer: Tokenizer) -> None:
    assert tokenizer.pad_id == PAD


def test_its_size_is_what_its_largest_id_needs_also_where_ids_have_gaps(model_folder: Path, tmp_path: Path) -> None:
    made = load_tokenizer(str(model_folder))
    assert made.size == len(WORDS) + 4
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["vocab"]["parcel"] = 70
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert load_tokenizer(str(tmp_path)).size == 71
