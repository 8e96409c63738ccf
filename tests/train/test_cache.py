"""Whether a frozen prefix is stored is decided by what it saves, what it costs, and the room there is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.freezing import FreezePlan, Stage
from ftcli.modeling.prefix import find_prefix
from ftcli.runtime.encoding import Encoded
from ftcli.spec.sections import EvaluateSection, FreezeSection
from ftcli.train.cache import Decision, decide, passes_of, tried_inputs
from ftcli.train.progress import Due, Limits


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def split_of(rows: int) -> TokenizedSplit:
    ids = [[5, 6, 7, 8]] * rows
    return TokenizedSplit.of(Encoded(ids, None, [4] * rows), None)


def decided(folder: Path, *, passes: dict[str, float], frozen_layers: int = 3, **section: str) -> Decision:
    config = BertConfig(
        vocab_size=20, hidden_size=64, num_hidden_layers=4, num_attention_heads=2, intermediate_size=256
    )
    model = AutoModelForSequenceClassification.from_config(config).eval()
    for name, parameter in model.bert.named_parameters():
        layer = next((int(part) for part in name.split(".") if part.isdigit()), -1)
        parameter.requires_grad_("pooler" in name or layer >= frozen_layers)
    splits = {"train": split_of(30), "validation": split_of(10)}
    inputs = tried_inputs(splits["train"], 0, torch.device("cpu"))
    chosen = FreezeSection.model_validate(section)
    return decide(chosen, find_prefix(model), model, splits, passes=passes, tokens=folder, inputs=inputs)


OFTEN = {"train": 3.0, "validation": 3.0}


def test_what_is_read_often_is_stored_and_what_is_not_is_not(tmp_path: Path) -> None:
    found = decided(tmp_path, passes={"train": 3.0, "validation": 1.0})
    assert found.splits == ("train",)
    [place] = re.findall("cached in (.+/prefix/[0-9a-f]{16}) ", found.reason)
    assert found.reason == (
        f"the output of the 3 frozen layers is computed once and cached in {place} (0.0307 MB); passes to come: train 3"
    )
    seldom = decided(tmp_path, passes={"train": 1.0, "validation": 1.0})
    assert seldom.splits == ()
    assert seldom.reason.endswith("too seldom for it to pay (passes to come: train 1, validation 1)")


def test_a_recipe_can_ask_for_it_and_do_without(tmp_path: Path) -> None:
    once = {"train": 1.0, "validation": 0.0}
    assert decided(tmp_path, passes=once, cache="disk").splits == ("train",)
    assert decided(tmp_path, passes=once, cache="memory").splits == ("train",)
    assert decided(tmp_path, passes=OFTEN, cache="off") == Decision(())


def test_nothing_to_store_is_worth_a_word_only_where_it_was_asked_for(tmp_path: Path) -> None:
    assert decided(tmp_path, passes=OFTEN, frozen_layers=0) == Decision(())
    asked = decided(tmp_path, passes=OFTEN, frozen_layers=0, cache="disk")
    assert asked == Decision((), "nothing is cached: the first layer is trained")


def test_half_of_the_free_disk_is_the_most_that_is_taken_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 40 * 4 * 64 * 4
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2 * needed - 1))
    assert "of disk are free" in decided(tmp_path, passes=OFTEN).reason
    assert decided(tmp_path, passes=OFTEN).splits == ()
    assert decided(tmp_path, passes=OFTEN, cache="disk").splits == ("train", "validation")
    assert decided(tmp_path, passes=OFTEN, cache_dtype="bf16").splits == ("train", "validation")


def test_passes_are_counted_up_to_the_next_stage() -> None:
    limits = Limits(100, 20, 100, log=Due(1.0), evaluate=Due(10.0), save=Due(None))
    stages = FreezePlan((Stage(0, frozenset("a"), ""), Stage(40, frozenset("ab"), "")))
    plain = EvaluateSection()
    assert passes_of((), limits, stages, plain, stage=0, step=0) == {"train": 2, "validation": 4}
    assert passes_of((), limits, stages, plain, stage=1, step=40) == {"train": 3, "validation": 6}
    both = EvaluateSection(train_metrics=True, at_start=True)
    assert passes_of((), limits, stages, both, stage=0, step=0) == {"train": 6, "validation": 5}
