"""What `eval` says besides a score: how sure it is, how a rival does, and what it fits and keeps."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftcli.cli.main import run
from ftcli.runtime.manifest import verify
from tests.cli.errors import refused
from tests.conftest import WORDS, Ftcli, make_project, make_rows, write_rows


def scored(ftcli: Ftcli, checkpoint: Path | str, *more: object) -> dict[str, Any]:
    result = ftcli("eval", "--ckpt", checkpoint, "--json", *more)
    assert result.code == 0, result.err
    return json.loads(result.out)


def predicted(ftcli: Ftcli, checkpoint: Path | str, rows: Path | str) -> list[dict[str, Any]]:
    result = ftcli("predict", "--ckpt", checkpoint, "--input", rows)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def noisy_rows(count: int, seed: int) -> list[dict[str, str]]:
    """Pairs whose label is told by one word, in 85 of 100 rows."""
    rng = random.Random(seed)
    rows = make_rows(count, seed=seed)
    for row in rows:
        told = "open" if (row["label"] == "yes") == (rng.random() < 0.85) else "close"
        row["a"] = f"{told} {rng.choice(WORDS)} {told}"
        row["b"] = " ".join(rng.choices(WORDS, k=2))
    return rows


@pytest.fixture(scope="module")
def project_of_two(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[Path]:
    """A project with a good run in `run`, and one that was stopped early in `short`. Look, don't touch."""
    folder = make_project(tmp_path_factory.mktemp("noisy"), model_folder)
    for seed, (name, count) in enumerate({"train": 480, "validation": 150, "test": 60}.items()):
        write_rows(folder / f"{name}.jsonl", noisy_rows(count, seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        settings = ("--set", "optimizer.lr=3e-3", "--set", "log.every=50")
        assert run(["train", "tiny.toml", *settings]) == 0
        assert run(["train", "tiny.toml", *settings, "--run-dir", "short", "--set", "train.steps=40"]) == 0
        assert run(["export", "--ckpt", "run/best"]) == 0
    return folder


@pytest.fixture
def trained(project_of_two: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as the working directory."""
    monkeypatch.chdir(project_of_two)
    return project_of_two


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl", noisy_rows(120, seed=9))


# Intervals


def test_every_metric_has_its_interval_on_the_screen_and_in_json(trained: Path, rows: Path, ftcli: Ftcli) -> None:
    report = scored(ftcli, "run/best", "--input", rows)
    assert set(report["intervals"]) == {*report["metrics"], "loss", "ece"}
    assert report["intervals"]["loss"]["low"] < report["loss"] < report["intervals"]["loss"]["high"]
    assert report["intervals"]["ece"]["low"] < report["reliability"]["ece"]
    assert (report["resamples"], report["seed"]) == (2000, 0)
    for name, value in report["metrics"].items():
        assert report["intervals"][name]["low"] < value < report["intervals"][name]["high"]
    assert scored(ftcli, "run/best", "--input", rows) == report
    shown = ftcli("eval", "--ckpt", "run/best", "--input", rows).out
    interval = report["intervals"]["accuracy"]
    assert f"{report['metrics']['accuracy']:.4f}  {interval['low']:.4f} to {interval['high']:.4f}\n" in shown
    assert "  95 % intervals, from 2,000 resamples of the rows\n" in shown


def test_intervals_may_be_fewer_or_none(trained: Path, rows: Path, ftcli: Ftcli) -> None:
    assert scored(ftcli, "run/best", "--input", rows, "--resamples", 50)["resamples"] == 50
    assert scored(ftcli, "run/best", "--input", rows, "--resamples", 0)["intervals"] == {}
    shown = ftcli("eval", "--ckpt", "run/best", "--input", rows, "--resamples", 0).out
    assert "95 %" not in shown
    assert "no interval" not in shown


def test_rows_that_are_all_alike_have_no_interval(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    first = predicted(ftcli, "run/best", "test.jsonl")[0]
    alike = write_rows(tmp_path / "alike.jsonl", [{"a": first["a"], "b": first["b"], "label": first["label"]}] * 5)
    report = scored(ftcli, "run/best", "--input", alike)
    assert report["metrics"]["accuracy"] == 1.0
    assert set(report["intervals"]) <= {"loss"}  # of which batches of one text may differ in the last digit
    shown = ftcli("eval", "--ckpt", "run/best", "--input", alike).out
    assert "  no interval for accuracy, f1, f1_macro, mcc: all resamples give the same\n" in shown


def test_probabilities_are_held_against_what_is_so(trained: Path, rows: Path, ftcli: Ftcli) -> None:
    found = scored(ftcli, "run/best", "--input", rows)["reliability"]
    assert sum(each["count"] for each in found["bins"]) == 120
    assert found["ece"] == pytest.approx(
        sum(each["count"] * abs(each["probability"] - each["share"]) for each in found["bins"]) / 120
    )
    shown = ftcli("eval", "--ckpt", "run/best", "--input", rows).out
    assert "probability of yes, and how often it is so (expected calibration error " in shown
    interval = scored(ftcli, "run/best", "--input", rows)["intervals"]["ece"]
    assert f"{found['ece']:.4f}, {interval['low']:.4f} to {interval['high']:.4f})\n" in shown


# Comparing


def test_a_checkpoint_is_compared_row_by_row_in_a_sentence(trained: Path, rows: Path, ftcli: Ftcli) -> None:
    report = scored(ftcli, "run/best", "--input", rows, "--compare", "short/last")
    found = report["comparison"]
    alone = scored(ftcli, "short/last", "--input", rows)["metrics"]
    for name, each in found["metrics"].items():
        assert each["ours"] == report["metrics"][name]
        assert each["other"] == pytest.approx(alone[name])
        assert each["difference"] == pytest.approx(each["other"] - each["ours"])
        assert each["interval"]["low"] <= each["difference"] <= each["interval"]["high"]
    gain = found["metrics"]["accuracy"]["difference"]
    assert found["mcnemar"]["only_second"] - found["mcnemar"]["only_first"] == round(gain * 120)
    assert 0 < found["mcnemar"]["p_value"] <= 1
    word = "better" if gain > 0 else "worse"
    assert found["verdict"].startswith(f"short/last is {word} by {abs(100 * gain):.1f} points of accuracy, 95 % ")
    shown = ftcli("eval", "--ckpt", "run/best", "--input", rows, "--compare", "short/last").out
    assert shown.rstrip().endswith(found["verdict"])
    assert "McNemar's test, exact: p = " in shown


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "p.jsonl.gz"])
def test_predictions_are_compared_as_the_checkpoint_that_made_them(
    trained: Path, tmp_path: Path, rows: Path, ftcli: Ftcli, name: str
) -> None:
    file = tmp_path / name
    assert ftcli("predict", "--ckpt", "short/last", "--input", rows, "--output", file).code == 0
    by_file = scored(ftcli, "run/best", "--input", rows, "--compare", file)["comparison"]
    by_model = scored(ftcli, "run/best", "--input", rows, "--compare", "short/last")["comparison"]
    assert by_file["mcnemar"] == by_model["mcnemar"]
    for name, each in by_model["metrics"].items():
        assert by_file["metrics"][name]["other"] == pytest.approx(each["other"], abs=1e-3)
        assert by_file["metrics"][name]["interval"] == pytest.approx(each["interval"], abs=1e-3)
    shown = ftcli("eval", "--ckpt", "run/best", "--split", "test", "--compare", "run/predictions/test.jsonl").out
    assert "run/predictions/test.jsonl has the same accuracy; there is no interval" in shown


@pytest.mark.parametrize(
    ("name", "delimiter"), [("p.csv", ";"), ("p.csv.gz", "|"), ("p.tsv", "~"), ("p.csv", "\\t"), ("p.csv", " ")]
)
def test_tables_with_a_delimiter_of_their_own_are_compared(
    trained: Path, tmp_path: Path, rows: Path, ftcli: Ftcli, *, name: str, delimiter: str
) -> None:
    command = ("predict", "--ckpt", "short/last", "--input", rows, "--output")
    assert ftcli(*command, tmp_path / "usual.jsonl").code == 0
    assert ftcli(*command, tmp_path / name, "--output-delimiter", delimiter).code == 0
    usual, own = (
        scored(ftcli, "run/best", "--input", rows, "--compare", tmp_path / each)["comparison"]
        for each in ("usual.jsonl", name)
    )
    assert own["metrics"] == usual["metrics"]


def test_a_rival_is_refused_before_anything_is_scored(trained: Path, tmp_path: Path, rows: Path, ftcli: Ftcli) -> None:
    (tmp_path / "p.csv").write_text("a;b;label;probability\nhow;do;yes;1.0\n")
    (tmp_path / "p.json.gz").write_text("oops")
    (tmp_path / "empty").mkdir()
    for name, code in (("p.csv", 3), ("p.json.gz", 3), ("empty", 6)):
        result = ftcli("eval", "--ckpt", "run/best", "--input", rows, "--compare", tmp_path / name)
        assert "evaluate " not in result.err
        refused(result, code)


def test_predictions_for_other_rows_are_refused(trained: Path, tmp_path: Path, rows: Path, ftcli: Ftcli) -> None:
    file = tmp_path / "p.jsonl"
    assert ftcli("predict", "--ckpt", "run/best", "--input", rows, "--output", file).code == 0
    compared = ("eval", "--ckpt", "run/best", "--input", rows, "--compare", file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([lines[1], lines[0], *lines[2:]]))
    assert refused(ftcli(*compared), 3) == (
        f"error[data]: this is not the row that stands in its place in {rows}\n  --> {file}:1\n"
        "help: compare with predictions for the very rows that are scored\n"
    )
    file.write_text("".join(lines[:-1]))
    assert refused(ftcli(*compared), 3) == (
        f"error[data]: {file} has 119 rows, and {rows} has 120\n"
        "help: compare with predictions for the very rows that are scored\n"
    )
    file.write_text("".join(line.replace('"label"', '"guess"') for line in lines))
    assert "there is no `label` here\n" in refused(ftcli(*compared), 3)
    file.write_text("".join(line.replace('"label":"', '"label":"un') for line in lines))
    assert "`label` can't be read: the model knows no label un" in refused(ftcli(*compared), 3)


def test_what_can_not_be_compared_says_why(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    compared = ("eval", "--ckpt", "run/best", "--compare")
    assert refused(ftcli(*compared, "nowhere"), 2) == (
        "error[usage]: there is nothing to compare with: nowhere\n"
        "help: a checkpoint, an exported folder, or a file that `ftcli predict` wrote\n"
    )
    (tmp_path / "p.parquet").touch()
    assert "can't tell from its ending how the predictions" in refused(ftcli(*compared, tmp_path / "p.parquet"), 2)
    write_rows(tmp_path / "train.jsonl", make_rows(30, seed=1, labels=("a", "b", "c")))
    text = (trained / "tiny.toml").read_text().replace("train.jsonl", f"{tmp_path}/train.jsonl")
    text = text.replace('validation = "validation.jsonl"\ntest = "test.jsonl"\n', "holdout = 0.2\n")
    (tmp_path / "other.toml").write_text(text + "[run]\n" + f'dir = "{tmp_path}/run"\n')
    root = ("--set", f"data.root={tmp_path}/data", "--set", "train.epochs=1")
    assert ftcli("train", tmp_path / "other.toml", *root).code == 0
    assert refused(ftcli(*compared, tmp_path / "run/best"), 6) == (
        f"error[checkpoint]: {tmp_path}/run/best knows the labels a, b, c, and the checkpoint no, yes\n"
        "help: compare models with the same labels, in the same order\n"
    )
    three = ("eval", "--ckpt", tmp_path / "run/best", "--tune-threshold", "f1")
    assert refused(ftcli(*three), 2) == (
        "error[usage]: of 3 labels a row has the likeliest, so there is no threshold to tune\n"
        "help: --tune-threshold is for two labels, or multi_label = true\n"
    )


# Calibrating


def test_a_temperature_is_kept_and_changes_probabilities_alone(
    copied: Path, tmp_path: Path, rows: Path, ftcli: Ftcli
) -> None:
    before = predicted(ftcli, copied / "best", rows)
    report = scored(ftcli, copied / "best", "--calibrate", "--input", rows)
    fitted = report["fitted"]
    assert fitted["temperature"] != pytest.approx(1.0, abs=1e-3)
    assert fitted["num_rows"] == 150
    assert fitted["after"]["log_loss"] < fitted["before"]["log_loss"]
    assert json.loads((copied / "best/ftcli.json").read_text())["calibration"]["temperature"] == fitted["temperature"]
    verify(copied / "best")
    after = predicted(ftcli, copied / "best", rows)
    for old, new in zip(before, after, strict=True):
        assert new["label"] == old["label"]
        odds = (old["probability"] / (1 - old["probability"])) ** (1 / fitted["temperature"])
        assert new["probability"] == pytest.approx(odds / (1 + odds), abs=1e-4)
    assert scored(ftcli, copied / "best", "--input", rows) == {**report, "fitted": None}
    assert ftcli("export", "--ckpt", copied / "best", "--output", tmp_path / "hf").code == 0
    assert predicted(ftcli, tmp_path / "hf", rows) == after


def test_a_tuned_threshold_is_kept_for_predict_eval_and_the_end_of_a_run(
    copied: Path, rows: Path, ftcli: Ftcli
) -> None:
    report = scored(ftcli, copied / "best", "--tune-threshold", "f1")
    fitted = report["fitted"]
    threshold = fitted["thresholds"]["yes"]
    assert fitted["temperature"] == 1.0
    assert fitted["after"]["f1"] >= fitted["before"]["f1"]
    assert report["metrics"]["f1"] == pytest.approx(fitted["after"]["f1"])
    for row in predicted(ftcli, copied / "best", rows):
        chance = row["probability"] if row["label"] == "yes" else 1 - row["probability"]
        assert (row["label"] == "yes") == (chance >= threshold)
    (copied / "predictions/test.jsonl").unlink()
    assert ftcli("resume", copied).code == 0
    expected = predicted(ftcli, copied / "best", "test.jsonl")
    found = [json.loads(line) for line in (copied / "predictions/test.jsonl").read_text().splitlines()]
    assert [row["label"] for row in found] == [row["label"] for row in expected]


def test_a_new_temperature_tunes_thresholds_anew(copied: Path, ftcli: Ftcli) -> None:
    tuned = scored(ftcli, copied / "best", "--tune-threshold", "f1")
    both = scored(ftcli, copied / "best", "--calibrate")
    assert both["fitted"]["thresholds"]["yes"] != tuned["fitted"]["thresholds"]["yes"]
    assert both["metrics"]["f1"] == tuned["metrics"]["f1"]
    shown = ftcli("eval", "--ckpt", copied / "best", "--calibrate", "--tune-threshold", "f1").out
    assert f"threshold of yes {both['fitted']['thresholds']['yes']:.3f}: fitted on " in shown
    assert "the scores above are of the validation rows it was fitted on" in shown


def test_what_was_fitted_can_be_forgotten(copied: Path, rows: Path, ftcli: Ftcli) -> None:
    best = copied / "best"
    before, card = scored(ftcli, best, "--input", rows), (best / "ftcli.json").read_bytes()
    scored(ftcli, best, "--calibrate", "--tune-threshold", "f1")
    result = ftcli("eval", "--ckpt", best, "--input", rows, "--json", "--uncalibrate")
    assert json.loads(result.out) == before
    assert result.err.splitlines()[-1] == (
        f"what was fitted to {best} is forgotten: the scores are those of the model as it was trained"
    )
    assert (best / "ftcli.json").read_bytes() == card
    verify(best)
    assert refused(ftcli("eval", "--ckpt", best, "--uncalibrate"), 2) == (
        f"error[usage]: nothing that was fitted is kept in {best}\n"
        "help: leave out --uncalibrate; --calibrate and --tune-threshold f1 fit it\n"
    )


def test_a_fit_may_begin_with_forgetting_another(copied: Path, ftcli: Ftcli) -> None:
    alone = scored(ftcli, copied / "best", "--tune-threshold", "f1")["fitted"]
    scored(ftcli, copied / "best", "--calibrate")
    assert scored(ftcli, copied / "best", "--uncalibrate", "--tune-threshold", "f1")["fitted"] == alone


def test_what_can_not_be_fitted_says_why(trained: Path, copied: Path, ftcli: Ftcli) -> None:
    assert refused(ftcli("eval", "--ckpt", "run/best", "--tune-threshold", "mcc"), 2) == (
        "error[usage]: --tune-threshold mcc: thresholds are tuned for f1\nhelp: --tune-threshold f1\n"
    )
    assert refused(ftcli("eval", "--ckpt", "run/export/hf", "--calibrate"), 2) == (
        "error[usage]: run/export/hf is an export, and what was fitted would not be in what it was made from\n"
        "help: fit it to the checkpoint, RUN/best, and export that again\n"
    )
    card = copied / "best/ftcli.json"
    card.write_text(card.read_text().replace('"step": ', '"step": 1', 1))
    assert "is damaged: ftcli.json has" in refused(ftcli("eval", "--ckpt", copied / "best", "--calibrate"), 6)
