"""The token store: a prepared data set's splits as token ids, memory-mapped, so that their size never fills the memory.

A store is keyed by a hash of the rows, the tokenizer and the options it was made with, so a stale one is never read.
The tokenizer comes in as a function: this layer knows no transformers.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson
import torch
from torch import Tensor

from ftcli.data.dataset import Prepared
from ftcli.data.mapped import MappedFiles
from ftcli.data.targets import LabelFacts, targets_of
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import DataError
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.ahead import ahead
from ftcli.runtime.encoding import EncodeRows, Fields
from ftcli.runtime.files import sweep, sync_to_disk, write_json
from ftcli.spec.card import Split

_FORMAT_VERSION = 2
_ROWS_AT_ONCE = 2048
_COUNTED = ("num_unknown", "num_pieces")
_OFFSETS = ("offsets", "row_offsets", "item_offsets")
"""Arrays whose numbers go on from the chunk before."""


@dataclass(frozen=True)
class TokenStore:
    """A prepared data set's splits as token ids."""

    folder: Path
    splits: dict[str, TokenizedSplit]


def label_facts(prepared: Prepared) -> LabelFacts:
    """What turns the rows' labels into numbers."""
    facts = prepared.facts
    return LabelFacts(facts.task, facts.columns.label, tuple(facts.labels), facts.tag_scheme, facts.columns.text)


def token_key(prepared: Prepared, *, fingerprint: str) -> str:
    """What a store is found by: a hash of rows, labels, columns, and how they are encoded."""
    parts = (_FORMAT_VERSION, prepared.facts.rows_sha256, fingerprint)
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]


def tokenize(prepared: Prepared, *, encode: EncodeRows, fingerprint: str) -> Working[TokenStore]:
    """Open the token store of a prepared data set, making it first if there is none that is whole.

    Args:
        prepared: The rows.
        encode: What makes token ids of them.
        fingerprint: Stands for all that `encode` does: the tokenizer and every option.

    Raises:
        DataError: the store can't be written.
    """
    folder = prepared.folder / "tokens" / token_key(prepared, fingerprint=fingerprint)
    store = _opened(folder)
    if store is None:
        try:
            yield from _make(prepared, folder, encode)
        except OSError as error:
            raise DataError(f"can't write the token store {folder}: {error}") from error
    return store or open_tokens(folder)


def _make(prepared: Prepared, folder: Path, encode: EncodeRows) -> Generator[Activity]:
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
    except (OSError, ValueError, KeyError):  # of a file that is too short, a ValueError
        return None


def open_tokens(folder: Path) -> TokenStore:
    """Map a token store into memory."""
    meta: dict[str, Any] = orjson.loads((folder / "meta.json").read_bytes())
    return TokenStore(folder, {split: _open_split(folder, split, facts) for split, facts in meta["splits"].items()})


def _open_split(folder: Path, split: str, facts: dict[str, Any]) -> TokenizedSplit:
    mapped = MappedFiles()
    arrays = {
        name: mapped.open(folder / f"{split}.{name}", torch.Size(array["shape"]), getattr(torch, array["dtype"]))
        for name, array in facts["arrays"].items()
    }
    return TokenizedSplit(
        ids=arrays["ids"],
        type_ids=arrays.get("type_ids"),
        offsets=arrays["offsets"],
        labels=arrays["labels"],
        is_labelled=facts["is_labelled"],
        length_counts={int(length): count for length, count in facts["length_counts"].items()},
        row_offsets=arrays.get("row_offsets"),
        item_offsets=arrays.get("item_offsets"),
        positions=arrays.get("positions"),
        mapped=mapped,
        **{name: facts[name] for name in _COUNTED},
    )


def _write(prepared: Prepared, partial: Path, encode: EncodeRows) -> Generator[Activity]:
    splits: dict[Split, dict[str, Any]] = {}
    for split in prepared.facts.splits:
        splits[split] = yield from _write_split(prepared, split, partial, encode)
    for path in partial.iterdir():
        sync_to_disk(path)
    write_json(partial / "meta.json", {"format_version": _FORMAT_VERSION, "splits": splits})


@dataclass
class _Array:
    """A tensor that grows in a file."""

    file: IO[bytes]
    length: int = 0
    last: int = 0
    tail: list[int] = field(default_factory=list[int])
    dtype: str = ""

    def append(self, values: Tensor) -> None:
        self.file.write(values.contiguous().numpy().tobytes())
        self.length += len(values)
        self.tail, self.dtype = list(values.shape[1:]), str(values.dtype).removeprefix("torch.")

    def append_offsets(self, offsets: Tensor) -> None:
        """Offsets of a chunk of its own, which go on from those of the chunk before."""
        self.append((offsets if self.length == 0 else offsets[1:]) + self.last)
        self.last += int(offsets[-1])

    def described(self) -> dict[str, Any]:
        return {"shape": [self.length, *self.tail], "dtype": self.dtype}


def _write_split(prepared: Prepared, split: Split, partial: Path, encode: EncodeRows) -> Working[dict[str, Any]]:
    facts, total, rows = label_facts(prepared), prepared.facts.splits[split].rows, 0
    lengths, counted, is_labelled = Counter[int](), Counter[str](), False
    arrays: dict[str, _Array] = {}
    with ExitStack() as stack:
        parts = (TokenizedSplit.of(encode(chunk), targets_of(chunk, facts)) for chunk in _chunks(prepared.rows(split)))
        for part in stack.enter_context(closing(ahead(parts))):
            for name, values in _arrays_of(part).items():
                if name not in arrays:
                    arrays[name] = _Array(stack.enter_context((partial / f"{split}.{name}").open("wb")))
                (arrays[name].append_offsets if name in _OFFSETS else arrays[name].append)(values)
            lengths.update(part.length_counts)
            counted.update({name: getattr(part, name) for name in _COUNTED})
            is_labelled, rows = part.is_labelled, rows + part.num_rows
            yield Activity(f"tokenize {split}", rows, total)
    return {
        "arrays": {name: array.described() for name, array in arrays.items()},
        "is_labelled": is_labelled,
        "length_counts": {str(length): count for length, count in sorted(lengths.items())},
        **{name: counted[name] for name in _COUNTED},
    }


def _arrays_of(part: TokenizedSplit) -> dict[str, Tensor]:
    names = ("ids", "type_ids", "offsets", "labels", "row_offsets", "item_offsets", "positions")
    found: dict[str, Tensor | None] = {name: getattr(part, name) for name in names}
    return {name: values for name, values in found.items() if values is not None}


def _chunks(rows: Iterable[Fields]) -> Iterator[list[Fields]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _ROWS_AT_ONCE)):
        yield chunk
