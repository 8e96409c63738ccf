"""Tokenizers of three kinds, trained on the spot on a few sentences."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

KINDS = ("wordpiece", "bytes", "unigram")
SENTENCES = [
    "the quick brown fox jumps over the lazy dog and does not look back",
    "unbelievable happenings in the neighbourhood of San Francisco on Monday",
    "a bank account with a card that was lost, found and lost again in 2024",
    "中国 人民 银行 在 北京 的 总部 发布 了 新 规定",
] * 3


def make_tokenizer(folder: Path, kind: str) -> Path:
    """A tokenizer with the pre-tokenizing, the marks and the special tokens of BERT, RoBERTa or XLM-R."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if kind == "wordpiece" else ["<pad>", "<unk>", "<s>", "</s>"]
    pad, unknown, begin, end = specials
    tokenizer, trainer = _parts(kind, specials)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    marks = [(name, tokenizer.token_to_id(name)) for name in (begin, end)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", pair=f"{begin} $A {end} $B:1 {end}:1", special_tokens=marks
    )
    inputs = ["input_ids", *(["token_type_ids"] if kind == "wordpiece" else []), "attention_mask"]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=unknown,
        pad_token=pad,
        cls_token=begin,
        sep_token=end,
        model_input_names=inputs,
    )
    fast.save_pretrained(folder)
    return folder


def _parts(kind: str, specials: list[str]) -> tuple[Tokenizer, trainers.Trainer]:
    unknown = specials[1]
    match kind:
        case "wordpiece":
            tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))  # pyright: ignore[reportCallIssue]
            tokenizer.normalizer = normalizers.BertNormalizer()
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            return tokenizer, trainers.WordPieceTrainer(vocab_size=150, special_tokens=specials, show_progress=False)
        case "bytes":
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            return tokenizer, trainers.BpeTrainer(
                vocab_size=400, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
            )
        case _:
            tokenizer = Tokenizer(models.Unigram())
            tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
            return tokenizer, trainers.UnigramTrainer(
                vocab_size=120, special_tokens=specials, unk_token=unknown, show_progress=False
            )
