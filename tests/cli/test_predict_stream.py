"""`predict` between pipes: answers come as rows do, and whoever leaves, or ends it, leaves whole lines behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.cli.conftest import make_classifier_and_tagger
from tests.conftest import Ftcli, make_rows, write_rows

SECONDS = 120


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A classifier of pairs in `run`, a tagger in `tagger`. Look, don't touch."""
    return make_classifier_and_tagger(tmp_path_factory.mktemp("streams"), model_folder, num_rows=1)


@pytest.fixture(autouse=True)
def there(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the runs as the working directory."""
    monkeypatch.chdir(finished)


class Conversation:
    """A running `ftcli predict` that is written to and read from."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdin: IO[bytes] = process.stdin
        self.stdout: IO[bytes] = process.stdout
        self.stderr: IO[bytes] = process.stderr

    def say(self, text: str) -> None:
        self.stdin.write(text.encode())
        self.stdin.flush()

    def hear(self, lines: int) -> list[str]:
        return [self.stdout.readline().decode() for _ in range(lines)]

    def end(self) -> tuple[int, str, str]:
        """Exit code, and what else was said on stdout and stderr."""
        rest, said = self.stdout.read().decode(), self.stderr.read().decode()
        return self.process.wait(), rest, said


@contextmanager
def talking(*options: object, checkpoint: str = "run/best", source: str = "-") -> Generator[Conversation]:
    """Start a prediction; one that says nothing for minutes is ended, so that the test fails."""
    command = [sys.executable, "-m", "ftcli", "predict", "--ckpt", checkpoint, "--input", source, *map(str, options)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        watch = threading.Timer(SECONDS, process.kill)
        watch.start()
        try:
            yield Conversation(process)
        finally:
            watch.cancel()
            process.kill()


def lines_of(count: int, *, seed: int) -> str:
    return "".join(json.dumps(row) + "\n" for row in make_rows(count, seed=seed))


def test_rows_are_answered_while_the_writer_waits() -> None:
    with talking() as predict:
        for seed, count in enumerate((3, 1, 2)):
            predict.say(lines_of(count, seed=seed))
            answers = map(json.loads, predict.hear(count))
            assert [row["a"] for row in answers] == [row["a"] for row in make_rows(count, seed=seed)]
        predict.stdin.close()
        assert predict.end()[:2] == (0, "")


def test_a_row_that_is_half_there_holds_up_none_before_it() -> None:
    whole, half = lines_of(1, seed=1), lines_of(1, seed=2)
    with talking() as predict:
        predict.say(whole + half[:9])
        assert json.loads(*predict.hear(1))["a"] == make_rows(1, seed=1)[0]["a"]
        predict.say(half[9:])
        assert json.loads(*predict.hear(1))["a"] == make_rows(1, seed=2)[0]["a"]
        predict.stdin.close()
        assert predict.end()[0] == 0


def test_tables_stream_too() -> None:
    options = ("--format", "csv", "--delimiter", ";", "--output-format", "csv", "--output-delimiter", "|")
    with talking(*options) as predict:
        predict.say("id;a;b\n1;open;card\n")
        header, first = predict.hear(2)
        assert header == "id|a|b|label|probability\n"
        assert first.startswith("1|open|card|")
        predict.say("2;my;room\n")
        assert predict.hear(1)[0].startswith("2|my|room|")
        predict.stdin.close()
        assert predict.end()[0] == 0


def test_sentences_in_columns_stream_too() -> None:
    options = ("--format", "conll", "--output-format", "conll")
    with talking(*options, checkpoint="tagger/best") as predict:
        for words in (["how", "do"], ["close", "my", "card"]):
            predict.say("\n".join(words) + "\n\n")
            *answers, end = predict.hear(len(words) + 1)
            assert [line.split("\t")[0] for line in answers] == words
            assert end == "\n"
        predict.stdin.close()
        assert predict.end()[0] == 0


def test_a_pipe_that_has_a_name_is_read_as_it_is_written(tmp_path: Path) -> None:
    (pipe := tmp_path / "rows.jsonl").touch()
    pipe.unlink()
    subprocess.run(["mkfifo", pipe], check=True)
    with talking(source=str(pipe)) as predict, pipe.open("w") as writer:
        writer.write(lines_of(2, seed=1))
        writer.flush()
        assert len([json.loads(line) for line in predict.hear(2)]) == 2
        writer.close()
        assert predict.end()[0] == 0


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    with talking() as predict:
        predict.say(lines_of(1, seed=1))
        predict.hear(1)
        predict.stdout.close()
        predict.say(lines_of(1, seed=2))
        said = predict.stderr.read().decode()
        assert (predict.process.wait(), "rror" in said, "roken" in said) == (0, False, False), said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_for_rows(number: int, code: int) -> None:
    with talking() as predict:
        predict.say(lines_of(3, seed=1))
        predict.hear(3)
        predict.process.send_signal(number)
        ended, rest, said = predict.end()
        assert (ended, rest) == (code, "")
        assert said.splitlines()[-1] == "stopped by a signal: 3 rows written"
        assert "Traceback" not in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_whole_lines(tmp_path: Path, number: int, code: int) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", make_rows(12000, seed=4))
    with talking(source=str(rows)) as predict:
        first = predict.hear(1)
        predict.process.send_signal(number)
        ended, rest, said = predict.end()
        written = [json.loads(line) for line in (*first, *rest.splitlines())]
        assert ended == code
        assert 0 < len(written) < 12000
        assert len(written) % 2048 == 0
        assert rest.endswith("\n")
        assert said.splitlines()[-1] == f"stopped by a signal: {len(written):,} rows written"


def test_standard_input_that_is_a_file_is_cut_as_files_are(tmp_path: Path, ftcli: Ftcli) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", make_rows(3000, seed=4))
    named = ftcli("predict", "--ckpt", "run/best", "--input", rows)
    command = [sys.executable, "-m", "ftcli", "predict", "--ckpt", "run/best", "--input", "-"]
    with rows.open("rb") as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=True)
    assert done.stdout == named.out
