"""A transformers Trainer for one experiment: its data, its model, its arguments, and what is watched of it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging

from tests.benchmarks.experiments import RATE, STEP_ROWS, flat_gradient

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Watcher(TrainerCallback):
    """Notes where a run begins and the gradient of its latest step, and calls `at_step` after each."""

    def __init__(self) -> None:
        self.from_step: int | None = None
        self.gradient: Tensor | None = None
        self.at_step: Callable[[int], None] = lambda _step: None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.from_step = state.global_step

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, model: nn.Module, **kwargs: Any) -> None:
        self.gradient = flat_gradient(model)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.at_step(state.global_step)


def build(
    folder: Path,
    name: str = "one-step",
    *,
    rows: Sequence[dict[str, str]] = STEP_ROWS,
    of_tokens: bool = False,
    dropout: bool = False,
    **arguments: Any,
) -> tuple[Trainer, Watcher]:
    """A Trainer that classifies pairs, or their tokens, and writes to a folder of that name."""
    watcher = Watcher()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "model")
    trainer = Trainer(
        _model(folder / "model", of_tokens=of_tokens, dropout=dropout),
        TrainingArguments(**{**_defaults(), "output_dir": str(folder / "trainer" / name), **arguments}),
        train_dataset=encoded(tokenizer, rows, of_tokens=of_tokens),
        data_collator=(DataCollatorForTokenClassification if of_tokens else DataCollatorWithPadding)(tokenizer),
        processing_class=tokenizer,
        callbacks=[watcher],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer, watcher


def _defaults() -> dict[str, Any]:
    return {
        "learning_rate": RATE,
        "num_train_epochs": 2,
        "max_grad_norm": 1e9,  # the norm is logged only where there is a bound
        "logging_steps": 1,
        "save_steps": 4,
        "save_strategy": "no",
        "use_cpu": True,
        "ddp_backend": "gloo" if "RANK" in os.environ else None,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "report_to": "none",
    }


def _model(path: Path, *, of_tokens: bool, dropout: bool) -> PreTrainedModel:
    kind = BertForTokenClassification if of_tokens else BertForSequenceClassification
    torch.manual_seed(0)
    return kind.from_pretrained(path, num_labels=4 if of_tokens else 2, **({} if dropout else NO_DROPOUT))


def encoded(
    tokenizer: PreTrainedTokenizerFast, rows: Sequence[dict[str, str]], *, of_tokens: bool = False
) -> list[dict[str, Any]]:
    """The rows as the Trainer takes them: token ids, and a label for the row or for its tokens."""
    return [_encoded_row(tokenizer, row, of_tokens=of_tokens) for row in rows]


def _encoded_row(tokenizer: PreTrainedTokenizerFast, row: dict[str, str], *, of_tokens: bool) -> dict[str, Any]:
    """Of a row labelled "yes" all tokens count, of any other only the first."""
    inputs = dict(tokenizer(row["a"], row["b"]))
    label = int(row["label"] == "yes")
    tokens = [number % 4 if label or place == 0 else -100 for place, number in enumerate(inputs["input_ids"])]
    return {**inputs, "labels": tokens if of_tokens else label}


def quieten() -> None:
    """Keep transformers' progress bars and messages off the screen."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collects every warning, be it raised or logged."""
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    transformers_logging.set_verbosity_warning()
    transformers_logging.disable_default_handler()
    transformers_logging.add_handler(handler)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        yield messages
    transformers_logging.remove_handler(handler)
    transformers_logging.enable_default_handler()
    transformers_logging.set_verbosity_error()
    messages += [str(warning.message) for warning in raised]
