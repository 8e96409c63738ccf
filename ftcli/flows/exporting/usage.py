"""A few lines of Python that use an exported folder without ftcli."""

from __future__ import annotations

from ftcli.flows.exporting.formats import ExportFormat
from ftcli.spec.choices import card_task
from ftcli.train.snapshot import ModelCard


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
    names, arguments = _texts(card)
    by_word = card_task(card.task) == "tagging"
    if by_word:
        names, arguments = 'words = ["...", "..."]', "words, is_pretokenized=True"
    more = (
        "\npositions = [found.word_ids.index(number) for number in range(len(words))]  # of each word's first piece"
        '\ninputs["positions"] = np.array([positions])'
        if by_word
        else ""
    )
    last = (
        'print([card["labels"][tag] for tag in model.run(["tags"], inputs)[0][0]])'
        if by_word
        else 'print(card["labels"], model.run(["logits"], inputs)[0])'
    )
    return f"""
import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

card = json.load(open("FOLDER/ftcli.json"))
tokenizer = Tokenizer.from_file("FOLDER/tokenizer.json")
tokenizer.enable_truncation(card["max_length"])
model = onnxruntime.InferenceSession("FOLDER/model.onnx")
{names}
found = tokenizer.encode({arguments})
given = {{"input_ids": found.ids, "attention_mask": found.attention_mask, "token_type_ids": found.type_ids}}
inputs = {{each.name: np.array([given[each.name]]) for each in model.get_inputs() if each.name in given}}{more}
{last}
"""
