"""A few lines of Python that use an exported folder without ftcli, and answer as `ftcli predict` does."""

from __future__ import annotations

from ftcli.flows.exporting.formats import ExportFormat
from ftcli.spec.choices import ClassificationTask, CustomTask, card_task
from ftcli.train.card import ModelCard

_CARD = 'card = json.loads(Path("FOLDER/ftcli.json").read_text(encoding="utf-8"))'
_FITTED = 'fitted = card["calibration"] or {"temperature": 1, "thresholds": {}}  # by ftcli eval --calibrate'
_CUT_WORDS = """words = ["...", "..."]
names = json.loads(Path("FOLDER/tokenizer_config.json").read_text(encoding="utf-8"))
unknown = tokenizer.token_to_id(names.get("unk_token") or names["pad_token"])
first, last = tokenizer.encode("").ids
cut = [tokenizer.encode(f" {word}", add_special_tokens=False) for word in words]
kept = [[id for id, token in zip(each.ids, each.tokens) if token.strip("▁Ġ")] or [unknown] for each in cut]
positions = [1 + sum(map(len, kept[:number])) for number in range(len(kept))]
ids = [first, *sum(kept, []), last]"""
"""Each word is cut by itself, as in training; one that vanishes is unknown."""
_GIVEN = (
    'given = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids), '
    '"positions": positions}'
)
_SHOW_TAGS = """for word, tag in zip(words, tags):
    print(word, card["labels"][tag])"""


def usage(format: ExportFormat, card: ModelCard) -> str:
    """The example of a format, in a block of code."""
    by_word = card_task(card.task) == "tagging"
    match format:
        case "hf":
            lines = _words_by_transformers(card) if by_word else _texts_by_transformers(card)
        case "pt2":
            lines = _words_by_torch(card) if by_word else _texts_by_torch(card)
        case _:
            lines = _by_onnxruntime(_of_words() if by_word else _of_texts(card))
    return f"```python\n{lines.strip()}\n```\n"


def _rows(card: ModelCard) -> str:
    """Rows to answer; the other order of symmetric pairs comes after them."""
    rows = 'rows = [("...", "...")]' if card.columns.pair else 'rows = ["..."]'
    return f"{rows}\nrows += [(second, first) for first, second in rows]" if _symmetric(card) else rows


def _symmetric(card: ModelCard) -> bool:
    return getattr(card.task, "symmetric", False)


def _answers(card: ModelCard) -> str:
    """The lines that turn `logits` into what `ftcli predict` tells; what a custom task makes of them is its own."""
    if isinstance(card.task, CustomTask):
        return 'print(card["labels"], logits)'
    match card_task(card.task):
        case "regression":
            return f"for row in {_mean_of_orders('logits', card)}:\n    print(round(float(row[0]), 4))"
        case "multilabel":
            return _of_each_label(card)
        case _:
            return _likeliest_label(card)


def _likeliest_label(card: ModelCard) -> str:
    """Of two labels the last one, from its threshold on."""
    threshold = 'fitted["thresholds"].get(card["labels"][1], 0.5)'
    chosen = f"int(row[1] >= {threshold})" if len(card.labels) == 2 else "row.argmax()"
    return f"""{_FITTED}
scores = np.exp(logits.astype(float) / fitted["temperature"])
for row in {_mean_of_orders("scores / scores.sum(1, keepdims=True)", card)}:
    chosen = {chosen}
    print(card["labels"][chosen], round(float(row[chosen]), 4))"""


def _of_each_label(card: ModelCard) -> str:
    by_label = isinstance(card.task, ClassificationTask) and isinstance(card.task.threshold, dict)
    own = 'card["task"]["threshold"]' if by_label else 'dict.fromkeys(card["labels"], card["task"]["threshold"])'
    found = _mean_of_orders('1 / (1 + np.exp(-logits.astype(float) / fitted["temperature"]))', card)
    return f"""{_FITTED}
thresholds = {own} | fitted["thresholds"]
for row in {found}:
    found = dict(zip(card["labels"], row.round(4).tolist()))
    print([label for label, value in zip(card["labels"], row) if value >= thresholds.get(label, 0.5)], found)"""


def _mean_of_orders(values: str, card: ModelCard) -> str:
    return f"({values}).reshape(2, -1, {len(card.labels) or 1}).mean(0)" if _symmetric(card) else values


def _texts_by_transformers(card: ModelCard) -> str:
    model_class = "AutoModelForSequenceClassification"
    imports = f"import numpy as np\nfrom transformers import {model_class}, AutoTokenizer"
    return _texts(card, imports, f'{model_class}.from_pretrained("FOLDER")', "model(**inputs).logits")


def _texts_by_torch(card: ModelCard) -> str:
    imports = "import numpy as np\nimport torch\nfrom transformers import AutoTokenizer"
    return _texts(card, imports, 'torch.export.load("FOLDER/model.pt2").module()', "model(**inputs)")


def _texts(card: ModelCard, imports: str, model: str, logits: str) -> str:
    """What torch runs, on what transformers' tokenizers make of texts."""
    texts = "*map(list, zip(*rows))" if card.columns.pair else "rows"
    return f"""
import json
from pathlib import Path

{imports}

{_CARD}
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = {model}
{_rows(card)}
how = {{"truncation": True, "max_length": card["max_length"], "padding": True, "return_tensors": "pt"}}
inputs = tokenizer({texts}, **how)
logits = {logits}.detach().float().numpy()
{_answers(card)}
"""


def _words_by_transformers(card: ModelCard) -> str:
    model_class = "AutoModelForTokenClassification"
    read = f"""model = {model_class}.from_pretrained("FOLDER")
{_CUT_WORDS}
logits = model(torch.tensor([ids])).logits[:, positions]"""
    return _words(card, f"import torch\nfrom tokenizers import Tokenizer\nfrom transformers import {model_class}", read)


def _words_by_torch(card: ModelCard) -> str:
    read = f"""program = torch.export.load("FOLDER/model.pt2")
{_CUT_WORDS}
{_GIVEN}
logits = program.module()(**{{name: torch.tensor([given[name]]) for name in program.graph_signature.user_inputs}})"""
    return _words(card, "import torch\nfrom tokenizers import Tokenizer", read)


def _words(card: ModelCard, imports: str, read: str) -> str:
    """What torch runs, on words, each with its likeliest tag."""
    chain = "  # without the chain of tags of the CRF" if card.head == "crf" else ""
    return f"""
import json
from pathlib import Path

{imports}

{_CARD}
tokenizer = Tokenizer.from_file("FOLDER/tokenizer.json")
{read}
tags = logits[0].argmax(-1){chain}
{_SHOW_TAGS}
"""


def _by_onnxruntime(lines: str) -> str:
    return f"""
import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

{_CARD}
tokenizer = Tokenizer.from_file("FOLDER/tokenizer.json")
model = onnxruntime.InferenceSession("FOLDER/model.onnx")
{lines}
"""


def _of_texts(card: ModelCard) -> str:
    return f"""{_rows(card)}
tokenizer.enable_truncation(card["max_length"])
tokenizer.enable_padding()
found = tokenizer.encode_batch(rows)
fields = {{"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}}
given = {{each.name: [getattr(row, fields[each.name]) for row in found] for each in model.get_inputs()}}
(logits,) = model.run(["logits"], {{name: np.array(values) for name, values in given.items()}})
{_answers(card)}"""


def _of_words() -> str:
    return f"""{_CUT_WORDS}
{_GIVEN}
((tags,),) = model.run(["tags"], {{each.name: np.array([given[each.name]]) for each in model.get_inputs()}})
{_SHOW_TAGS}"""
