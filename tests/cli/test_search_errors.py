"""What is wrong with a search is said before anything runs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.errors import recipe, refused
from tests.conftest import Ftcli

LR = "optimizer.lr=1e-5..1e-3 log"
SIZES = ("--search", "batch.size=[4, 8]", "--seeds", "1")
WRONG = {
    "optimizer.lr=1e-3..1e-5": ("there is nothing in this range", "the lower end goes first: 1e-5..1e-3"),
    "train.epochs=2..2": ("there is nothing in this range", "use --set train.epochs=2"),
    "optimizer.lr=0..1 log": ("a log range begins above 0", "raise its low end, or leave `log` out"),
    "batch.size=1.5..8": ("`batch.size` is a whole number", "give the range whole ends: 8..64"),
    "data.train=1..2": ("`data.train` is no number", "name its values: --search 'data.train=[...]'"),
    "run.seed=1..5": ("`run.seed` can't be searched", "ask for more seeds: --seeds N"),
    "batch.size=[4, 4]": ("4 is in the list twice", "name each value once"),
}
NOTHING = ("optimizer.lr", "optimizer.lr=1e-3", "=1..2", "optimizer.lr=1..", "optimizer.lr=1..inf", "batch.size=[]")


@pytest.mark.parametrize("search", WRONG)
def test_a_range_that_is_none_is_refused(project: Path, ftcli: Ftcli, search: str) -> None:
    what, way = WRONG[search]
    error = refused(ftcli("sweep", "tiny.toml", "--search", search, "--trials", "2"), 2)
    assert error == f"error[usage]: {what}\n  --> --search {search}\nhelp: {way}\n"


@pytest.mark.parametrize("search", NOTHING)
def test_what_is_no_search_is_refused(project: Path, ftcli: Ftcli, search: str) -> None:
    error = refused(ftcli("sweep", "tiny.toml", "--search", search, "--trials", "2"), 2)
    assert error == (
        "error[usage]: a search is a key and a range or a list of its values\n"
        f"  --> --search {search}\n"
        "help: --search 'optimizer.lr=1e-5..1e-3 log', or a list: --search 'batch.size=[16, 32]'\n"
    )


TOGETHER = {
    "a grid, too": (
        ("--search", LR, "--trials", "2", "--grid", "batch.size=[4]"),
        "a sweep has a grid or a search, not both",
        "search a list: --search 'KEY=[VALUES]'",
    ),
    "no end": (
        ("--search", LR),
        "a search needs to know when to stop",
        "say how many settings it is to try: --trials 20",
    ),
    "trials of nothing": (
        ("--trials", "2"),
        "`--trials` says how many settings to try, and of what is not said",
        "of a search: --search 'optimizer.lr=1e-5..1e-3 log'; or of a grid: --grid 'optimizer.lr=[1e-5, 2e-5]'",
    ),
    "a key twice": (
        ("--search", "train.epochs=1..2", "--search", "train.epochs=[3]", "--trials", "2"),
        "`train.epochs` is searched twice\n  --> --search train.epochs=[3]",
        "put all of its values into one --search",
    ),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_options_that_do_not_go_together_are_refused(project: Path, ftcli: Ftcli, name: str) -> None:
    options, what, way = TOGETHER[name]
    assert refused(ftcli("sweep", "tiny.toml", *options), 2) == f"error[usage]: {what}\nhelp: {way}\n"


def test_what_the_recipe_refuses_is_shown_at_its_end_of_the_range(project: Path, ftcli: Ftcli) -> None:
    searches = ("--search", "optimizer.lr=-1..1", "--search", "batch.sise=[8]", "--search", "batch.micro_size=[6, 2]")
    error = refused(ftcli("sweep", recipe(("micro_size = 4\n", "")), *searches, "--trials", "2"), 2)
    assert error == (
        "error[recipe]: unknown key `sise` in [batch]\n"
        "  --> --search batch.sise=8\n"
        "help: did you mean `size`?\n"
        "\n"
        "error[recipe]: `optimizer.lr` should be greater than or equal to 0, not -1.0\n"
        "  --> --search optimizer.lr=-1.0\n"
        "\n"
        "2 problems\n"
    )


def test_a_search_without_optuna_says_how_to_get_it(
    project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optuna" else find(name))
    error = refused(ftcli("sweep", "tiny.toml", "--search", LR, "--trials", "2"), 2)
    assert error == (
        "error[usage]: `--search` needs the package optuna\nhelp: install it: pip install 'ftcli[search]'\n"
    )


def test_a_wrong_search_is_refused_without_importing_torch(project: Path) -> None:
    arguments = ["sweep", "tiny.toml", "--search", "optimizer.lr=-1..1", "--trials", "2"]
    code = f"import sys; from ftcli.cli.main import run; code = run({arguments}); print(code, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    exit_code, *modules = done.stdout.split()
    assert exit_code == "2"
    assert {"torch", "transformers", "optuna"}.isdisjoint(modules)


def test_a_folder_of_another_search_is_refused(project: Path, ftcli: Ftcli) -> None:
    Path("sweep").mkdir()
    trials = Path("sweep/trials.json")
    trials.write_text(json.dumps([{"optimizer.lr": 0.5}, {"optimizer.lr": 0.25}]))
    arguments = ("sweep", "tiny.toml", "--dry-run", "--trials")
    error = refused(ftcli(*arguments, "2", "--search", LR), 2)
    assert error == (
        "error[usage]: sweep is of another search: lr=0.5 was tried there\n"
        "help: search where that is within, or name another folder: --sweep-dir DIR\n"
    )
    error = refused(ftcli(*arguments, "1", "--search", "optimizer.lr=0.1..0.9"), 2)
    assert error == (
        "error[usage]: 2 trials were drawn in sweep already, more than 1\n"
        "help: ask for as many or more: --trials 2; or name another folder: --sweep-dir DIR\n"
    )
    assert ftcli(*arguments, "2", "--search", "optimizer.lr=0.1..0.9").code == 0
    trials.write_text("[{")
    error = refused(ftcli(*arguments, "2", "--search", LR), 2)
    assert error == "error[usage]: sweep/trials.json is no list of trials\nhelp: name another folder: --sweep-dir DIR\n"


def test_a_dry_run_tells_what_is_searched_and_how_much_is_run(project: Path, ftcli: Ftcli) -> None:
    searches = ("--search", LR, "--search", 'schedule.kind=["linear", "cosine"]', "--search", "train.steps=30..40")
    done = ftcli("sweep", "tiny.toml", *searches, "--trials", "5", "--seeds", "2", "--dry-run")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert [line.split(",kind=")[0][:3] for line in lines[1:3]] == ["lr=", "lr="], "the first trial, with both seeds"
    assert lines[3].startswith("10 runs (5 trials x 2 seeds), about ")
    assert lines[4:] == [
        "4 further trials not listed: each is drawn by what those before it have scored",
        "search optimizer.lr: 1e-05 to 0.001, by its logarithm",
        'search schedule.kind: one of "linear", "cosine"',
        "search train.steps: 30 to 40",
    ]
    assert not Path("sweep").exists()


def test_no_more_is_tried_than_there_is(project: Path, ftcli: Ftcli) -> None:
    done = ftcli("sweep", "tiny.toml", *SIZES, "--trials", "9", "--dry-run")
    assert "2 runs (2 trials x 1 seed)" in done.out
    assert "1 further trial not listed: each is drawn by what those before it have scored" in done.out
    assert "there are only 2 settings, fewer than --trials 9: all are tried" in done.out
    assert "fewer than" not in ftcli("sweep", "tiny.toml", *SIZES, "--trials", "2", "--dry-run").out
