"""The screen, seen through a small terminal: what is drawn, what stays, and that nothing runs over the edge."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console

from ftcli.cli.live import open_screen
from ftcli.runtime.activity import Activity
from ftcli.runtime.locks import WAITING
from ftcli.train.events import Evaluated, Event, Noted
from tests.cli.story import evaluated, finished, started, step, whole_run
from tests.cli.terminal import Terminal, drawn, frames_with


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    terminal = drawn(whole_run(), width)
    assert [line for line in terminal.too_long if "ftcli " not in line] == []
    assert any(re.match(r"validation +step 450", line) for line in terminal.lines)


def test_what_stays_of_a_run_at_80_columns() -> None:
    assert drawn(whole_run()).lines == [
        "download 模型: 100 MB in 2.0 s",
        "note        rows of 512 tokens fit eight at a time, which leaves a quarter of",
        "            the memory free",
        "stage       step   0  1/2  770 of 22.7M trainable (<1%)  the head alone",
        "train       step 150  epoch 1.00  loss 0.4500  in 41.0 s",
        "validation  step 150  epoch 1.00  accuracy 0.8025  loss 0.4100  f1 0.8000  best",
        "saved       step 150   262 MB in 0.8 s  run/checkpoints/step-000150",
        "stage       step 300  2/2  4.1M of 22.7M trainable (18%)  and the two topmost",
        "            layers of the encoder, all told",
        "train       step 300  epoch 2.00  loss 0.4500  in 41.0 s",
        "validation  step 300  epoch 2.00  accuracy 0.8425  loss 0.4100  f1 0.8000  best",
        "saved       step 300   262 MB in 0.8 s  run/checkpoints/step-000300",
        "train       step 450  epoch 3.00  loss 0.4500  in 41.0 s",
        "validation  step 450  epoch 3.00  accuracy 0.8390  loss 0.4100  f1 0.8000",
        "saved       step 450   262 MB in 0.8 s  run/checkpoints/step-000450",
        "warning     3 rows of validation stand in train too",
        "written     test predictions, 3,861 rows  run/predictions/test.jsonl",
        "",
        "finished    step 450 of 450, 12:31",
        "best        accuracy 0.8425 at step 300",
        "run folder  run",
        "next        ftcli eval --ckpt run/best",
        "            ftcli predict --ckpt run/best --input FILE",
    ]


def test_the_table_has_every_column_at_160_and_the_important_ones_at_80_and_40() -> None:
    events = [started(), step(10), step(20), Noted(20, "look"), finished()]
    titles = {width: frames_with(drawn(events, width), r"step +loss")[0].split() for width in (160, 80, 40)}
    every = "epoch step loss smooth lr lr classifier grad rows/s tokens/s padding"
    assert titles[160] == every.split()
    assert titles[80] == ["epoch", "step", "loss", "smooth", "lr", "grad", "rows/s", "tokens/s", "padding"]
    assert titles[40] == ["epoch", "step", "loss", "smooth", "lr"]


def test_many_learning_rates_are_two_columns() -> None:
    rates = {f"layer {number}": 1e-6 * (number + 1) for number in range(12)}
    terminal = drawn([started(), step(10, rates=rates), Noted(10, "look"), finished()], 120)
    assert "lr high" in frames_with(terminal, r"step +loss")[0]
    assert "1.2e-05" in frames_with(terminal, r"^ *0\.07")[0]
    assert "1.0e-06" in frames_with(terminal, r"^ *0\.07")[0]


def test_the_smoothed_loss_starts_unbiased_and_survives_a_loss_that_is_no_number() -> None:
    losses = [2.0, 1.0, float("nan")]
    events = [step(number + 1, loss=loss, mean_loss=loss) for number, loss in enumerate(losses)]
    terminal = drawn([started(), *events, Noted(3, "look"), finished()])
    smoothed = [frames_with(terminal, rf"^ *0\.\d+ +{number} ")[0].split()[3] for number in (1, 2, 3)]
    assert smoothed == ["2.0000", f"{(0.09 * 2 + 0.1) / 0.19:.4f}", f"{(0.09 * 2 + 0.1) / 0.19:.4f}"]


def test_the_progress_line_tells_the_best_and_the_time_left() -> None:
    terminal = drawn([started(), step(140), step(150), evaluated(1), Noted(150, "look"), finished()])
    last = frames_with(terminal, r"best accuracy")[-1]
    assert re.match(r"step 150/450  ━.*  33%  0:\d\d  eta \d+:\d\d  best accuracy 0\.8025 at 150", last)


def test_a_low_terminal_shows_fewer_steps() -> None:
    steps = [step(number) for number in range(1, 21)]
    terminal = drawn([started(), *steps, Noted(20, "look"), finished()], height=12)
    assert max(sum("2.0e-05" in line for line in frame) for frame in terminal.frames) == 4


def test_chinese_in_the_header_does_not_break_it() -> None:
    terminal = drawn([started(), step(1), Noted(1, "look"), finished()])
    header = frames_with(terminal, "冻结")[0]
    assert header.startswith("冻结-afqmc  data 蚂蚁金融语义相似度  model …/e5-small-zh-en  on cuda bf16 x2")


def test_chinese_split_names_line_up() -> None:
    scored = Evaluated(150, 1.0, "验证集", 10, 0.4, {"accuracy": 0.8}, 1.0, True, 0.8, 150)
    rows = [line for line in drawn([started(), scored, evaluated(2)], 100).lines if "epoch" in line]
    places = {cell_len(row[: row.index("accuracy")]) for row in rows}
    assert len(rows) == 2
    assert len(places) == 1


def test_rows_are_never_lost_while_the_height_of_the_view_changes() -> None:
    def many() -> Iterator[Event]:
        yield started(notes=())
        for number in range(1, 61):
            yield step(number)
            yield Activity("evaluate", 0, 10)
            yield Noted(number, f"row {number}")

    lines = drawn(many()).lines
    assert [line.split()[-1] for line in lines if line.startswith("note")] == [str(n) for n in range(1, 61)]


def test_activities_alone_leave_a_line_each_and_a_clean_terminal() -> None:
    events = [Activity("read train", done) for done in (0, 100, 200)]
    events += [Activity("tokenize train", done, 300) for done in (0, 100, 300)]
    terminal = drawn(events)
    assert terminal.lines == ["tokenize train: 300 rows in 2.0 s"]
    assert frames_with(terminal, r"read train  200 rows  [\d.]+ rows/s")
    assert frames_with(terminal, r"tokenize train  ━+.*  100/300 rows")
    assert terminal.cursor_shown


def test_waiting_is_shown_with_nothing_but_its_time() -> None:
    assert frames_with(drawn([WAITING] * 3), rf"{WAITING.name}  0:0\d *$")


def test_a_download_that_goes_on_counts_only_what_it_fetched() -> None:
    events = [Activity("download", done, 1_000_000_000, "bytes") for done in (900_000_000, 900_001_000)]
    speeds = re.findall(r"([\d.]+ \w?B)/s", "\n".join(frames_with(drawn(events), "download")))
    assert speeds
    assert all(float(speed.split()[0]) <= 1 or not speed.endswith("MB") for speed in speeds)


def test_an_exception_leaves_the_rows_the_last_steps_and_the_cursor() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, height=24, force_terminal=True)

    def failing() -> None:
        with open_screen(is_main=True, console=console) as screen:
            for event in (started(), step(10), evaluated(1), step(160, loss=float("nan"))):
                screen.show(event)
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        failing()
    terminal = Terminal(80).feed(file.getvalue())
    assert terminal.cursor_shown
    assert terminal.lines[2].startswith("validation  step 150")
    assert [line.split()[1] for line in terminal.lines[3:6]] == ["step", "10", "160"]
    assert not any("/450" in line for line in terminal.lines)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"step": 120, "reason": "signal", "exit_code": 130, "resume": "ftcli resume run"},
            ["stopped     step 120 of 450, 12:31 (by a signal)", "go on       ftcli resume run"],
        ),
        (
            {"step": 120, "reason": "stop_after", "resume": "ftcli resume run"},
            ["stopped     step 120 of 450, 12:31 (as asked)", "go on       ftcli resume run"],
        ),
        ({"run_dir": "my runs/一"}, ["next        ftcli eval --ckpt 'my runs/一/best'"]),
        ({"best": None, "best_step": None}, ["run folder  run"]),
    ],
)
def test_the_closing_lines(changes: dict[str, object], expected: list[str]) -> None:
    lines = drawn([started(notes=()), finished(**changes)]).lines
    assert [line for line in expected if line not in lines] == []
    assert any(line.startswith("best  ") for line in lines) == ("best" not in changes)
    assert any(line.startswith("next") for line in lines) == ("resume" not in changes)


def test_long_commands_are_not_broken() -> None:
    run_dir = "/a/very/long/" + "folder/" * 12 + "run"
    file = io.StringIO()
    with open_screen(is_main=True, console=Console(file=file, width=60, force_terminal=True)) as screen:
        screen.show(finished(run_dir=run_dir))
    assert f"ftcli eval --ckpt {run_dir}/best" in file.getvalue()


def test_a_resumed_run_says_so() -> None:
    assert "resumed     at step 300 of 450" in drawn([started(step=300), finished()]).lines


def test_no_color_keeps_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = drawn(whole_run()).lines
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    with open_screen(is_main=True, console=Console(file=file, width=80, height=24, force_terminal=True)) as screen:
        for event in whole_run():
            screen.show(event)
    assert [line for line in Terminal(80).feed(file.getvalue()).lines if "download" not in line] == expected[1:]
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", file.getvalue())
