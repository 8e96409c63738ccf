from __future__ import annotations

import pytest

from ftcli.data.catalog import builtin_folder, builtin_names, load_card
from ftcli.errors import RecipeError


def test_every_built_in_card_loads_under_its_own_name() -> None:
    assert builtin_names() == ("afqmc", "demo", "mrpc")
    assert [load_card(name).name for name in builtin_names()] == list(builtin_names())


def test_every_card_says_what_it_is_and_how_it_may_be_used() -> None:
    for card in map(load_card, builtin_names()):
        assert card.title
        assert card.licence != "not stated"
        assert card.labels is not None
        assert card.columns.label is not None
        assert card.generator or card.sources


def test_cards_lie_in_the_built_in_folder() -> None:
    assert {path.stem for path in builtin_folder().glob("*.toml")} == set(builtin_names())


def test_a_misspelt_name_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(RecipeError, match="`afmqc`") as raised:
        load_card("afmqc")
    hint = raised.value.problems[0].hint
    assert hint is not None
    assert "did you mean `afqmc`?" in hint
    assert "mrpc" in hint
