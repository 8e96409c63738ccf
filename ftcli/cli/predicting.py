"""`ftcli predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console

from ftcli.cli.following import follow, loading
from ftcli.cli.live import open_screen
from ftcli.cli.options import BatchSize, Checkpoint, Code, Debug, Delimiter, Device, FileFormat, TagScheme
from ftcli.cli.starting import delimiter_of, existing, format_of, scheme_of
from ftcli.errors import UsageError
from ftcli.flows.checks import check_predict
from ftcli.flows.inputs import Input
from ftcli.flows.outputs import Output
from ftcli.flows.partfile import part_of
from ftcli.flows.writing import OutputFormat
from ftcli.runtime.interrupt import exit_code_for
from ftcli.spec.probabilities import Probabilities
from ftcli.spec.wording import counted

if TYPE_CHECKING:
    from ftcli.flows.predict import Prediction  # which loads torch

_FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
_Format = Annotated[
    str | None, typer.Option(metavar="FORMAT", help="jsonl, csv, tsv or conll; by the output's ending otherwise.")
]
_OutputDelimiter = Annotated[
    str | None, typer.Option(metavar="CHAR", help="What parts the cells of the output's table, if not , or tab.")
]
_Proba = Annotated[
    bool, typer.Option("--proba", help="Tell every label's probability; of taggers that of each word's tag.")
]
_Restart = Annotated[
    bool, typer.Option("--restart", help="Begin the output anew, whatever a stopped command has left of it.")
]
_TopK = Annotated[
    int | None, typer.Option(min=1, metavar="K", help="Tell the K likeliest labels, with their probabilities.")
]


def predict(
    ckpt: Checkpoint,
    source: Annotated[str, typer.Option("--input", metavar="FILE|-", help="The rows; - reads standard input.")],
    output: Annotated[
        str, typer.Option(metavar="FILE|-", help="Where predictions go; - is standard output, .gz compresses.")
    ] = "-",
    output_format: _Format = None,
    output_delimiter: _OutputDelimiter = None,
    proba: _Proba = False,
    top_k: _TopK = None,
    format: FileFormat = "auto",
    delimiter: Delimiter = None,
    scheme: TagScheme = None,
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="The input's name for the text column.")] = None,
    pair: Annotated[str | None, typer.Option(metavar="COLUMN", help="The input's name for the second text.")] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Give bad rows an `error` field and go on.")] = False,
    restart: _Restart = False,
    device: Device = "auto",
    batch_size: BatchSize = None,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Label rows: the same rows in the same order, with what the model says of each.

    Added are `label` and `probability`; where rows have several labels, `labels` and `probabilities`; in regression
    `value`; in tagging `tags` and `entities`; under a custom task what it answers. A file that was left unfinished is
    gone on with by the same command.
    """
    rows = Input(source, format_of(format, delimiter), scheme_of(scheme), text, pair, keep_going)
    told = delimiter_of("--output-delimiter", output_delimiter)
    destination = Output(output, _format_of(output_format), told, restart)
    asked, folder = Probabilities(proba, top_k), existing(code)
    check_predict(ckpt, rows, destination, asked, device=device)
    with loading():
        from ftcli.flows.predict import predict as flow

    with open_screen(is_main=True) as screen:
        work = flow(
            ckpt, source=rows, output=destination, asked=asked, device=device, batch_size=batch_size, code=folder
        )
        done = follow(work, screen)
    _tell(done, rows, destination)
    if done.signal:
        raise typer.Exit(exit_code_for(done.signal))


def _format_of(name: str | None) -> OutputFormat | None:
    """The output's format, from the command line's word.

    Raises:
        UsageError: there is no such format.
    """
    found: OutputFormat | None = next((each for each in _FORMATS if each == name), None)
    if found is None and name is not None:
        what = f"--output-format {name}: there is no such format"
        raise UsageError(what, hint=f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}")
    return found


def _tell(done: Prediction, source: Input, output: Output) -> None:
    """Say what is not as it is ever: rows already there or could not be read, and how to go on."""
    total, lines = done.num_rows + done.num_errors, list[str]()
    if done.num_before:
        lines.append(f"went on behind {counted(done.num_before)} already there")
    if done.num_errors:
        lines.append(f"{done.num_errors:,} of {counted(total)} could not be read")
    if done.signal:
        lines.append(f"stopped by a signal: {counted(total)} {_how_to_go_on(total, source, output)}")
    for line in lines:
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)


def _how_to_go_on(rows: int, source: Input, output: Output) -> str:
    if not output.is_file:
        return "written"
    if not part_of(output.path).exists():
        return "written; the same command begins anew"
    place = f"in {part_of(output.path)}"
    if not source.can_be_read_again:
        return f"{place}; {source.name} can't be read again, so the same command begins anew"
    return f"{place}; the same command goes on from there"
