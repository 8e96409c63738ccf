"""What tests share: a tiny encoder made on the spot, small data, and the command line as a function."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

# A shell starts what is to run in the background deaf to Ctrl-C, which processes that are started here would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

WORDS = [
    *("how", "do", "i", "close", "my", "card", "account", "where", "is", "the", "parcel", "can", "you", "change"),
    *("address", "refund", "order", "late", "open", "new", "what", "when", "payment", "failed", "twice", "hotel"),
    *("room", "flight", "seat", "cancel", "booking", "price", "lower", "help", "please", "today", "tomorrow"),
]
COLUMNS = 'columns = { text = "a", pair = "b", label = "label" }'


@dataclass(frozen=True)
class Result:
    """What a command line gave."""

    code: int
    out: str
    err: str


def make_model(folder: Path, *, layers: int = 3, dropout: float = 0.1, seed: int = 0) -> Path:
    """A BERT encoder of a few thousand weights with a word-level tokenizer, as a folder of plain transformers."""
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def make_rows(count: int, *, seed: int, labels: Sequence[str] = ("no", "yes")) -> list[dict[str, str]]:
    """Pairs of word salad of uneven length; the label says whether the pair shares its first word."""
    rng = random.Random(seed)
    rows: list[dict[str, str]] = []
    for number in range(count):
        a = rng.choices(WORDS, k=rng.randint(1, 12))
        b = rng.choices(WORDS, k=rng.randint(1, 12))
        label = number % len(labels)
        b[0] = a[0] if label == len(labels) - 1 else rng.choice([word for word in WORDS if word != a[0]])
        rows.append({"a": " ".join(a), "b": " ".join(b), "label": labels[label]})
    return rows


def write_rows(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def large_model(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A model whose weights, 80 MB, stand out from what a process takes anyway."""
    folder = tmp_path_factory.mktemp("large")
    shutil.copytree(model_folder, folder, dirs_exist_ok=True)
    small = json.loads((model_folder / "config.json").read_text())
    sizes = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 8, "num_attention_heads": 6}
    BertModel(BertConfig(**{**small, **sizes, "vocab_size": 16_000})).save_pretrained(folder)
    return folder


def make_project(folder: Path, model_folder: Path) -> Path:
    """Data and a recipe, `tiny.toml`, that trains in about a second."""
    write_rows(folder / "train.jsonl", make_rows(45, seed=1))
    write_rows(folder / "validation.jsonl", make_rows(21, seed=2))
    write_rows(folder / "test.jsonl", make_rows(11, seed=3))
    (folder / "tiny.toml").write_text(
        f"""
[data]
train = "train.jsonl"
validation = "validation.jsonl"
test = "test.jsonl"
{COLUMNS}
max_length = 32
[model]
path = "{model_folder}"
[optimizer]
lr = 1e-3
[batch]
size = 8
micro_size = 4
[train]
epochs = 2
[log]
every = 1
report = false
[precision]
kind = "fp32"
"""
    )
    return folder


@pytest.fixture
def project(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data and `tiny.toml`."""
    monkeypatch.chdir(tmp_path)
    return make_project(tmp_path, model_folder)


Ftcli = Callable[..., Result]


@pytest.fixture
def ftcli(capfd: pytest.CaptureFixture[str]) -> Ftcli:
    """The command line in this process: `ftcli("train", "tiny.toml")`."""
    from ftcli.cli.main import run

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
    *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"),
)


def run_torchrun(*arguments: object, cwd: Path, timeout_seconds: float = 240) -> Result:
    """A script of one's own in two processes, which can import the tests."""
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [*TORCHRUN, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_seconds, cwd=cwd, check=False, env=environment
    )
    return Result(done.returncode, done.stdout, done.stderr)


def spawn(*arguments: object, ranks: int = 1, timeout_seconds: float = 240, cwd: Path | None = None) -> Result:
    """The command line in processes of its own, under torchrun where there are several ranks."""
    launcher = [sys.executable, "-m", "ftcli"]
    if ranks > 1:
        rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
        launcher = [*torchrun, *rendezvous, "-m", "ftcli"]
    done = subprocess.run(
        [*launcher, *map(str, arguments)], capture_output=True, text=True, timeout=timeout_seconds, cwd=cwd, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)
