"""Code of one's own through every command: where it is found, what a checkpoint remembers of it, what goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.cli.errors import refused
from tests.conftest import Ftcli, make_model, spawn

EXAMPLES = Path(__file__).parents[2] / "recipes" / "custom"
ALL_PARTS = """
extends = "../tiny.toml"
[run]
name = "own"
[task]
loss = "parts:robust"
[model]
head = "custom"
head_factory = "bilstm:BiLSTM"
head_options = { size = 8 }
[optimizer]
kind = "custom"
factory = "parts:Lion"
lr = 1e-3
options = { beta2 = 0.98 }
[evaluate]
factory = "parts:recall_at_precision"
best = "recall_at_precision"
"""
SHORT = ("--set", "train.steps=3")


@pytest.fixture
def own(project: Path) -> Path:
    """A project with a recipe in `own` whose loss, head, optimizer and metric are the examples beside it."""
    tiny = (project / "tiny.toml").read_text()
    for split in ("train", "validation", "test"):
        tiny = tiny.replace(f'"{split}.jsonl"', f'"{project}/{split}.jsonl"')
    (project / "tiny.toml").write_text(tiny)
    (project / "own").mkdir()
    for name in ("bilstm.py", "parts.py"):
        shutil.copy(EXAMPLES / name, project / "own" / name)
    (project / "own/own.toml").write_text(ALL_PARTS)
    return project / "own"


def state(run: str) -> dict[str, bytes]:
    files = (Path(run, "last/model.safetensors"), Path(run, "last/state/optimizer.safetensors"))
    return {name: value.numpy().tobytes() for file in files for name, value in load_file(file).items()}


def test_it_trains_resumes_to_the_same_bits_evaluates_and_predicts(own: Path, ftcli: Ftcli) -> None:
    done = ftcli("train", "own/own.toml")
    assert done.code == 0, done.err
    assert "new weights: head.lstm, head.scores" in done.err
    assert "recall_at_precision" in done.err
    assert ftcli("train", "own/own.toml", "--run-dir", "stopped", "--set", "train.stop_after=4").code == 0
    assert ftcli("resume", "stopped").code == 0
    assert state("stopped") == state("run")
    assert any(name.startswith("mean/head.lstm") for name in state("run"))

    scored = ftcli("eval", "--ckpt", "run/best", "--json")
    assert scored.code == 0, scored.err
    best = json.loads(Path("run/metrics.json").read_text())["best"]
    assert best["metric"] == "recall_at_precision"
    assert json.loads(scored.out)["metrics"]["recall_at_precision"] == best["value"]
    predicted = ftcli("predict", "--ckpt", "run/best", "--input", "test.jsonl")
    assert predicted.code == 0, predicted.err
    assert predicted.out == Path("run/predictions/test.jsonl").read_text()


def test_a_checkpoint_remembers_its_modules_and_what_they_import_but_not_the_optimizers(
    own: Path, ftcli: Ftcli
) -> None:
    (own / "parts.py").rename(own / "steps.py")
    (own / "common.py").write_text("SIZE = 8\n")
    head = "import common\nfrom bilstm import BiLSTM\ndef head(config, outputs):\n"
    (own / "mine.py").write_text(f"{head}    return BiLSTM(config, outputs, size=common.SIZE)\n")
    model = 'head = "custom"\nhead_factory = "mine:head"'
    optimizer = 'kind = "custom"\nfactory = "steps:Lion"'
    Path("mine.toml").write_text(
        f"extends = 'tiny.toml'\n[run]\ncode = 'own'\n[model]\n{model}\n[optimizer]\n{optimizer}\n"
    )
    done = ftcli("train", "mine.toml", *SHORT)
    assert done.code == 0, done.err
    card = json.loads(Path("run/best/ftcli.json").read_text())
    assert [(each["module"], each["file"]) for each in card["code"]] == [
        (name, str(own / f"{name}.py")) for name in ("bilstm", "common", "mine")
    ]
    assert card["code_folder"] == str(own)
    (own / "common.py").write_text("SIZE = 9\n")
    assert "common.py" in refused(ftcli("eval", "--ckpt", "run/best"), 6)


def test_from_another_working_directory_and_on_two_processes(
    own: Path, ftcli: Ftcli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = spawn("train", own / "own.toml", *SHORT, ranks=2, cwd=elsewhere)
    assert done.code == 0, done.err
    saved = (elsewhere / "run/recipe.toml").read_text()
    assert f'code = "{own}"' in saved
    done = spawn("resume", "run", "--set", "train.steps=5", cwd=elsewhere)
    assert done.code == 0, done.err
    assert ftcli("predict", "--ckpt", elsewhere / "run/best", "--input", "test.jsonl").code == 0


def test_a_recipe_that_extends_one_looks_where_the_code_is_named(own: Path, ftcli: Ftcli) -> None:
    Path("mine.toml").write_text('extends = "own/own.toml"\n[train]\nsteps = 2\n')
    assert ftcli("train", "mine.toml").code == 0


def test_equal_names_in_two_folders_are_two_things_in_one_process(own: Path, ftcli: Ftcli) -> None:
    shutil.copytree(own, "other")
    other = Path("other/parts.py")
    other.write_text(other.read_text().replace("recall_at_precision", "recall_elsewhere"))
    recipe = Path("other/own.toml")
    recipe.write_text(recipe.read_text().replace("recall_at_precision", "recall_elsewhere"))
    for name, run, metric in (
        ("own", "a", "recall_at_precision"),
        ("other", "b", "recall_elsewhere"),
        ("own", "c", "recall_at_precision"),
    ):
        assert ftcli("train", f"{name}/own.toml", "--run-dir", run).code == 0
        assert json.loads(Path(run, "metrics.json").read_text())["best"]["metric"] == metric
    for run, metric in (("b", "recall_elsewhere"), ("a", "recall_at_precision")):
        scored = ftcli("eval", "--ckpt", f"{run}/best", "--json")
        assert metric in json.loads(scored.out)["metrics"]


def test_code_that_was_edited_between_two_runs_is_read_anew(own: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "own/own.toml", "--run-dir", "a", *SHORT).code == 0
    parts = own / "parts.py"
    parts.write_text(parts.read_text().replace("recall_at_precision", "renamed"))
    error = refused(ftcli("train", "own/own.toml", "--run-dir", "b", *SHORT), 2)
    assert "parts.py has no function or class `recall_at_precision`" in error


def test_rows_of_a_reader_of_ones_own_train_and_predict(own: Path, ftcli: Ftcli) -> None:
    for split in ("train", "validation", "test"):
        rows = [json.loads(line) for line in Path(f"{split}.jsonl").read_text().splitlines()]
        text = "\n\n".join("\n".join(f"{name}: {value}" for name, value in row.items()) for row in rows)
        Path(f"{split}.txt").write_text(text)
    tiny = Path("tiny.toml")
    tiny.write_text(tiny.read_text().replace(".jsonl", ".txt"))
    with (own / "own.toml").open("a") as file:
        file.write('[data]\nformat = { kind = "custom", factory = "parts:blocks" }\n')
    done = ftcli("train", "own/own.toml", *SHORT)
    assert done.code == 0, done.err
    assert len(Path("run/predictions/test.jsonl").read_text().splitlines()) == 11
    assert ftcli("predict", "--ckpt", "run/last", "--input", "test.jsonl").code == 0


def test_dry_run_tries_it(own: Path, ftcli: Ftcli) -> None:
    done = ftcli("train", "own/own.toml", "--dry-run")
    assert done.code == 0, done.err
    assert "head.scores" in done.out


@pytest.mark.slow
def test_prove_holds_and_its_ranks_find_the_code(own: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = spawn("prove", own / "own.toml", cwd=tmp_path_factory.mktemp("elsewhere"))
    assert done.code == 0, done.err + done.out
    assert "ranks with other weights" in done.out
    assert "FAILS" not in done.out


# Code that is no longer where, or what, it was


@pytest.fixture
def done(own: Path, ftcli: Ftcli) -> Path:
    assert ftcli("train", "own/own.toml", "--set", "train.stop_after=2").code == 0
    return own


@pytest.mark.parametrize("command", [("eval",), ("predict", "--input", "test.jsonl")], ids=lambda words: words[0])
def test_a_checkpoint_whose_code_is_gone_says_which_and_takes_it_from_elsewhere(
    done: Path, ftcli: Ftcli, command: tuple[str, ...]
) -> None:
    done.rename("moved")
    assert refused(ftcli(*command, "--ckpt", "run/last"), 6) == (
        f"error[checkpoint]: run/last needs code of its own, `bilstm`, which was in {done}/bilstm.py\n"
        "help: say where it is now: --code DIR\n"
    )
    assert ftcli(*command, "--ckpt", "run/last", "--code", "moved").code == 0
    assert refused(ftcli(*command, "--ckpt", "run/last", "--code", "nowhere"), 2) == (
        "error[usage]: --code nowhere: there is no such folder\n"
    )


def test_a_run_whose_code_is_gone_resumes_with_that_of_another_folder_and_stays_there(done: Path, ftcli: Ftcli) -> None:
    done.rename("moved")
    error = refused(ftcli("resume", "run"), 2)
    assert error.startswith(f"error[recipe]: there is no folder {done} to look for the recipe's code in\n")
    assert "--> run/recipe.toml:4" in error
    assert error.endswith("\nhelp: say where it is now: --code DIR\n")
    resumed = ftcli("resume", "run", "--code", "moved", "--set", "train.stop_after=2")
    assert resumed.code == 0, resumed.err
    assert "where the recipe's own code is looked for" in resumed.err
    assert f'code = "{done.parent}/moved"' in Path("run/recipe.toml").read_text()
    assert ftcli("resume", "run").code == 0


@pytest.mark.parametrize("command", [("eval",), ("predict", "--input", "test.jsonl")], ids=lambda words: words[0])
def test_a_checkpoint_whose_code_has_changed_wants_to_be_told_that_it_will_do(
    done: Path, ftcli: Ftcli, command: tuple[str, ...]
) -> None:
    (done / "bilstm.py").write_text((done / "bilstm.py").read_text() + "# a remark\n")
    assert refused(ftcli(*command, "--ckpt", "run/last"), 6) == (
        f"error[checkpoint]: the code that run/last needs has changed since it was trained: {done}/bilstm.py\n"
        f"help: say where it is as it was, or that it will do as it is: --code {done}\n"
    )
    assert ftcli(*command, "--ckpt", "run/last", "--code", done).code == 0


def test_resuming_with_changed_code_warns(done: Path, ftcli: Ftcli) -> None:
    (done / "bilstm.py").write_text((done / "bilstm.py").read_text() + "# a remark\n")
    resumed = ftcli("resume", "run")
    assert resumed.code == 0
    assert (
        f"warning: the code in {done}/bilstm.py has changed since step 2: steps from here on may not follow from it"
        in resumed.err
    )


# What goes wrong


MINE = """from torch import nn
import torch

