"""The token store: a prepared data set as the model reads it, memory-mapped, so its size never fills the memory.

Rows lie one behind the other, unpadded. A store is keyed by a hash of the rows, the tokenizer and the options it was
made with, so a stale one is never read. The tokenizer comes in as a function: this layer knows no transformers.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import orjson
import torch
from torch import Tensor

from ftcli.data.dataset import Prepared
from ftcli.data.readers import label_text
from ftcli.errors import DataError
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.encoding import Encode, Encoded
from ftcli.runtime.files import sweep, sync_to_disk, write_json
from ftcli.spec.card import Split

_FORMAT_VERSION = 2
_ROWS_AT_ONCE = 2048
UNLABELLED = -1


@dataclass(frozen=True)
class TokenizedSplit:
    """One split of a token store. `labels` are label numbers, UNLABELLED where a row has none."""

    ids: Tensor
    type_ids: Tensor | None
    offsets: Tensor
    labels: Tensor
    length_counts: dict[int, int]
    num_unknown: int = 0
    num_pieces: int = 0

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(self.labels)

    @property
    def lengths(self) -> Tensor:
        """Tokens of each row, int64 [num_rows]."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def is_labelled(self) -> bool:
        """Whether the rows carry labels; a split has them all or none."""
        return int(self.labels[0]) != UNLABELLED

    @classmethod
    def of(cls, encoded: Encoded, labels: list[int]) -> TokenizedSplit:
        """A split in memory."""
        lengths = torch.tensor([len(row) for row in encoded.ids], dtype=torch.int64)
        types = encoded.type_ids
        return cls(
            ids=torch.tensor(list(chain.from_iterable(encoded.ids)), dtype=torch.int32),
            type_ids=torch.tensor(list(chain.from_iterable(types)), dtype=torch.uint8) if types is not None else None,
            offsets=torch.cat((torch.zeros(1, dtype=torch.int64), lengths.cumsum(0))),
            labels=torch.tensor(labels, dtype=torch.int64),
            length_counts=dict(Counter(encoded.full_lengths)),
            num_unknown=encoded.num_unknown,
            num_pieces=encoded.num_pieces,
        )

    def gather(self, rows: Tensor, *, pad_id: int) -> dict[str, Tensor]:
        """Rows padded to the longest: input_ids, attention_mask and perhaps token_type_ids, int64 [rows, length]."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        steps = torch.arange(int(lengths.max()))
        mask = steps < lengths[:, None]
        places = (starts[:, None] + steps).clamp_(max=len(self.ids) - 1)
        inputs = {"input_ids": self.ids[places].long().masked_fill_(~mask, pad_id), "attention_mask": mask.long()}
        if self.type_ids is not None:
            inputs["token_type_ids"] = self.type_ids[places].long().masked_fill_(~mask, 0)
        return inputs


@dataclass(frozen=True)
class TokenStore:
    """A prepared data set's splits as token ids."""

    folder: Path
    splits: dict[str, TokenizedSplit]


def token_key(prepared: Prepared, *, fingerprint: str, max_length: int) -> str:
    """What a store is found by: a hash of rows, labels, columns, tokenizer and options."""
    parts = (_FORMAT_VERSION, prepared.facts.rows_sha256, fingerprint, max_length)
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]


def tokenize(prepared: Prepared, *, encode: Encode, fingerprint: str, max_length: int) -> Working[TokenStore]:
    """Open the token store of a prepared data set, making it first if there is none that is whole.

    Raises:
        DataError: the store can't be written.
    """
    folder = prepared.folder / "tokens" / token_key(prepared, fingerprint=fingerprint, max_length=max_length)
    store = _opened(folder)
    if store is None:
        try:
            yield from _make(prepared, folder, encode)
        except OSError as error:
            raise DataError(f"can't write the token store {folder}: {error}") from error
    return store or open_tokens(folder)


