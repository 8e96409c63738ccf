"""From what predictions are made: all that would make others of them if it changed, by names that a user knows.

The device and the size of a batch are none of it: they change no more than the last digits.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ftcli import __version__
from ftcli.data.readers import ending_of
from ftcli.flows.inputs import Input
from ftcli.flows.outputs import Output
from ftcli.flows.partfile import Facts
from ftcli.runtime.codefiles import code_digests
from ftcli.runtime.files import sha256_of
from ftcli.runtime.manifest import MANIFEST, read_manifest
from ftcli.spec.probabilities import Probabilities
from ftcli.train.card import ModelCard


def facts_of(checkpoint: Path, card: ModelCard, source: Input, output: Output, asked: Probabilities) -> Facts | None:
    """The facts of predictions; None where a command can't go on with what another has left.

    Args:
        checkpoint: The checkpoint or exported folder.
        card: Its card; the code that it needs has been found.
        source: The input; a file is read once for its hash.
        output: Where predictions go.
        asked: Which probabilities are told.
    """
    if not (output.is_file and source.can_be_read_again):
        return None
    return {
        "the input": [sha256_of(Path(source.path)), ending_of(source.path)],
        "the checkpoint": _digest_of(checkpoint),
        "the checkpoint's code": code_digests(card.code),
        "the version of ftcli": __version__,
        "--format": source.format.kind,
        "--delimiter": source.format.delimiter,
        "--scheme": source.scheme,
        "--text": source.text,
        "--pair": source.pair,
        "--keep-going": source.keep_going,
        "--output-format": output.form,
        "--output-delimiter": output.delimiter,
        "--proba": asked.every,
        "--top-k": asked.top_k,
    }


def _digest_of(folder: Path) -> str:
    """What tells a checkpoint from any other: its manifest's hash, or of an export that of all files together."""
    if (folder / MANIFEST).is_file():
        return read_manifest(folder).manifest["sha256"]
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    listed = "".join(f"{sha256_of(folder / name)} {name}\n" for name in names)
    return hashlib.sha256(listed.encode()).hexdigest()