class Head(nn.Module):
    def __init__(self, config, outputs, *, width=0, unused=False):
        super().__init__()
        self.scores = nn.Linear(config.hidden_size, width or outputs.size)
        if unused:
            self.spare = nn.Linear(2, 2)

    def forward(self, hidden, attention_mask):
        return self.scores(hidden[:, 0])

def nothing(config, outputs):
    return None

def failing(config, outputs):
    return nn.Linear(-1, 2)

class Stumbling(Head):
    def forward(self, hidden, attention_mask):
        return hidden @ attention_mask

def mean_loss(logits, labels):
    return logits.square().mean()

def no_metric(found, gold):
    return 0.5

def words(found, gold):
    return {"a": "good"}

class Counting(torch.optim.SGD):
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["count"] = self.state[parameter].get("count", 0) + 1

class Annealing(torch.optim.SGD):
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            group["momentum"] = 0.9

def no_optimizer(groups, *, lr):
    return lr

def no_task(facts, evaluate):
    return object()
"""
HEAD = "model.head_factory"
CASES: dict[str, tuple[str, str, list[str]]] = {
    "no module": (HEAD, "nowhere:Head", ["there is no Python module `nowhere`", "it was looked for in {own} first"]),
    "a file": (HEAD, "mine.py:Head", ["there is no Python module `mine.py`", "write the module without .py"]),
    "no such name": (HEAD, "mine:Heed", ["mine.py has no function or class `Heed`", "did you mean `mine:Head`?"]),
    "no address": (HEAD, "mine", ['`model.head_factory` = "mine" names no code', 'write "module:name"']),
    "no call": ("task.loss", "mine:torch", ["mine.py has no function or class `torch`"]),
    "no package": (
        HEAD,
        "needy:Head",
        ["needs `gone_for_good`, which is not there", "{own}/needy.py:2", "import gone_for_good"],
    ),
    "broken": (
        HEAD,
        "broken:Head",
        ["the code of `broken` fails: ZeroDivisionError: division by zero", "{own}/broken.py:3"],
    ),
    "no syntax": (
        HEAD,
        "garbled:Head",
        ["the code of `garbled` fails: SyntaxError", "{own}/garbled.py:2", "def head(:"],
    ),
    "taken": (HEAD, "json:loads", ["`json` is another module already", "call your module something else"]),
    "no option": ("model.head_options", "{widht=3}", ["`mine:Head` takes no option `widht`", "did you mean `width`?"]),
    "no module made": (HEAD, "mine:nothing", ["`mine:nothing` makes NoneType, which is no torch.nn.Module"]),
    "fails": (HEAD, "mine:failing", ["`mine:failing` fails: ", "{own}/mine.py:18", "return nn.Linear(-1, 2)"]),
    "stumbles": (
        HEAD,
        "mine:Stumbling",
        ["fails on a few made-up rows", "{own}/mine.py:22", "return hidden @ attention_mask"],
    ),
    "shape": (
        "model.head_options",
        "{width=3}",
        ["the head gives [4, 3] of hidden [4, 4, 16], where [4, 2] is wanted"],
    ),
    "unused": (
        "model.head_options",
        "{unused=true}",
        ["the loss does not depend on the head's parameter `spare.weight`"],
    ),
    "mean": (
        "task.loss",
        "mine:mean_loss",
        ["`task.loss` gives shape [], where one loss for each of 4 items is wanted"],
    ),
    "no dict": ("evaluate.factory", "mine:no_metric", ["`mine:no_metric` gives float, not metrics by name"]),
    "no number": ("evaluate.factory", "mine:words", ["`mine:words` gives str for `a`, not a number"]),
    "no metric": ("evaluate.best", "recal", ["there is no metric `recal`"]),
    "state": ("optimizer.factory", "mine:Counting", ["`mine:Counting` keeps `count`, which is int and no tensor"]),
    "group": ("optimizer.factory", "mine:Annealing", ["`mine:Annealing` changes `momentum` of a group"]),
    "no optimizer": ("optimizer.factory", "mine:no_optimizer", ["makes float, which is no torch optimizer"]),
    "optimizer option": (
        "optimizer.options",
        "{beta3=1.0}",
        ["`parts:Lion` takes no option `beta3`", "did you mean `beta2`?"],
    ),
    "no task": (
        "task",
        "{kind='custom', factory='mine:no_task'}",
        ["`mine:no_task` makes object, which lacks `outputs`"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_goes_wrong_is_told_before_anything_is_trained(own: Path, ftcli: Ftcli, case: str) -> None:
    (own / "mine.py").write_text(MINE)
    (own / "needy.py").write_text("import torch\nimport gone_for_good\n")
    (own / "broken.py").write_text("X = 1\n\nY = X / 0\n")
    (own / "garbled.py").write_text("X = 1\ndef head(:\n")
    (own / "json.py").write_text("def loads(config, outputs):\n    pass\n")
    (own / "own.toml").write_text(
        (own / "own.toml")
        .read_text()
        .replace("bilstm:BiLSTM", "mine:Head")
        .replace("{ size = 8 }", "{}")
        .replace("{ beta2 = 0.98 }", "{}")
    )
    key, value, expected = CASES[case]
    error = refused(ftcli("train", "own/own.toml", "--set", f"{key}={value}"), 2)
    assert error.startswith("error[recipe]: ")
    for text in expected:
        assert text.format(own=own) in error
    if "own/" not in error:
        assert f"--> --set {key}=" in error
    assert not Path("run").exists()


def test_it_is_told_at_the_recipes_line(own: Path, ftcli: Ftcli) -> None:
    (own / "own.toml").write_text(ALL_PARTS.replace("BiLSTM", "BiLTSM"))
    assert refused(ftcli("train", "own/own.toml"), 2) == (
        f"error[recipe]: {own}/bilstm.py has no function or class `BiLTSM`\n"
        " --> own/own.toml:9\n"
        "  |\n"
        '9 | head_factory = "bilstm:BiLTSM"\n'
        "  |                ^^^^^^^^^^^^^^^\n"
        "help: did you mean `bilstm:BiLSTM`?\n"
    )


def test_a_metric_that_fails_on_real_rows_costs_no_training(own: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "own/own.toml", "--run-dir", "whole").code == 0
    parts, sound = own / "parts.py", (own / "parts.py").read_text()
    failing = "    if len(gold) > 20:\n        raise ValueError('too many')\n"
    parts.write_text(sound.replace("    order = found", f"{failing}    order = found"))
    done = ftcli("train", "own/own.toml")
    line = next(n for n, text in enumerate(parts.read_text().splitlines(), start=1) if "too many" in text)
    assert done.code == 2
    assert "error[recipe]: `parts:recall_at_precision` fails: ValueError: too many" in done.err
    assert f"--> {parts}:{line}" in done.err
    assert "go on with: ftcli resume run" in done.err
    parts.write_text(sound)
    resumed = ftcli("resume", "run")
    assert resumed.code == 0, resumed.err
    assert "resuming from step 6" in resumed.err
    assert state("run") == state("whole")


WRONG_RATE = """
def wrong_rate(found, gold):
    return {"wrong_rate": float((found.argmax(1) != gold).float().mean())}
