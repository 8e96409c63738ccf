from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.data.catalog import builtin_folder, builtin_names, load_card
from ftcli.data.download import is_url
from ftcli.data.prepare import prepare
from ftcli.data.sources import collect
from ftcli.errors import RecipeError
from ftcli.runtime.activity import finish

NAMES = (
    *("afqmc", "ag_news", "chnsenticorp", "cola", "conll2003", "demo", "demo-orders", "demo-stars", "demo-topics"),
    *("lcqmc", "mrpc", "msra_ner", "resume", "rte", "sst2", "tnews", "wnut17"),
)


def test_every_built_in_card_loads_under_its_own_name() -> None:
    assert builtin_names() == NAMES
    assert [load_card(name).name for name in builtin_names()] == list(NAMES)


def test_every_card_says_what_it_is_and_how_it_may_be_used() -> None:
    for card in map(load_card, builtin_names()):
        assert card.title
        assert card.licence != "not stated"
        assert (card.labels is not None) == (card.task in ("classification", "multilabel"))
        assert card.columns.label is not None
        assert card.generator or card.sources or all(is_url(card.names(split)[0]) for split in card.files)
        assert card.generator or "validation" in card.files or card.holdout


# The first rows of a file as each data set has them; validation has the same, and test what is said.
ROWS: dict[str, tuple[str, str | None]] = {
    "afqmc": (
        '{"sentence1": "A", "sentence2": "B", "label": "0"}\n',
        '{"id": 0, "sentence1": "A", "sentence2": "C"}\n',
    ),
    "ag_news": ('"3","A ""big"" title","The text\\of it"\n"4","B","b"\n', '"1","C","c"\n'),
    "chnsenticorp": ('label\ttext_a\n1\t房间很大\n0\t太"吵\n', "label\ttext_a\n0\t不好\n"),
    "cola": ("gj04\t1\t\tA sentence.\ngj04\t0\t*\tSentence a.\n", None),
    "lcqmc": ("怎么开户\t如何开户\t1\n怎么开户\t天气\t0\n", "a\tb\t1\n"),
    "rte": ("index\tsentence1\tsentence2\tlabel\n0\tA\tB\tentailment\n", "index\tsentence1\tsentence2\n0\tC\tD\n"),
    "sst2": ('sentence\tlabel\na "good film \t1\nbad \t0\n', "index\tsentence\n0\tanother film\n"),
    "tnews": (
        '{"label": "108", "label_desc": "news_edu", "sentence": "A", "keywords": ""}\n',
        '{"id": 0, "sentence": "B", "keywords": "x"}\n',
    ),
}
OTHER = {
    "afqmc": ROWS["afqmc"][0].replace('"0"', '"1"').replace('"A"', '"D"'),
    "rte": "1\tE\tF\tnot_entailment\n",
    "tnews": ROWS["tnews"][0].replace("news_edu", "news_car").replace('"A"', '"E"'),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_card_reads_its_files_as_they_are_laid_out(tmp_path: Path, name: str) -> None:
    card = load_card(name)
    train, test = ROWS[name]
    contents = {"train": train + OTHER.get(name, ""), "validation": train + OTHER.get(name, ""), "test": test}
    if card.holdout:
        contents["train"] += "".join(f'"{1 + n % 2}","title {n}","text {n}"\n' for n in range(60))
    (tmp_path / "source").mkdir()
    for split in card.files:
        content = contents[split]
        assert content is not None
        (tmp_path / "source" / card.names(split)[0].rpartition("/")[2]).write_text(content, encoding="utf-8")
    work = prepare(
        card,
        folder=tmp_path / "out",
        card_folder=tmp_path,
        source=str(tmp_path / "source"),
        downloads=tmp_path / "none",
    )
    facts = finish(work).facts
    assert set(facts.splits) == {"train", "validation", *(["test"] if test else [])}
    assert set(facts.labels) == set(card.labels or ())
    assert facts.splits["train"].rows >= 2


@pytest.mark.parametrize("ending", ["train.txt dev.txt test.txt", "train.char.bmes dev.char.bmes test.char.bmes"])
def test_the_files_of_resume_go_by_both_their_names(tmp_path: Path, ending: str) -> None:
    for name in ending.split():
        (tmp_path / name).write_text("高 B-NAME\n勇 E-NAME\n： O\n", encoding="utf-8")
    work = collect(
        load_card("resume"), card_folder=tmp_path / "none", source=str(tmp_path), downloads=tmp_path / "none"
    )
    assert {split: file.name for split, file in finish(work).files.items()} == {
        split: str(tmp_path / name) for split, name in zip(("train", "validation", "test"), ending.split(), strict=True)
    }


def test_cards_lie_in_the_built_in_folder() -> None:
    assert {path.stem for path in builtin_folder().glob("*.toml")} == set(builtin_names())


def test_a_misspelt_name_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(RecipeError, match="`afmqc`") as raised:
        load_card("afmqc")
    hint = raised.value.problems[0].hint
    assert hint is not None
    assert "did you mean `afqmc`?" in hint
    assert "mrpc" in hint