def _make(prepared: Prepared, folder: Path, encode: Encode) -> Generator[Activity]:
    """Write a store where no one else does, then give it its name; if another process was faster, its store stays."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent, f".{folder.name}.*")
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        partial = Path(scratch) / folder.name  # the scratch folder itself is closed to other users
        partial.mkdir()
        yield from _write(prepared, partial, encode)
        try:
            partial.rename(folder)
        except OSError:
            if _opened(folder) is None:
                raise


def _opened(folder: Path) -> TokenStore | None:
    try:
        return open_tokens(folder)
    except (OSError, RuntimeError, ValueError, KeyError):  # torch raises RuntimeError where a file is too short
        return None


def open_tokens(folder: Path) -> TokenStore:
    """Map a token store into memory."""
    meta: dict[str, Any] = orjson.loads((folder / "meta.json").read_bytes())
    return TokenStore(folder, {split: _open_split(folder, split, facts) for split, facts in meta["splits"].items()})


def _open_split(folder: Path, split: str, facts: dict[str, Any]) -> TokenizedSplit:
    def mapped(name: str, size: int, dtype: torch.dtype) -> Tensor:
        return torch.from_file(str(folder / f"{split}.{name}"), shared=False, size=size, dtype=dtype)

    rows, tokens = cast("int", facts["rows"]), cast("int", facts["tokens"])
    return TokenizedSplit(
        ids=mapped("ids", tokens, torch.int32),
        type_ids=mapped("types", tokens, torch.uint8) if facts["has_types"] else None,
        offsets=mapped("offsets", rows + 1, torch.int64),
        labels=mapped("labels", rows, torch.int64),
        length_counts={int(length): count for length, count in facts["length_counts"].items()},
        num_unknown=facts["num_unknown"],
        num_pieces=facts["num_pieces"],
    )


def _write(prepared: Prepared, partial: Path, encode: Encode) -> Generator[Activity]:
    splits: dict[Split, dict[str, Any]] = {}
    for split in prepared.facts.splits:
        splits[split] = yield from _write_split(prepared, split, partial, encode)
    for path in partial.iterdir():
        sync_to_disk(path)
    write_json(partial / "meta.json", {"format_version": _FORMAT_VERSION, "splits": splits})


def _write_split(prepared: Prepared, split: Split, partial: Path, encode: Encode) -> Working[dict[str, Any]]:
    total = prepared.facts.splits[split].rows
    rows = tokens = unknown = pieces = 0
    has_types = False
    counts: Counter[int] = Counter()
    with ExitStack() as stack:
        names = ("ids", "types", "offsets", "labels")
        files = {name: stack.enter_context((partial / f"{split}.{name}").open("wb")) for name in names}
        files["offsets"].write(_raw(torch.zeros(1, dtype=torch.int64)))
        for chunk in _chunks(prepared.rows(split)):
            encoded = _encode(chunk, prepared, encode)
            part = TokenizedSplit.of(encoded, _labels(chunk, prepared))
            files["ids"].write(_raw(part.ids))
            files["offsets"].write(_raw(part.offsets[1:] + tokens))
            files["labels"].write(_raw(part.labels))
            if part.type_ids is not None:
                has_types = True
                files["types"].write(_raw(part.type_ids))
            rows, tokens = rows + len(chunk), tokens + len(part.ids)
            counts.update(encoded.full_lengths)
            unknown, pieces = unknown + encoded.num_unknown, pieces + encoded.num_pieces
            yield Activity(f"tokenize {split}", rows, total)
    lengths_found = {str(length): count for length, count in sorted(counts.items())}
    numbers = {"rows": rows, "tokens": tokens, "num_unknown": unknown, "num_pieces": pieces}
    return {**numbers, "has_types": has_types, "length_counts": lengths_found}


def _raw(values: Tensor) -> bytes:
    return values.numpy().tobytes()


def _chunks(rows: Iterable[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _ROWS_AT_ONCE)):
        yield chunk


def _encode(chunk: list[dict[str, object]], prepared: Prepared, encode: Encode) -> Encoded:
    columns = prepared.facts.columns
    texts = [str(row[columns.text]) for row in chunk]
    return encode(texts, [str(row[columns.pair]) for row in chunk] if columns.pair else None)


def _labels(chunk: list[dict[str, object]], prepared: Prepared) -> list[int]:
    numbers = {label: number for number, label in enumerate(prepared.facts.labels)}
    column = prepared.facts.columns.label
    texts = (label_text(row.get(column)) if column else None for row in chunk)
    return [UNLABELLED if text is None else numbers[text] for text in texts]