"""


def test_the_best_by_a_metric_of_ones_own_may_be_the_lowest(project: Path, ftcli: Ftcli) -> None:
    (project / "mine.py").write_text(WRONG_RATE)
    own = ("evaluate.factory=mine:wrong_rate", "evaluate.best=wrong_rate", "evaluate.every=1", "optimizer.lr=1e-2")
    given = [part for setting in own for part in ("--set", setting)]
    for better, chosen in (("lower", min), ("higher", max)):
        direction = ("--set", f"evaluate.better={better}", "--run-dir", better)
        done = ftcli("train", "tiny.toml", *given, *direction)
        assert done.code == 0, done.err
        events = [json.loads(line) for line in Path(better, "log.jsonl").read_text().splitlines()]
        scored = [each for each in events if each["event"] == "evaluated" and each["split"] == "validation"]
        rates = {each["step"]: each["metrics"]["wrong_rate"] for each in scored}
        assert len(set(rates.values())) > 1
        assert events[-1]["best"] == chosen(rates.values())


def test_what_else_goes_wrong_in_it_is_not_called_a_bug_of_ftcli(own: Path, ftcli: Ftcli) -> None:
    bilstm = own / "bilstm.py"
    bilstm.write_text(
        bilstm.read_text().replace("        lengths =", "        assert not self.training, 'no'\n        lengths =")
    )
    done = ftcli("train", "own/own.toml")
    assert done.code == 1
    assert f"error: AssertionError: no (in code of your own, {bilstm}:" in done.err


CONTRADICTIONS = {
    "not asked for": (
        'head = "custom"\n',
        "",
        "`model.head_factory` makes a head of your own, and it is not asked for",
    ),
    "smoothing": (
        "[task]\n",
        "[task]\nlabel_smoothing = 0.1\n",
        '`task.label_smoothing` shapes the loss that `task.loss` = "parts:robust" stands in for',
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_keys_that_would_be_void_are_refused(own: Path, ftcli: Ftcli, case: str) -> None:
    old, new, what = CONTRADICTIONS[case]
    (own / "own.toml").write_text(ALL_PARTS.replace(old, new))
    assert what in refused(ftcli("train", "own/own.toml"), 2)


def with_task(own: Path, task: str) -> None:
    """The tiny recipe with a task of one's own instead of all that is in `own.toml`."""
    (own / "own.toml").write_text(f'extends = "../tiny.toml"\n[task]\nkind = "custom"\n{task}\n')


