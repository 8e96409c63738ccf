"""What benchmarks work on: rows, an encoder, and the recipe that trains it on them."""

from __future__ import annotations

import csv
import json
import math
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

Row = dict[str, str]
SOURCES = ("generated", "afqmc", "mrpc")
BATCH = 32
MAX_LENGTH = 128
_CHARACTERS = [chr(0x4E00 + number) for number in range(3000)]
_MEDIAN_LENGTH, _LENGTH_SPREAD = 25, 0.36
"""Characters of both texts of a pair of AFQMC: half have at most 25, one in a hundred more than 64."""


@dataclass(frozen=True)
class Material:
    """Rows in `train.jsonl` (sentence1, sentence2, label), an encoder, and a recipe in the same folder."""

    folder: Path
    num_rows: int
    model: str
    model_name: str
    device: str = "cpu"

    @cached_property
    def rows(self) -> list[Row]:
        """All rows, read when they are first asked for: of very many, no memory holds them."""
        with self.train_file.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    @property
    def train_file(self) -> Path:
        return self.folder / "train.jsonl"

    @property
    def recipe(self) -> Path:
        return self.folder / "speed.toml"

    @property
    def data_root(self) -> Path:
        """Where ftcli keeps what it prepares."""
        return self.folder / "data"


def gather(folder: Path, source: str, *, rows: int, layers: int = 6, size: int = 384, device: str = "cpu") -> Material:
    """Lay out rows, encoder and recipe in a folder.

    Args:
        folder: Where to.
        source: One of `SOURCES`.
        rows: How many.
        layers: The depth of the encoder, where it is made.
        size: Its width.
        device: What is trained on: a CPU in fp32, a GPU in bf16.

    Raises:
        LookupError: real rows are wanted, and no environment variable says where they are.
    """
    found = stream_rows(rows) if source == "generated" else islice(_real_rows(source), rows)
    real_model = None if source == "generated" else os.environ.get("FTCLI_REAL_MODEL")
    model = real_model or make_encoder(folder / "encoder", layers=layers, size=size)
    name = Path(real_model).name if real_model else f"a BERT of {layers} layers of {size}, made on the spot"
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        num_rows = sum(file.write(json.dumps(row, ensure_ascii=False) + "\n") > 0 for row in found)
    material = Material(folder, num_rows, str(model), name, device)
    material.recipe.write_text(
        f"""
[run]
device = "{device}"
[data]
train = "{material.train_file}"
columns = {{ text = "sentence1", pair = "sentence2", label = "label" }}
root = "{material.data_root}"
max_length = {MAX_LENGTH}
[model]
path = "{model}"
[batch]
size = {BATCH}
[precision]
kind = "{"fp32" if device == "cpu" else "bf16"}"
[evaluate]
every = "never"
[checkpoint]
every = "never"
"""
    )
    return material


def stream_rows(count: int, seed: int = 0) -> Iterator[Row]:
    """Pairs of made-up Chinese texts, as long as AFQMC's, one after another; their labels follow from nothing."""
    rng = random.Random(seed)
    for _ in range(count):
        length = min(157, max(10, round(_MEDIAN_LENGTH * math.exp(rng.gauss(0, _LENGTH_SPREAD)))))
        text = "".join(rng.choices(_CHARACTERS, k=length))
        cut = round(length * rng.uniform(0.35, 0.65))
        yield {"sentence1": text[:cut], "sentence2": text[cut:], "label": rng.choice("01")}


def _real_rows(source: str) -> Iterator[Row]:
    root = os.environ.get("FTCLI_REAL_DATA")
    if root is None:
        raise LookupError(f"{source} needs FTCLI_REAL_DATA, the folder that {source}/ is in")
    path = Path(root) / source / {"afqmc": "train.json", "mrpc": "msr_paraphrase_train.txt"}[source]
    if not path.is_file():
        raise LookupError(f"{source} needs {path}, which is not there")
    with path.open(encoding="utf-8-sig", newline="") as file:
        if source == "afqmc":
            yield from map(json.loads, file)
        else:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield {"sentence1": row["#1 String"], "sentence2": row["#2 String"], "label": row["Quality"]}


def make_encoder(folder: Path, *, layers: int, size: int) -> Path:
    """A randomly initialised BERT whose WordPiece vocabulary is the generated rows' characters."""
    import torch  # `startup` and `memory` use the rest of this module in a process without torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {token: number for number, token in enumerate([*special, *_CHARACTERS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{token[1:-1].lower()}_token": token for token in special},
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=size,
        num_hidden_layers=layers,
        num_attention_heads=max(1, size // 32),
        intermediate_size=4 * size,
        max_position_embeddings=MAX_LENGTH,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
