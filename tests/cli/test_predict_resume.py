"""A prediction into a file that is ended at any instant: the same command goes on, and the file is as if it had not."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ftcli.flows.inputs import Input
from ftcli.flows.outputs import Output
from ftcli.flows.partfile import part_of, scores_of
from ftcli.flows.predict import WINDOW_ROWS, Prediction, predict
from ftcli.runtime.activity import Activity, Working, finish
from ftcli.spec.card import Format
from tests.cli.conftest import make_classifier_and_tagger
from tests.cli.errors import refused
from tests.conftest import Ftcli, make_rows, write_rows

ROWS = 2 * WINDOW_ROWS + 300


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A classifier of pairs in `run`, a tagger in `tagger`, and `rows.jsonl` for both. Look, don't touch."""
    return make_classifier_and_tagger(tmp_path_factory.mktemp("resumed"), model_folder, num_rows=ROWS)


@pytest.fixture(autouse=True)
def there(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the runs as the working directory."""
    monkeypatch.chdir(finished)


def command(output: Path, *options: object, checkpoint: str = "run/best", rows: Path | str = "rows.jsonl") -> list[str]:
    return ["predict", "--ckpt", checkpoint, "--input", str(rows), "--output", str(output), *map(str, options)]


def stopped(output: Path, *, checkpoint: str = "run/best", windows: int = 1, rows: str = "rows.jsonl") -> Prediction:
    """What became of a prediction that gets SIGTERM when it has written so many windows."""
    work = predict(Path(checkpoint), source=Input(rows, Format()), output=Output(str(output)), device="cpu")
    try:
        while True:
            activity = next(work)
            assert isinstance(activity, Activity)
            if activity.done == windows * WINDOW_ROWS:
                signal.raise_signal(signal.SIGTERM)
    except StopIteration as stop:
        return stop.value


def beside(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir() if path.name.startswith(output.name))


@pytest.mark.parametrize(
    ("checkpoint", "ending"),
    [("run/best", ending) for ending in ("jsonl", "jsonl.gz", "csv", "tsv.gz")]
    + [("tagger/best", ending) for ending in ("conll", "bio.gz")],
)
def test_a_stopped_prediction_goes_on_to_the_same_bytes(
    tmp_path: Path, ftcli: Ftcli, checkpoint: str, ending: str
) -> None:
    whole, output = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    assert ftcli(*command(whole, checkpoint=checkpoint)).code == 0
    assert stopped(output, checkpoint=checkpoint) == Prediction(WINDOW_ROWS, 0, signal=signal.SIGTERM)
    assert beside(output) == [f"out.{ending}.part", f"out.{ending}.part.json"]
    done = ftcli(*command(output, checkpoint=checkpoint))
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == f"went on behind {WINDOW_ROWS:,} rows already there"
    assert output.read_bytes() == whole.read_bytes()
    assert beside(output) == [output.name]


def test_what_was_written_can_be_read_before_it_is_whole(tmp_path: Path) -> None:
    stopped(tmp_path / "out.jsonl.gz", windows=2)
    lines = gzip.decompress((tmp_path / "out.jsonl.gz.part").read_bytes()).splitlines()
    assert [json.loads(line)["a"] for line in lines] == [row["a"] for row in make_rows(ROWS, seed=4)][:4096]


def test_errors_of_rows_are_counted_on(tmp_path: Path, ftcli: Ftcli) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("oops\n" + Path("rows.jsonl").read_text() + "oops\n")
    output = tmp_path / "out.jsonl"
    work = predict(Path("run/best"), source=Input(str(rows), Format(), keep_going=True), output=Output(str(output)))
    while next(work).done < WINDOW_ROWS:
        pass
    signal.raise_signal(signal.SIGTERM)
    assert finish(work) == Prediction(WINDOW_ROWS - 1, 1, signal=signal.SIGTERM)
    done = ftcli(*command(output, "--keep-going", rows=rows))
    assert done.err.endswith(f"2 of {ROWS + 2:,} rows could not be read\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_message_says_how_to_go_on(tmp_path: Path, ftcli: Ftcli, number: int, code: int) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", make_rows(12000, seed=5))
    output, part = tmp_path / "out.jsonl", tmp_path / "out.jsonl.part"
    arguments = [sys.executable, "-m", "ftcli", *command(output, rows=rows)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        while not (part.exists() and part.stat().st_size) and process.poll() is None:
            wait(process, 0.01)
        process.send_signal(number)
        said = process.communicate()[1]
    assert process.returncode == code, said
    count = len(part.read_text().splitlines())
    assert 0 < count < 12000
    assert said.splitlines()[-1] == (
        f"stopped by a signal: {count:,} rows in {part}; the same command goes on from there"
    )
    assert ftcli(*command(output, rows=rows)).code == 0
    assert [json.loads(line)["a"] for line in output.read_text().splitlines()] == [
        row["a"] for row in make_rows(12000, seed=5)
    ]


def wait(process: subprocess.Popen[str], seconds: float) -> None:
    """Wait for the end of a process, for so long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def test_standard_input_begins_anew(tmp_path: Path, ftcli: Ftcli) -> None:
    output = tmp_path / "out.jsonl"
    source = [sys.executable, "-m", "ftcli", *command(output, rows="-")]
    part = tmp_path / "out.jsonl.part"
    with subprocess.Popen(source, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(make_rows(1, seed=1)[0]) + "\n")
        process.stdin.flush()
        while not (part.exists() and part.stat().st_size) and process.poll() is None:
            wait(process, 0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        said = process.stderr.read()
    assert said.splitlines()[-1] == (
        f"stopped by a signal: 1 row in {part}; standard input can't be read again, so the same command begins anew"
    )
    assert ftcli(*command(output)).code == 0
    assert len(output.read_text().splitlines()) == ROWS
    assert beside(output) == [output.name]


def test_other_options_are_refused_by_name(tmp_path: Path, ftcli: Ftcli) -> None:
    output, part = tmp_path / "out.jsonl", tmp_path / "out.jsonl.part"
    stopped(output)
    before = part.read_bytes()
    error = refused(ftcli(*command(output, "--proba", "--keep-going")), 2)
    assert error == (
        f"error[usage]: {part} holds 2,048 rows made otherwise: --keep-going, --proba changed\n"
        "help: the command as it was goes on with them; --restart begins anew\n"
    )
    rows = tmp_path / "rows.jsonl"
    rows.write_text(Path("rows.jsonl").read_text() + "{}\n")
    assert "made otherwise: the input changed" in refused(ftcli(*command(output, rows=rows)), 2)
    assert ftcli("export", "--ckpt", "run/best", "--output", tmp_path / "hf").code == 0
    assert "made otherwise: the checkpoint changed" in refused(ftcli(*command(output, checkpoint=tmp_path / "hf")), 2)
    assert part.read_bytes() == before
    done = ftcli(*command(output, "--proba", "--restart"))
    assert done.code == 0, done.err
    rows_found = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows_found) == ROWS
    assert all("probabilities" in row for row in rows_found)


def test_a_batch_of_another_size_may_go_on(tmp_path: Path, ftcli: Ftcli) -> None:
    stopped(tmp_path / "out.jsonl")
    done = ftcli(*command(tmp_path / "out.jsonl", "--batch-size", 16))
    assert done.code == 0, done.err
    assert "went on behind 2,048 rows" in done.err


def test_the_same_rows_elsewhere_may_go_on(tmp_path: Path, ftcli: Ftcli) -> None:
    stopped(tmp_path / "out.jsonl")
    (tmp_path / "moved.jsonl").write_bytes(Path("rows.jsonl").read_bytes())
    assert "went on behind" in ftcli(*command(tmp_path / "out.jsonl", rows=tmp_path / "moved.jsonl")).err


def test_a_bad_row_leaves_nothing(tmp_path: Path, ftcli: Ftcli) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(Path("rows.jsonl").read_text() + "oops\n")
    refused(ftcli(*command(tmp_path / "out.jsonl", rows=rows)), 3)
    assert list(tmp_path.iterdir()) == [rows]


def test_a_file_of_somebody_else_is_let_be(tmp_path: Path, ftcli: Ftcli) -> None:
    part = tmp_path / "out.jsonl.part"
    part.write_text("mine")
    for options in ((), ("--restart",)):
        assert refused(ftcli(*command(tmp_path / "out.jsonl", *options)), 2) == (
            f"error[usage]: {part} is in the way: it is no part of a prediction\n"
            "help: move it away, or name another --output\n"
        )
    assert part.read_text() == "mine"


def test_a_journal_that_can_not_be_read_is_named(tmp_path: Path, ftcli: Ftcli) -> None:
    journal = tmp_path / "out.jsonl.part.json"
    stopped(tmp_path / "out.jsonl")
    journal.write_text("{")
    error = refused(ftcli(*command(tmp_path / "out.jsonl")), 2)
    assert error.startswith(f"error[usage]: {journal} can't be read: ")
    assert error.endswith("help: --restart begins anew\n")
    assert ftcli(*command(tmp_path / "out.jsonl", "--restart")).code == 0


def test_two_processes_do_not_write_one_file(tmp_path: Path, ftcli: Ftcli) -> None:
    output = tmp_path / "out.jsonl"
    work = predict(Path("run/best"), source=Input("rows.jsonl", Format()), output=Output(str(output)))
    while next(work).done < WINDOW_ROWS:
        pass
    assert refused(ftcli(*command(output)), 2) == (
        f"error[usage]: another process is writing {output}.part\nhelp: wait for it, or name another --output\n"
    )
    work.close()
    assert "went on behind" in ftcli(*command(output)).err


def test_an_output_that_can_not_be_written_is_named(ftcli: Ftcli) -> None:
    error = refused(ftcli(*command(Path("/proc/out.jsonl"))), 2)
    assert error.startswith("error[usage]: can't write /proc/out.jsonl.part: ")


def test_a_full_disk_can_be_made_room_on(tmp_path: Path, ftcli: Ftcli) -> None:
    resource = pytest.importorskip("resource")
    output = tmp_path / "out.jsonl"
    assert ftcli(*command(tmp_path / "whole.jsonl")).code == 0
    size = (tmp_path / "whole.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size * 2 // 3, before[1]))
        error = refused(ftcli(*command(output)), 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert error == (
        f"error[usage]: can't write {output}.part: File too large\n"
        "help: make room, or make its folder writable; the same command goes on with what is there\n"
    )
    assert "went on behind 2,048 rows" in ftcli(*command(output)).err
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_kill_between_the_last_two_moves_is_made_up_for(tmp_path: Path, ftcli: Ftcli) -> None:
    output, journal = tmp_path / "out.jsonl", tmp_path / "out.jsonl.part.json"
    stopped(output, windows=2)
    left: dict[str, Any] = json.loads(journal.read_text())
    assert ftcli(*command(output)).code == 0
    whole = output.read_bytes()
    left["written"] |= {"rows": ROWS, "bytes": len(whole), "is_whole": True}
    journal.write_text(json.dumps(left))
    done = ftcli(*command(output))
    assert done.code == 0, done.err
    assert f"went on behind {ROWS:,} rows" in done.err
    assert output.read_bytes() == whole
    assert beside(output) == [output.name]


def test_restart_goes_with_a_file(ftcli: Ftcli) -> None:
    assert refused(ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl", "--restart"), 2) == (
        "error[usage]: --restart goes with --output FILE: nothing else is ever gone on with\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint", "source", "ending"),
    [
        ("run/best", "rows.jsonl", "csv.gz"),
        ("run/best", "rows.jsonl", "jsonl"),
        ("tagger/best", "rows.conll", "conll"),
    ],
)
def test_killed_at_twenty_instants_it_comes_to_the_same_bytes(
    tmp_path: Path, checkpoint: str, source: str, ending: str
) -> None:
    """Each time it is killed when so much more was kept, or a little later: rows in the part, or scores beside it."""
    write_rows(tmp_path / "rows.jsonl", rows := make_rows(2 * WINDOW_ROWS + 77, seed=6))
    sentences = ("".join(f"{word}\tI-X\n" for word in row["a"].split()) for row in rows)
    (tmp_path / "rows.conll").write_text("\n".join(sentences))
    context = multiprocessing.get_context("forkserver")  # which has imported torch when it makes a process
    context.set_forkserver_preload(["ftcli.flows.predict"])
    whole, output = (tmp_path / f"{name}.{ending}" for name in ("whole", "out"))
    part, scores = part_of(output), scores_of(output)

    def begun(path: Path) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=keep_all, args=(checkpoint, str(tmp_path / source), str(path)))
        process.start()
        return process

    def kept() -> list[int]:
        return [size_of(path) for path in (part, scores)]

    begun(whole).join()
    rng, kills, seen = random.Random(20), 0, set[tuple[int, ...]]()
    while not output.exists() or part.exists():
        process, before, more = begun(output), kept(), rng.randint(0, 3)
        while process.is_alive() and kills < 20 and more:
            process.join(0.002)
            more -= before != (before := kept())
        process.join(rng.choice((0, 0.001, 0.01, 0.1)) if kills < 20 else None)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
            seen.add(tuple(kept()))
    assert kills == 20
    assert len(seen) > 5
    assert output.read_bytes() == whole.read_bytes()
    assert beside(output) == [output.name]


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it may go at any moment
        return 0


def keep_all(checkpoint: str, rows: str, output: str) -> None:
    """Predict in small batches, and keep the scores of each."""
    work = predict(
        Path(checkpoint),
        source=Input(rows, Format()),
        output=Output(output, keep_seconds=0),
        device="cpu",
        batch_size=32,
    )
    finish(work)


def test_scores_of_a_window_that_was_not_written_are_used_again(tmp_path: Path, ftcli: Ftcli) -> None:
    output, rows = tmp_path / "out.jsonl", write_rows(tmp_path / "rows.jsonl", make_rows(300, seed=7))
    left = scores_of(output)

    def begun() -> Working[Prediction]:
        destination = Output(str(output), keep_seconds=0)
        return predict(Path("run/best"), source=Input(str(rows), Format()), output=destination, device="cpu")

    work = begun()
    while not left.exists():
        next(work)
    signal.raise_signal(signal.SIGTERM)
    assert finish(work) == Prediction(0, 0, signal=signal.SIGTERM)
    kept = load_file(left)
    assert kept
    save_file({name: torch.zeros_like(scores) for name, scores in kept.items()}, left)
    finish(begun())
    halves = [row for row in rows_of(output) if row["probability"] == 0.5]
    assert len(halves) == sum(map(len, kept.values()))
    assert beside(output) == [output.name]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_stop_within_the_first_window_can_be_gone_on_with(tmp_path: Path, ftcli: Ftcli) -> None:
    output, rows = tmp_path / "out.jsonl", write_rows(tmp_path / "rows.jsonl", make_rows(300, seed=7))
    work = predict(Path("run/best"), source=Input(str(rows), Format()), output=Output(str(output), keep_seconds=0))
    while not scores_of(output).exists():
        next(work)
    signal.raise_signal(signal.SIGTERM)
    finish(work)
    assert beside(output) == ["out.jsonl.part", "out.jsonl.part.json", "out.jsonl.part.scores"]
    scores_of(output).write_bytes(b"oops")
    error = refused(ftcli(*command(output, rows=rows)), 2)
    assert error.startswith(f"error[usage]: {scores_of(output)} can't be read: ")
    assert error.endswith("help: --restart begins anew\n")
    assert ftcli(*command(output, "--restart", rows=rows)).code == 0
    assert beside(output) == [output.name]
