"""Where predictions go, and in which form."""

from __future__ import annotations

import gzip
import sys
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import IO, cast

from ftcli.errors import UsageError
from ftcli.flows.inputs import STANDARD
from ftcli.flows.predictions import OutputFormat

FORMATS: dict[str, OutputFormat] = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    **dict.fromkeys((".conll", ".bio", ".bioes", ".txt"), "conll"),
}


def check_output(output: str) -> None:
    """Make sure that a file can be written there.

    Raises:
        UsageError: it can't.
    """
    path = Path(output)
    if output != STANDARD and not path.parent.is_dir():
        raise UsageError(f"the output's folder does not exist: {path.parent}")
    if output != STANDARD and path.is_dir():
        raise UsageError(f"the output {path} is a folder", hint="name a file in it")


def format_of(output: str) -> OutputFormat:
    """The format that an output's ending stands for; JSON lines on standard output.

    Raises:
        UsageError: the ending is unknown.
    """
    if output == STANDARD:
        return "jsonl"
    ending = PurePath(output.lower().removesuffix(".gz")).suffix
    if ending not in FORMATS:
        hint = f"endings that are known: {', '.join(FORMATS)}, each also with .gz; or say --output-format"
        raise UsageError(f"can't tell the format of the output `{output}` from its ending", hint=hint)
    return FORMATS[ending]


def open_output(output: str, stack: ExitStack) -> IO[bytes]:
    """Standard output, or a file that takes its name only when all went well."""
    if output == STANDARD:
        stack.callback(sys.stdout.buffer.flush)
        return sys.stdout.buffer
    path = Path(output)
    partial = path.with_name(f".{path.name}.partial")
    file = stack.enter_context(partial.open("wb"))
    # Neither a name nor a time goes into the compressed file, so that equal rows make equal files.
    packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.suffix.lower() == ".gz" else None

    def settle(error: type[BaseException] | None, *_: object) -> None:
        if packed is not None:
            packed.close()
        file.close()
        if error is None:
            partial.replace(path)
        else:
            partial.unlink()

    stack.push(settle)
    return file if packed is None else cast("IO[bytes]", packed)
