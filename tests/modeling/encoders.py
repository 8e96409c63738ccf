"""Tiny encoders of several architectures, made on the spot."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModel, BertConfig, DistilBertConfig, PreTrainedConfig, RobertaConfig

ARCHITECTURES = ("bert", "roberta", "distilbert")
VOCABULARY = 50


def make_config(architecture: str) -> PreTrainedConfig:
    """A config of two layers that reads 30 tokens."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    if architecture == "bert":
        return BertConfig(vocab_size=VOCABULARY, max_position_embeddings=30, **sizes)
    if architecture == "roberta":
        return RobertaConfig(vocab_size=VOCABULARY, max_position_embeddings=32, pad_token_id=1, **sizes)
    return DistilBertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=30, dim=16, n_layers=2, n_heads=2, hidden_dim=32
    )


def make_encoder(folder: Path, architecture: str, *, dtype: torch.dtype = torch.float32) -> Path:
    """A pretrained encoder, as far as its files can tell."""
    torch.manual_seed(7)
    AutoModel.from_config(make_config(architecture)).to(dtype).save_pretrained(folder)
    return folder


def make_inputs(lengths: list[int], *, pad_id: int) -> dict[str, torch.Tensor]:
    """Random rows of these lengths, padded to the longest."""
    generator = torch.Generator().manual_seed(3)
    longest = max(lengths)
    ids = torch.randint(5, VOCABULARY, (len(lengths), longest), generator=generator)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return {"input_ids": ids.masked_fill(~mask, pad_id), "attention_mask": mask.long()}
