"""The page of a run: what `train` leaves, and what `report` makes of run folders."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.errors import refused
from tests.conftest import Ftcli, make_rows, write_rows

HOSTILE = '<script>alert("1")</script>'
CHINESE = "花呗怎么还款"


def test_a_run_leaves_its_page_with_all_texts_escaped(project: Path, ftcli: Ftcli) -> None:
    rows = [{**row, "a": f"{CHINESE} {HOSTILE} {row['a']}"} for row in make_rows(11, seed=3)]
    write_rows(project / "test.jsonl", rows)
    done = ftcli("train", "tiny.toml", "--set", "log.report=true", "--set", f"run.name={'a' * 40}")
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1].endswith("run folder run; report run/report.html")
    text = Path("run/report.html").read_text(encoding="utf-8")
    for part in ("<title>aaaa", "Most confident errors", "Confusion matrix", "Reliability", "95 % interval", CHINESE):
        assert part in text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert text.count("<svg") == 5
    assert all(word not in text for word in ("<script", "src=", "@import", "http://", "https://"))
    assert json.loads(Path("run/log.jsonl").read_text().splitlines()[-1])["report"] == "run/report.html"


def test_it_is_made_anew_of_what_is_in_the_folder(copied: Path, ftcli: Ftcli) -> None:
    done = ftcli("report", copied)
    assert (done.code, done.out) == (0, f"report: {copied}/report.html\n")
    first = (copied / "report.html").read_bytes()
    assert ftcli("report", copied).code == 0
    assert (copied / "report.html").read_bytes() == first


def test_a_test_split_without_labels_gives_way_to_validation(copied: Path, ftcli: Ftcli) -> None:
    path = copied / "predictions/test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "gold": None}) + "\n" for row in rows))
    assert ftcli("report", copied).code == 0
    assert "Results on the validation split" in (copied / "report.html").read_text()


def test_a_run_that_did_not_end_says_how_far_it_came(copied: Path, ftcli: Ftcli) -> None:
    log = copied / "log.jsonl"
    records = [line for line in log.read_text().splitlines(keepends=True) if json.loads(line)["step"] <= 5]
    log.write_text("".join(records) + '{"event":"from another version","step":5}\n{"torn')
    shutil.rmtree(copied / "predictions")
    assert ftcli("report", copied).code == 0
    assert "not ended; at step 5" in (copied / "report.html").read_text()


def test_a_failed_run_leaves_a_page_too(project: Path, ftcli: Ftcli) -> None:
    explodes = ("optimizer.lr=1e30", "train.max_grad_norm=off", "log.report=true")
    done = ftcli("train", "tiny.toml", *(part for setting in explodes for part in ("--set", setting)))
    assert done.code == 5
    assert "failed after step" in Path("run/report.html").read_text()


def test_several_runs_stand_side_by_side(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    page = tmp_path / "both.html"
    done = ftcli("report", "run", "stopped", "--output", page)
    assert (done.code, done.out) == (0, f"report: {page}\n")
    text = page.read_text()
    for part in ("2 runs side by side", "The recipes are the same", "stopped as asked at step 6 of 12", ">stopped<"):
        assert part in text


def test_scores_on_the_same_rows_are_compared_in_pairs(
    trained: Path, copied: Path, tmp_path: Path, ftcli: Ftcli
) -> None:
    page, predictions = tmp_path / "both.html", copied / "predictions/test.jsonl"
    rows = [json.loads(line) for line in predictions.read_text().splitlines()]
    for row in rows[:3]:
        row["label"] = "yes" if row["label"] == "no" else "no"
    predictions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ftcli("report", "run", copied, "stopped", "--output", page).code == 0
    compared = ("eval", "--ckpt", "run/best", "--split", "test", "--compare", predictions, "--json")
    found = json.loads(ftcli(*compared).out)
    text = page.read_text()
    assert "Scores on the same rows" in text
    sentence = found["comparison"]["verdict"].partition(" is ")[2]
    assert f"Beside run: {copied} is {sentence}." in text
    accuracy = found["intervals"]["accuracy"]
    value = found["metrics"]["accuracy"]
    assert f"<td>{value:.4f} ({accuracy['low']:.4f}\u00a0to\u00a0{accuracy['high']:.4f})</td>" in text
    assert "Not of the same rows, or without predictions: stopped." in text


def test_other_values_of_the_recipes_are_listed(trained: Path, copied: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    recipe = copied / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("lr = 0.001", "lr = 0.5"))
    assert ftcli("report", "run", copied, "--output", tmp_path / "page.html").code == 0
    assert "<td>optimizer.lr</td><td>0.001</td><td>0.5</td>" in (tmp_path / "page.html").read_text()


def test_without_matplotlib_there_are_tables(copied: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert ftcli("report", copied).code == 0
    text = (copied / "report.html").read_text()
    assert "Pictures need matplotlib: pip install &#x27;ftcli[report]&#x27;" in text
    assert "<svg" not in text
    assert "gradient norm" in text


def test_a_page_that_can_not_be_made_is_a_warning(
    project: Path, tmp_path: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "broken/matplotlib").mkdir(parents=True)
    (tmp_path / "broken/matplotlib/__init__.py").write_text("raise RuntimeError('built for another Python')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    done = ftcli("train", "tiny.toml", "--set", "log.report=true", "--set", "train.steps=2")
    assert done.code == 0
    warning = "run/report.html could not be made: built for another Python; `ftcli report run` tries again"
    assert f"warning: {warning}\n" in done.err
    assert not Path("run/report.html").exists()


def test_what_is_no_run_folder_is_refused(tmp_path: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(ftcli("report", "nothing"), 6) == (
        "error[checkpoint]: no such folder: nothing\nhelp: name the folder that `ftcli train` made, such as `run`\n"
    )


def test_a_page_needs_a_place(copied: Path, ftcli: Ftcli) -> None:
    assert refused(ftcli("report", copied, "--output", "missing/page.html"), 2) == (
        "error[usage]: can't write missing/page.html: No such file or directory\nhelp: say where else: --output FILE\n"
    )
