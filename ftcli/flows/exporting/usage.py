"""A few lines of Python that use an exported folder without ftcli."""

from __future__ import annotations

from ftcli.flows.exporting.formats import ExportFormat
from ftcli.spec.choices import card_task
from ftcli.train.card import ModelCard


def usage(format: ExportFormat, card: ModelCard) -> str:
    """The example of a format, in a block of code."""
    match format:
        case "hf":
            lines = _by_transformers(card)
        case "pt2":
            lines = _by_torch(card)
        case _:
            lines = _by_onnxruntime(card)
    return f"```python\n{lines.strip()}\n```\n"


def _texts(card: ModelCard) -> tuple[str, str]:
    """Example texts, and how they are handed on."""
    return ('first, second = "...", "..."', "first, second") if card.columns.pair else ('text = "..."', "text")


def _by_transformers(card: ModelCard) -> str:
    by_word = card_task(card.task) == "tagging"
    model_class = f"AutoModelFor{'Token' if by_word else 'Sequence'}Classification"
    names, arguments = _texts(card)
    return f"""
from transformers import {model_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = {model_class}.from_pretrained("FOLDER")
{names}
inputs = tokenizer({arguments}, truncation=True, max_length={card.max_length}, return_tensors="pt")
{_answer(card)}
"""


def _answer(card: ModelCard) -> str:
    """The line of Python that shows what a model says."""
    match card_task(card.task):
        case "regression":
            return "print(model(**inputs).logits.item())"
        case "multilabel":
            return "print(dict(zip(model.config.id2label.values(), model(**inputs).logits.sigmoid()[0].tolist())))"
        case "tagging":
            return "print([model.config.id2label[tag.item()] for tag in model(**inputs).logits[0].argmax(-1)])"
        case _:
            return "print(model.config.id2label[model(**inputs).logits.argmax(-1).item()])"


def _by_torch(card: ModelCard) -> str:
    names, arguments = _texts(card)
    positions = (
        '\ninputs["positions"] = torch.tensor([[1, 2]])  # where in the sequence each word has its first piece'
        if card_task(card.task) == "tagging"
        else ""
    )
    return f"""
import torch
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = torch.export.load("FOLDER/model.pt2").module()
{names}
inputs = tokenizer({arguments}, truncation=True, max_length={card.max_length}, return_tensors="pt"){positions}
print(model(**inputs))  # logits
"""


def _by_onnxruntime(card: ModelCard) -> str:
    return f"""
import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

card = json.load(open("FOLDER/ftcli.json", encoding="utf-8"))
tokenizer = Tokenizer.from_file("FOLDER/tokenizer.json")
tokenizer.enable_truncation(card["max_length"])
model = onnxruntime.InferenceSession("FOLDER/model.onnx")
{_of_words() if card_task(card.task) == "tagging" else _of_texts(card)}
"""


def _of_texts(card: ModelCard) -> str:
    names, arguments = _texts(card)
    return f"""{names}
found = tokenizer.encode({arguments})
given = {{"input_ids": found.ids, "attention_mask": found.attention_mask, "token_type_ids": found.type_ids}}
inputs = {{each.name: np.array([given[each.name]]) for each in model.get_inputs()}}
print(card["labels"], model.run(["logits"], inputs)[0])"""


def _of_words() -> str:
    """Each word is cut by itself, as in training."""
    return """words = ["...", "..."]
first, last = tokenizer.encode("").ids
ids, positions = [first], []
for word in words:
    positions.append(len(ids))
    found = tokenizer.encode(f" {word}", add_special_tokens=False)
    ids += [number for number, token in zip(found.ids, found.tokens) if token.strip("▁Ġ")]
ids.append(last)
given = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids), "positions": positions}
inputs = {each.name: np.array([given[each.name]]) for each in model.get_inputs()}
print([card["labels"][tag] for tag in model.run(["tags"], inputs)[0][0]])"""
