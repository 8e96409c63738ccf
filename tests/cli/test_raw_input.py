"""Files as they were before `prepare`: `eval` and `predict` read them as training did."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ftcli.cli.main import run
from tests.cli.errors import refused
from tests.conftest import WORDS, Ftcli, make_model

SPLITS = {"train": 24, "validation": 6, "test": 9}
RECIPE = """
[data]
train = "{kind}/train.{ending}"
validation = "{kind}/validation.{ending}"
test = "{kind}/test.{ending}"
max_length = 32
{data}
[task]
{task}
[model]
path = "{model}"
[batch]
size = 8
[train]
steps = 1
[precision]
kind = "fp32"
"""


def as_labels(words: list[str], number: int) -> str:
    return f"{' '.join(words)};{('No', 'Yes')[number % 2]}\n"


def as_topics(words: list[str], number: int) -> str:
    return f"{' '.join(words)},{('x|y', 'y', '', 'z|x')[number % 4]}\n"


def as_spans(words: list[str], number: int) -> str:
    spans = [[0, len(words[0]), ("PER", "ORG")[number % 2]]]
    return json.dumps({"content": " ".join(words), "marks": spans}) + "\n"


def as_bmes(words: list[str], number: int) -> str:
    kind = ("PER", "ORG")[number % 2]
    tags = [f"B-{kind}", f"M-{kind}", f"E-{kind}", *["O"] * len(words)]
    return (
        "".join(f"{place} {word} NN {tag}\n" for place, (word, tag) in enumerate(zip(words, tags, strict=False))) + "\n"
    )


def as_bio(words: list[str], number: int) -> str:
    kind = ("PER", "ORG")[number % 2]
    tags = [f"B-{kind}", f"I-{kind}", *["O"] * len(words)][: len(words)]
    return json.dumps({"tokens": words, "tags": tags}) + "\n"


KINDS: dict[str, tuple[str, str, Callable[[list[str], int], str], str, str]] = {
    "labels": (
        "csv",
        "text;answer\n",
        as_labels,
        'columns = { text = "text", label = "answer" }\nformat = { delimiter = ";" }\n'
        'label_map = { No = "b", Yes = "a" }',
        'kind = "classification"',
    ),
    "topics": (
        "csv",
        "text,topics\n",
        as_topics,
        'columns = { text = "text", label = "topics" }\nlabel_separator = "|"',
        'kind = "classification"\nmulti_label = true',
    ),
    "spans": (
        "jsonl",
        "",
        as_spans,
        'columns = { text = "content", label = "marks" }\nlabel_map = { ORG = "FIRM" }',
        'kind = "tagging"',
    ),
    "bio": ("jsonl", "", as_bio, 'columns = { text = "tokens", label = "tags" }', 'kind = "tagging"'),
    "bmes": ("conll", "", as_bmes, 'columns = { text = "1", label = "-1" }\ntags = { to = "bio" }', 'kind = "tagging"'),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of four kinds, each in a folder of its name, with a run trained on them. Look, don't touch."""
    folder = tmp_path_factory.mktemp("raw")
    model = make_model(folder / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for kind, (ending, header, line, data, task) in KINDS.items():
            Path(kind).mkdir()
            for split, count in SPLITS.items():
                rng = random.Random(f"{kind} {split}")
                rows = "".join(line(rng.choices(WORDS, k=rng.randint(3, 9)), number) for number in range(count))
                Path(kind, f"{split}.{ending}").write_text(header + rows)
            recipe = Path(kind, "recipe.toml")
            recipe.write_text(RECIPE.format(kind=kind, ending=ending, data=data, task=task, model=model))
            assert run(["train", str(recipe), "--run-dir", f"{kind}/run"]) == 0
    return folder


@pytest.fixture(autouse=True)
def there(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the runs as the working directory."""
    monkeypatch.chdir(finished)


def scores(ftcli: Ftcli, kind: str, *options: object) -> dict[str, Any]:
    result = ftcli("eval", "--ckpt", f"{kind}/run/best", "--json", *options)
    assert result.code == 0, result.err
    return {name: value for name, value in json.loads(result.out).items() if name != "data"}


def predicted(ftcli: Ftcli, kind: str, *options: object) -> list[dict[str, Any]]:
    result = ftcli("predict", "--ckpt", f"{kind}/run/best", *options)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def columns_of(text: str) -> Iterator[list[str]]:
    yield from (line.split("\t") for line in text.splitlines() if line)


@pytest.mark.parametrize("kind", KINDS)
def test_a_raw_file_scores_as_the_split_that_was_prepared_of_it(ftcli: Ftcli, kind: str) -> None:
    raw = scores(ftcli, kind, "--input", f"{kind}/test.{KINDS[kind][0]}")
    assert raw == scores(ftcli, kind, "--split", "test")
    assert raw["num_rows"] == SPLITS["test"]
    assert raw["loss"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_prepared_rows_score_the_same(ftcli: Ftcli, kind: str) -> None:
    (prepared,) = (path for path in Path("data").glob("*/test.jsonl") if is_of(path, kind))
    assert scores(ftcli, kind, "--input", prepared) == scores(ftcli, kind, "--split", "test")


def is_of(path: Path, kind: str) -> bool:
    card = json.loads(Path(f"{kind}/run/best/ftcli.json").read_text())
    return path.parent.resolve() == Path(card["data_folder"])


def test_a_checkpoint_of_the_format_before_still_scores_prepared_rows(ftcli: Ftcli, tmp_path: Path) -> None:
    assert ftcli("export", "--ckpt", "bmes/run/best", "--output", tmp_path / "hf").code == 0
    card = json.loads((tmp_path / "hf" / "ftcli.json").read_text())
    del card["reading"]
    (tmp_path / "hf" / "ftcli.json").write_text(json.dumps({**card, "format_version": 2}))
    (prepared,) = (path for path in Path("data").glob("*/test.jsonl") if is_of(path, "bmes"))
    result = ftcli("eval", "--ckpt", tmp_path / "hf", "--input", prepared, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["metrics"] == scores(ftcli, "bmes", "--split", "test")["metrics"]
    error = refused(ftcli("eval", "--ckpt", tmp_path / "hf", "--input", "bmes/test.conll"), 3)
    assert "help: say in which scheme the input's tags are: --scheme bio, iob1, bioes or bmes" in error
    result = ftcli("eval", "--ckpt", tmp_path / "hf", "--input", words_alone(tmp_path), "--scheme", "bmes", "--json")
    assert json.loads(result.out)["metrics"] == scores(ftcli, "bmes", "--split", "test")["metrics"]


def words_alone(folder: Path) -> Path:
    """The test file with its words in the first column."""
    lines = (line.split() for line in Path("bmes/test.conll").read_text().splitlines())
    path = folder / "words.conll"
    path.write_text("".join(" ".join(line[1:]) + "\n" for line in lines))
    return path


def test_a_tagger_of_spans_reads_raw_texts_under_their_own_name(ftcli: Ftcli) -> None:
    first, *_ = predicted(ftcli, "spans", "--input", "spans/test.jsonl")
    raw = json.loads(Path("spans/test.jsonl").read_text().splitlines()[0])
    assert first["content"] == raw["content"]
    assert first["tokens"] == raw["content"].split()
    for entity in first["entities"]:
        assert raw["content"][entity["start"] : entity["end"]] == entity["text"]


@pytest.mark.parametrize("kind", ["spans", "bmes"])
def test_taggers_read_plain_lines_when_told(ftcli: Ftcli, tmp_path: Path, kind: str) -> None:
    (tmp_path / "lines.txt").write_text("how do i\n\nclose my card, please\n")
    error = refused(ftcli("predict", "--ckpt", f"{kind}/run/best", "--input", tmp_path / "lines.txt"), 3)
    assert "`--format text` reads plain lines" in error
    rows = predicted(ftcli, kind, "--input", tmp_path / "lines.txt", "--format", "text")
    assert [row["text"] for row in rows] == ["how do i", "close my card, please"]
    assert rows[1]["tokens"] == ["close", "my", "card", ",", "please"]
    assert len(rows[1]["tags"]) == 5


def test_columns_of_words_need_no_names(ftcli: Ftcli, tmp_path: Path) -> None:
    (tmp_path / "words.conll").write_text("how\ndo\n\ni\n")
    (tmp_path / "numbered.conll").write_text("0 how\n1 do\n\n0 i\n")
    for kind, name in (("spans", "words"), ("bmes", "words"), ("bmes", "numbered")):
        rows = predicted(ftcli, kind, "--input", tmp_path / f"{name}.conll")
        assert [row["tokens"] for row in rows] == [["how", "do"], ["i"]]
    first, *_ = predicted(ftcli, "bmes", "--input", "bmes/test.conll")
    assert set(first["tokens"]) <= set(WORDS)


@pytest.mark.parametrize(("kind", "prefixes"), [("bmes", "BIO"), ("spans", "BIESO")])
def test_columns_hold_the_true_tags_in_the_scheme_that_is_predicted(ftcli: Ftcli, kind: str, prefixes: str) -> None:
    file = f"{kind}/test.{KINDS[kind][0]}"
    result = ftcli("predict", "--ckpt", f"{kind}/run/best", "--input", file, "--output-format", "conll")
    assert result.code == 0, result.err
    rows = list(columns_of(result.out))
    assert all(len(row) == 3 for row in rows)
    assert {tag[0] for row in rows for tag in row[1:]} <= set(prefixes)
    assert rows == list(columns_of(Path(kind, "run/predictions/test.txt").read_text()))


def test_true_tags_in_a_scheme_of_their_own_are_named(ftcli: Ftcli, tmp_path: Path) -> None:
    (tmp_path / "words.conll").write_text("0 how NN S-PER\n1 do NN I-PER\n")
    command = ("predict", "--ckpt", "bmes/run/best", "--input", tmp_path / "words.conll", "--output-format", "conll")
    error = refused(ftcli(*command), 3)
    assert f"--> {tmp_path / 'words.conll'}:2\n" in error
    assert error.endswith("--scheme bio, iob1, bioes or bmes, or leave them out: --output-format jsonl\n")
    (tmp_path / "words.conll").write_text("0 how NN B-PER\n1 do NN I-PER\n")
    result = ftcli(*command, "--scheme", "bio")
    assert [row[1] for row in columns_of(result.out)] == ["B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("kind", "lines", "tags"),
    [
        ("spans", "how I-PER\ndo O\nclose E-FIRM\n", ["I-PER", "O", "E-FIRM"]),
        ("bmes", "0 how NN M-PER\n1 do NN M-PER\n2 close NN O\n", ["B-PER", "I-PER", "O"]),
    ],
    ids=["in the same scheme", "in another"],
)
def test_true_tags_in_an_order_that_the_scheme_does_not_allow_are_no_hindrance(
    ftcli: Ftcli, tmp_path: Path, kind: str, lines: str, tags: list[str]
) -> None:
    (tmp_path / "words.conll").write_text(lines)
    command = ("predict", "--ckpt", f"{kind}/run/best", "--input", tmp_path / "words.conll", "--output-format", "conll")
    result = ftcli(*command)
    assert result.code == 0, result.err
    assert [row[1] for row in columns_of(result.out)] == tags


def test_a_word_that_can_not_stand_in_a_column_is_named(ftcli: Ftcli, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"tokens": ["how\tdo", "i"]}) + "\n")
    command = ("predict", "--ckpt", "bmes/run/best", "--input", tmp_path / "rows.jsonl", "--output-format", "conll")
    assert refused(ftcli(*command), 3) == (
        'error[data]: the word "how\\tdo" has a tab or a line end, and can\'t stand in a column\n'
        "help: write JSON lines: --output-format jsonl\n"
    )


def test_words_with_spaces_in_columns_are_read_back(ftcli: Ftcli, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"tokens": ["how do", "i"], "tags": ["O", "O"]}) + "\n")
    output = tmp_path / "out.conll"
    assert ftcli("predict", "--ckpt", "bmes/run/best", "--input", rows, "--output", output).code == 0
    done = ftcli("eval", "--ckpt", "bmes/run/best", "--input", rows, "--compare", output, "--json")
    assert done.code == 0, done.err


def test_an_unknown_type_is_at_its_own_line(ftcli: Ftcli, tmp_path: Path) -> None:
    (tmp_path / "words.conll").write_text("0 how NN O\n1 do NN S-GPE\n")
    error = refused(ftcli("eval", "--ckpt", "bmes/run/best", "--input", tmp_path / "words.conll"), 3)
    assert error.startswith("error[data]: unknown entity type `GPE`; the entity types known are ORG, PER\n")
    assert f"--> {tmp_path / 'words.conll'}:2\n" in error


def test_a_scheme_that_is_none_is_refused(ftcli: Ftcli) -> None:
    for command in ("eval", "predict"):
        error = refused(ftcli(command, "--ckpt", "bmes/run/best", "--input", "bmes/test.conll", "--scheme", "x"), 2)
        assert error == ("error[usage]: --scheme x: there is no such scheme\nhelp: one of bio, iob1, bioes, bmes\n")


def test_a_spreadsheet_is_no_input(ftcli: Ftcli, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    error = refused(ftcli("predict", "--ckpt", "labels/run/best", "--input", tmp_path / "rows.xlsx"), 3)
    assert error.endswith("help: save the sheet as CSV (UTF-8), and name that file\n")


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (kind, written)
        for kind in KINDS
        for written in ("jsonl", "csv", "conll")
        if written != "conll" or kind == "bmes"
    ],
)
def test_predictions_for_a_raw_file_are_known_to_be_its_rows(
    tmp_path: Path, ftcli: Ftcli, kind: str, written: str
) -> None:
    source, output = f"{kind}/test.{KINDS[kind][0]}", tmp_path / f"out.{written}"
    assert ftcli("predict", "--ckpt", f"{kind}/run/best", "--input", source, "--output", output).code == 0
    compared = ("eval", "--ckpt", f"{kind}/run/best", "--compare", output, "--json")
    for rows in (("--input", source), ("--split", "test")):
        result = ftcli(*compared, *rows)
        assert result.code == 0, result.err
        found = json.loads(result.out)["comparison"]
        assert {each["difference"] for name, each in found["metrics"].items() if name != "roc_auc"} == {0.0}
        assert " has the same " in found["verdict"]
    error = refused(ftcli(*compared, "--split", "validation"), 3)
    assert "this is not the row that stands in its place in" in error


@pytest.mark.parametrize("option", [("--calibrate",), ("--tune-threshold", "f1")])
def test_a_tagger_is_not_calibrated(ftcli: Ftcli, option: tuple[str, ...]) -> None:
    assert refused(ftcli("eval", "--ckpt", "bmes/run/best", *option), 2) == (
        "error[usage]: a tagger gives the best tags of a whole sentence, and no probability that could be calibrated\n"
        "help: --calibrate and --tune-threshold are for kind = classification\n"
    )
    report = json.loads(ftcli("eval", "--ckpt", "bmes/run/best", "--json").out)
    assert report["reliability"] is None
