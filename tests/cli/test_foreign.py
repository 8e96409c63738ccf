"""Other tools' names, as a user asks for them or writes them by habit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ftcli.spec.foreign.names import TOOLS, meanings_of
from tests.cli.errors import line_of, recipe, refused
from tests.conftest import Ftcli
from tests.readme import section


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("tool", TOOLS)
def test_all_names_of_a_tool_are_told_on_a_narrow_terminal(tool: str, ftcli: Ftcli) -> None:
    result = ftcli("explain", "--from", tool)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    titles = ("in the recipe", "on the command line", "without being asked for", "no place here")
    assert [line for line in lines if line in titles] == list(titles)
    assert {name for each in TOOLS[tool].arguments for name in each.names} <= {line.split("  ")[0] for line in lines}


def commands() -> list[str]:
    """The command lines that stand for something, and those in notes."""
    arguments = [each for tool in TOOLS.values() for each in tool.arguments]
    here = [line for each in arguments if each.place == "command" for line in each.here]
    return list(
        dict.fromkeys([*here, *(line for each in arguments for line in re.findall("`(ftcli [^`]+)`", each.note))])
    )


@pytest.mark.parametrize("line", commands())
def test_a_command_has_the_options_that_it_is_told_with(line: str, ftcli: Ftcli) -> None:
    name, *words = line[line.index("ftcli ") :].split()[1:]
    known = ftcli(name, "--help")
    assert known.code == 0
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", known.out))


def test_a_line_tells_the_key_and_how_it_differs(ftcli: Ftcli) -> None:
    assert (
        "\n"
        "gradient_accumulation_steps  batch.accumulation\n"
        "                             It cuts the rows of `batch.size`, and adds none:\n"
        "                             multiply `batch.size` by it.\n"
    ) in ftcli("explain", "--from", "paddlenlp").out


def test_a_name_is_explained_by_the_key_that_stands_for_it(ftcli: Ftcli) -> None:
    result = ftcli("explain", "learning_rate")
    assert result.code == 0, result.err
    assert result.out == (
        "learning_rate                  optimizer.lr\n"
        "of PaddleNLP and transformers  By default 2e-5, not 5e-5.\n"
        "\n" + ftcli("explain", "optimizer.lr").out
    )


@pytest.mark.parametrize("written", ["LEARNING_RATE", "--learning_rate", "--learning-rate"])
def test_a_name_is_explained_however_it_is_written(ftcli: Ftcli, written: str) -> None:
    result = ftcli("explain", written)
    assert (result.code, result.out) == (0, ftcli("explain", "learning_rate").out)
    assert ftcli("explain", "--Freeze.Cache").out == ftcli("explain", "freeze.cache").out


@pytest.mark.parametrize(
    ("name", "here"),
    [
        *((name, "no place here") for name in ("visualdl", "xpu", "npu", "accelerate", "modelscope", "serving")),
        *((name, "no place here") for name in ("fp16_backend", "half_precision_backend", "use_mps_device")),
        ("save_safetensors", "without being asked for"),
        ("mixed_precision", "precision.kind"),
        ("zero_stage", "distributed.sharding"),
        ("ema", "train.average"),
        ("num_processes", "torchrun --nproc-per-node N -m ftcli train RECIPE"),
    ],
)
def test_what_people_look_for_is_answered(ftcli: Ftcli, name: str, here: str) -> None:
    result = ftcli("explain", name)
    assert result.code == 0, result.err
    assert re.fullmatch(rf"{name} +{re.escape(here)}", result.out.splitlines()[0])


def test_a_name_that_has_no_key_is_explained_by_its_note(ftcli: Ftcli) -> None:
    assert ftcli("explain", "past_index").out == (
        "past_index                     no place here\n"
        "of PaddleNLP and transformers  Encoders read a row at once, and hand no state\n"
        "                               from one step to the next.\n"
    )
    assert ftcli("explain", "do_eval").out == (
        "do_eval                        ftcli eval --ckpt RUN/best\n"
        "of PaddleNLP and transformers  While a run goes on, `evaluate.every` says when.\n"
    )


def test_a_recipes_own_key_comes_first_unless_the_tool_is_named(ftcli: Ftcli) -> None:
    own = ftcli("explain", "model.dropout").out
    assert own.startswith("model.dropout\n\nThe share of numbers dropped")
    theirs = ftcli("explain", "model.dropout", "--from", "adaseq").out
    assert theirs.startswith("model.dropout  model.head_dropout\nof AdaSeq      ")
    assert ftcli("explain", "freeze.cache", "--from", "adaseq").out == ftcli("explain", "freeze.cache").out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lerning_rate", "did you mean `optimizer.lr`? PaddleNLP and transformers call it `learning_rate`."),
        ("--lerning_rate", "did you mean `optimizer.lr`? "),
        ("batc", "did you mean `batch`?\n"),
        ("batch_sise", "did you mean `batch.size`?\n"),
        ("batch_size", "did you mean `batch.size` or `evaluate.batch_size`?\n"),
        ("experiment", "`experiment` is a table of AdaSeq: ftcli explain --from adaseq tells what its keys are here\n"),
        ("zzzz", "keys here: run, data, task, "),
    ],
)
def test_a_name_that_nobody_has_ends_with_2_and_the_nearest(ftcli: Ftcli, name: str, hint: str) -> None:
    error = refused(ftcli("explain", name), 2)
    assert error.startswith(f"error[usage]: a recipe has no key `{name.lstrip('-')}`\nhelp: {hint}")


def test_a_tool_that_is_not_known_ends_with_2_and_those_that_are(ftcli: Ftcli) -> None:
    error = refused(ftcli("explain", "--from", "keras"), 2)
    assert error == (
        "error[usage]: --from keras: its names are not known here\n"
        "help: known: paddlenlp, adaseq, transformers, accelerate\n"
    )


def test_the_overview_says_that_other_names_are_known(ftcli: Ftcli) -> None:
    assert "ftcli explain --from paddlenlp|adaseq|transformers|accelerate " in ftcli("explain").out


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (
            "learning_rate = 1e-5",
            "did you mean `optimizer.lr`? PaddleNLP and transformers call it `learning_rate`. "
            "By default 2e-5, not 5e-5.",
        ),
        (
            "num_train_epochs = 3",
            "did you mean `train.epochs`? PaddleNLP and transformers call it `num_train_epochs`. Fractions are fine.",
        ),
        (
            "per_device_train_batch_size = 8",
            "did you mean `batch.size` or `batch.micro_size`? PaddleNLP and transformers call it "
            "`per_device_train_batch_size`. `size` is the rows of a whole step: theirs × devices × accumulation. "
            "`micro_size` is what a device takes at once, and may be left to ftcli.",
        ),
        ("weight_decay = 0.1", "`weight_decay` belongs in [optimizer]"),
    ],
)
def test_another_tools_name_in_a_recipe_is_shown_with_the_key_it_has_here(
    project: Path, ftcli: Ftcli, line: str, hint: str
) -> None:
    name = recipe(("epochs = 2", f"epochs = 2\n{line}"))
    key = line.split()[0]
    assert refused(ftcli("train", name), 2) == (
        f"error[recipe]: unknown key `{key}` in [train]\n"
        f"  --> a.toml:{line_of(line)}\n"
        "   |\n"
        f"17 | {line}\n"
        f"   | {'^' * len(key)}\n"
        f"help: {hint}\n"
    )


def test_the_readme_says_the_same() -> None:
    rows = [
        line.strip("|").split("|")
        for line in section("Coming from another tool").splitlines()
        if line.startswith("| `")
    ]
    assert [len(row) for row in rows] == [3] * 15
    for *theirs, ours in rows:
        place = re.findall("`([^`]+)`", ours)[0]
        for name in re.findall("`([^`]+)`", " ".join(theirs)):
            assert place in {here for each in meanings_of(name) for here in each.argument.here}, name


def test_none_of_it_loads_torch() -> None:
    code = (
        "import sys\nfrom ftcli.cli.main import run\n"
        "assert run(['explain', 'learning_rate']) == run(['explain', '--from', 'transformers']) == 0\n"
        "heavy = {'torch', 'transformers', 'safetensors'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
