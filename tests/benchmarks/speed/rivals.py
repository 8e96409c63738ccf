"""The other side: transformers' Trainer, as it comes and at its best, and the plain PyTorch loop one would write."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from ftcli.modeling.places import resolve_path
from tests.benchmarks.speed.clock import now
from tests.benchmarks.speed.material import BATCH, MAX_LENGTH, Material

RATE = 2e-5
BEST = {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused"}
"""What makes a Trainer fastest: batches of rows of like length, and the fused optimizer."""


class Rival:
    """Others' ways to train on the material. Rows are tokenised once, and their time is not counted.

    What matches a pattern of `frozen` is not trained.
    """

    def __init__(self, material: Material, frozen: Sequence[str] = ()) -> None:
        self._path = resolve_path(material.model)
        self._rows = material.rows
        self._folder = material.folder / "trainer"
        self._frozen = frozen
        self._device = torch.device(material.device)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(self._path)

    @cached_property
    def encoded(self) -> list[dict[str, Any]]:
        """The rows as both take them: token ids and a label."""
        texts = [[row[name] for row in self._rows] for name in ("sentence1", "sentence2")]
        found = self.tokenizer(*texts, truncation=True, max_length=MAX_LENGTH)
        return [
            {"labels": int(row["label"]), **{name: values[number] for name, values in found.items()}}
            for number, row in enumerate(self._rows)
        ]

    def trainer(self, *callbacks: TrainerCallback, **arguments: Any) -> Trainer:
        """A Trainer with its defaults but for what keeps it silent, saving nothing, and on the right device."""
        on_cpu = self._device.type == "cpu"
        quiet: dict[str, Any] = {
            "use_cpu": on_cpu,
            "bf16": not on_cpu,
            "dataloader_pin_memory": not on_cpu,
            "disable_tqdm": True,
            "report_to": "none",
        }
        place = {"output_dir": str(self._folder), "per_device_train_batch_size": BATCH}
        settings: dict[str, Any] = {**place, **quiet, "save_strategy": "no", "learning_rate": RATE, **arguments}
        trainer = Trainer(
            self.model(),
            TrainingArguments(**settings),
            train_dataset=self.encoded,  # pyright: ignore[reportArgumentType] - it takes any sequence
            data_collator=DataCollatorWithPadding(self.tokenizer),
            processing_class=self.tokenizer,
            callbacks=list(callbacks),
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def trainer_seconds(self, epochs: float, **arguments: Any) -> float:
        """Seconds of `Trainer.train`."""
        trainer = self.trainer(num_train_epochs=epochs, **arguments)
        started = now()
        trainer.train()
        return now() - started

    def loop_seconds(self, epochs: int, *, by_length: bool) -> float:
        """Seconds of a plain loop: padded to the longest of a batch, fused AdamW, gradients clipped as Trainer does."""
        device, collate = self._device, DataCollatorWithPadding(self.tokenizer)
        model = self.model().to(device)  # pyright: ignore[reportArgumentType] - transformers' `to` is typed loosely
        half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type != "cpu")
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        started = now()
        optimizer = torch.optim.AdamW(trained, lr=RATE, fused=True)
        model.train()
        for epoch in range(epochs):
            for batch in _batches(self.encoded, seed=epoch, by_length=by_length):
                with half:
                    loss = model(**collate([self.encoded[row] for row in batch]).to(device)).loss
                loss.backward()
                nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return now() - started

    def model(self) -> PreTrainedModel:
        """The model before any step."""
        torch.manual_seed(0)
        kind: Any = AutoModelForSequenceClassification  # whose models are typed in part
        model: PreTrainedModel = kind.from_pretrained(self._path, num_labels=2, dtype=torch.float32)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not any(re.search(pattern, name) for pattern in self._frozen))
        return model


def _batches(encoded: Sequence[dict[str, Any]], *, seed: int, by_length: bool) -> list[list[int]]:
    """The rows of each batch of an epoch: at random, or batches of like length in random order."""
    rng = random.Random(seed)
    rows = rng.sample(range(len(encoded)), len(encoded))
    if by_length:
        rows.sort(key=lambda row: len(encoded[row]["input_ids"]))
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    rng.shuffle(batches)
    return batches


class UntilFirstStep(TrainerCallback):
    """Ends training after one step, and notes when that was."""

    at = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.at = now()
        control.should_training_stop = True


def saving_at(folder: Path, step: int) -> dict[str, Any]:
    """The arguments of a Trainer that saves after a step."""
    return {"output_dir": str(folder), "save_strategy": "steps", "save_steps": step, "max_steps": step}
