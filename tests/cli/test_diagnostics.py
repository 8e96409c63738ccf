"""Whole outputs, to the character: what a user reads when something is wrong."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from ftcli.cli.diagnostics import show_bug, show_error
from ftcli.errors import DataError, FtcliError, Location, OutOfMemoryError, Problem, RecipeError


def shown(error: FtcliError, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        show_error(error, console)
    return capture.get()


def test_an_unknown_key_points_at_its_line() -> None:
    where = Location("recipes/sst2.toml", 14, 1, 16, "micro_batch_sise = 8")
    error = RecipeError("unknown key `micro_batch_sise` in [batch]", where=where, hint="did you mean `micro_size`?")
    assert shown(error) == (
        "error[recipe]: unknown key `micro_batch_sise` in [batch]\n"
        "  --> recipes/sst2.toml:14\n"
        "   |\n"
        "14 | micro_batch_sise = 8\n"
        "   | ^^^^^^^^^^^^^^^^\n"
        "help: did you mean `micro_size`?\n"
    )


def test_a_setting_shows_the_option() -> None:
    error = RecipeError("`batch.size` must be greater than 0", where=Location("--set batch.size=-3"))
    assert shown(error) == "error[recipe]: `batch.size` must be greater than 0\n  --> --set batch.size=-3\n"


def test_a_place_without_text_shows_the_arrow_alone() -> None:
    error = DataError("not valid JSON", where=Location("data/train.jsonl", 120345))
    assert shown(error) == "error[data]: not valid JSON\n  --> data/train.jsonl:120345\n"


def test_an_error_without_a_place() -> None:
    error = OutOfMemoryError("a row of 512 tokens needs more memory than there is", hint="lower data.max_length")
    assert shown(error) == (
        "error[memory]: a row of 512 tokens needs more memory than there is\nhelp: lower data.max_length\n"
    )


def test_several_problems_are_counted() -> None:
    error = RecipeError([Problem("first", Location("a.toml", 3, 5, 2, "x = 12")), Problem("second")])
    assert shown(error) == (
        "error[recipe]: first\n --> a.toml:3\n  |\n3 | x = 12\n  |     ^^\n\nerror[recipe]: second\n\n2 problems\n"
    )


def test_wide_characters_count_as_two_cells() -> None:
    where = Location("数据.jsonl", 7, 27, 4, '{"text": "借呗还款", "label": "不是"}')
    assert shown(DataError("label is not known", where=where)) == (
        "error[data]: label is not known\n"
        " --> 数据.jsonl:7\n"
        "  |\n"
        '7 | {"text": "借呗还款", "label": "不是"}\n'
        "  |                               ^^^^^^\n"
    )


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("position", [0, 300, 900])
def test_a_long_row_is_cut_around_the_caret(width: int, position: int) -> None:
    text = "花呗如何还款 " * 60 + "abc " * 120
    text = f'{text[:position]}"X"{text[position:]}'
    output = shown(DataError("bad", where=Location("d.jsonl", 12, position + 1, 3, text)), width).splitlines()
    source, caret = output[3], output[4]
    assert cell_len(source) <= width
    assert "…" in source
    before = source[: source.index('"X"')]
    assert caret.index("^") == cell_len(before)
    assert caret.count("^") == 3


def test_tabs_and_escapes_take_one_cell_each() -> None:
    error = DataError("bad", where=Location("d.tsv", 2, 3, 3, "a\tbcd\x1b[31m"))
    assert shown(error).splitlines()[3:] == ["2 | a bcd�[31m", "  |   ^^^"]


def test_no_colour_without_a_terminal_and_the_same_text_with_one() -> None:
    error = RecipeError("wrong", where=Location("a.toml", 3, 5, 2, "x = 12"), hint="mend it")
    plain = shown(error)
    console = Console(file=io.StringIO(), width=80, force_terminal=True, record=True)
    show_error(error, console)
    assert "\x1b" not in plain
    assert console.export_text() == plain


def test_long_messages_are_not_wrapped() -> None:
    what = "word " * 40 + "end"
    assert shown(RecipeError(what, hint=what), width=40) == f"error[recipe]: {what}\nhelp: {what}\n"


def fails() -> None:
    raise ZeroDivisionError("division\nby zero")


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_is_one_line_and_its_traceback_only_on_request(debug: bool) -> None:
    console = Console(file=io.StringIO(), width=60)
    with pytest.raises(ZeroDivisionError) as caught:
        fails()
    with console.capture() as capture:
        show_bug(caught.value, console, debug)
    lines = capture.get().splitlines()
    if debug:
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-1] == "bug: ZeroDivisionError: division by zero (this is a bug in ftcli)"
    else:
        advice = "this is a bug in ftcli; run again with --debug for the traceback"
        assert lines == [f"bug: ZeroDivisionError: division by zero ({advice})"]