def test_an_ordinal_task_trains_resumes_evaluates_and_predicts(own: Path, ftcli: Ftcli) -> None:
    with_task(own, 'factory = "parts:ordinal"')
    assert ftcli("train", "own/own.toml").code == 0
    assert ftcli("train", "own/own.toml", "--run-dir", "stopped", "--set", "train.stop_after=5").code == 0
    assert ftcli("resume", "stopped").code == 0
    assert state("stopped") == state("run")
    assert json.loads(Path("run/best/config.json").read_text())["id2label"] == {"0": "above no"}
    assert ftcli("eval", "--ckpt", "run/best").code == 0
    predicted = ftcli("predict", "--ckpt", "run/best", "--input", "test.jsonl")
    assert {json.loads(line)["label"] for line in predicted.out.splitlines()} <= {"no", "yes"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (".sum()", "`loss` of the task gives [4], where [] is wanted: the sum over the batch's items"),
        ("return Inference(logits, ", "`infer` of the task gives [4], where [4, 1] is wanted: scores [items, outputs]"),
    ],
)
def test_what_a_task_gives_is_checked_before_it_trains(own: Path, ftcli: Ftcli, change: str, what: str) -> None:
    parts, to = own / "parts.py", {".sum()": ""}.get(change, "return Inference(logits[:, 0], ")
    text = parts.read_text().replace('reduction="sum")', 'reduction="none").sum()').replace(change, to)
    parts.write_text(
        text.replace("_with_logits(at_least_single(logits)", "_with_logits(at_least_single(logits[:, :1])")
    )
    with_task(own, 'factory = "parts:ordinal"')
    error = refused(ftcli("train", "own/own.toml"), 2)
    assert what.replace("[4],", "[4, 1],") in error if change == ".sum()" else what in error


def test_the_example_recipe_trains_and_resumes_to_the_same_bits(
    ftcli: Ftcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words, from another working directory; only the model is a tiny one."""
    monkeypatch.chdir(tmp_path)
    model = make_model(tmp_path / "model", layers=6)
    tiny = ("--set", f"model.path={model}", "--set", "train.steps=4", "--set", "evaluate.every=2")
    assert ftcli("train", EXAMPLES / "bilstm.toml", *tiny).code == 0
    assert ftcli("train", EXAMPLES / "bilstm.toml", *tiny, "--run-dir", "cut", "--set", "train.stop_after=1").code == 0
    assert ftcli("resume", "cut").code == 0
    assert state("cut") == state("run")
    scored = ftcli("eval", "--ckpt", "run/best", "--split", "test", "--json")
    assert "f1_strict" in json.loads(scored.out)["metrics"]
    predicted = ftcli("predict", "--ckpt", "run/best", "--input", "data/demo-orders/test.jsonl")
    for line in predicted.out.splitlines():
        row = json.loads(line)
        assert len(row["tags"]) == len(row["tokens"])
