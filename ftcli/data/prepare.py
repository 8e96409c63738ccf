"""From source files to a prepared folder: every row is read once, checked, written, counted and examined.

What grows with the rows are four bytes of each to find repeated ones by, and some more where rows are held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from ftcli.data.archives import Origin
from ftcli.data.checks import CheckedRow, RowCheck, Rules, check_columns
from ftcli.data.conll import field_columns
from ftcli.data.dataset import DATASET_FILE, DatasetFile, Prepared, SourceFacts, SplitFacts, hash_card, hash_rows
from ftcli.data.dealing import dealer
from ftcli.data.doctor import examine
from ftcli.data.doctor.register import SourceLines
from ftcli.data.files import DataFile, find_files
from ftcli.data.findings import Finding
from ftcli.data.profile import Profiler
from ftcli.data.readers import TABLES, BadRow, Row, ending_of, file_kind, read_rows
from ftcli.data.report import write_report
from ftcli.data.scratch import ScratchNumbers
from ftcli.data.tagging import find_scheme
from ftcli.data.tags import tag_list
from ftcli.data.tally import BadRowTally, Tally
from ftcli.data.writing import SplitWriter, check_replaceable, new_folder, rows_file, split_writer
from ftcli.errors import DataError, Location, RecipeError
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.files import write_json
from ftcli.spec.card import Columns, DataCard, Reading, Split, in_order

ROWS_PER_ACTIVITY = 2000


@dataclass(slots=True)
class _Work:
    """What one preparation has in its hands."""

    card: DataCard
    scratch: Path
    files: ExitStack
    bad_rows: BadRowTally
    downloads: Path
    rules: Rules
    profiler: Profiler = field(default_factory=Profiler)
    repairs: Tally = field(default_factory=Tally)
    writers: dict[Split, SplitWriter] = field(default_factory=dict["Split", SplitWriter])
    sources: dict[Split, SourceLines] = field(default_factory=dict["Split", SourceLines])
    findings: list[Finding] = field(default_factory=list[Finding])

    def keep(self, split: Split, row: CheckedRow, *, file: DataFile) -> None:
        """Write and count a row."""
        self.writers[split].write(row.fields)
        self.sources[split].lines.append(row.line)
        answer = row.fields.get(self.card.columns.label or "")
        number = cast("float", answer) if self.card.task == "regression" and row.labels is not None else None
        self.profiler.add(split, texts=row.texts, labels=row.labels, num_words=row.num_words, number=number)
        if row.mended is not None:
            self.repairs.add(Location(file.name, row.mended.line), row.mended.reason, split=split)

    def columns_of(self, file: DataFile) -> Columns:
        """What the fields of a file's rows are called that hold text and label."""
        columns = self.card.columns
        return field_columns(columns) if file_kind(self.card.format, name=file.name) == "conll" else columns


def prepare(
    card: DataCard,
    *,
    folder: Path,
    card_folder: Path,
    source: str | None,
    downloads: Path,
    max_bad_rows: int = 0,
) -> Working[Prepared]:
    """Read, check and write every split of a data set into `folder`, which is replaced once all is well.

    Args:
        card: What the data set is and where its files are.
        folder: Where the prepared data set goes.
        card_folder: What the card's paths are relative to.
        source: A folder, archive, file or URL to take the files from instead.
        downloads: Where downloads are kept.
        max_bad_rows: How many rows, over all splits, may be left out because they can't be used.

    Raises:
        DataError: A file can't be had or read, or a row can't be used, with file and line.
        RecipeError: The card doesn't say which column is the label.
    """
    if card.columns.label is None and card.task != "custom":
        what = f"the data set `{card.name}` needs columns.label"
        hint = 'name the column that holds the label: columns = { text = "...", label = "..." }'
        raise RecipeError(what, hint=hint, key=("data", "columns", "label"))
    try:
        check_replaceable(folder.resolve())
        files, origins = yield from find_files(card, card_folder=card_folder, source=source, downloads=downloads)
        with new_folder(folder) as scratch, ExitStack() as scratch_files:
            work = _Work(card, scratch, scratch_files, BadRowTally(max_bad_rows), downloads, Rules.of(card))
            for split in in_order(files):
                yield from _read_split(work, split, file=files[split])
            work.rules.names.check_replaced()
            facts = yield from _write_facts(work, files=[f.name for f in files.values()], origins=origins)
    except OSError as error:
        raise DataError(f"{error.strerror or error}: {error.filename or folder}") from None
    return Prepared(folder, facts)


def _read_split(work: _Work, split: Split, *, file: DataFile) -> Working[None]:
    """Read one file into one split, or into several where the card holds rows out of train."""
    if split == "train":
        _settle_scheme(work, file=file)
    check = RowCheck(split, work.columns_of(file), work.rules)
    shares = work.card.held_out if split == "train" else {}
    splits: tuple[Split, ...] = (split, *shares)
    with ExitStack() as stack:
        for name in splits:
            path = work.scratch / rows_file(name)
            work.sources[name] = SourceLines(file.name, ScratchNumbers(work.scratch, work.files))
            work.writers[name] = stack.enter_context(split_writer(path, source=Path(file.name).name))
        if shares:
            yield from _read_and_deal(work, check, shares, file=file)
        else:
            yield from _read_rows(work, check, file=file, take=lambda row: work.keep(split, row, file=file))
    for name in splits:
        if not work.writers[name].rows:
            key = "holdout" if name == "validation" else "test_holdout"
            why = f" ({key} = {shares[name]})" if name in shares else ""
            hint = "hold out more" if name in shares else "is it the right file?"
            hint += "" if name == "train" else ", or leave the split out"
            raise DataError(f"no row for the {name} split{why}", where=Location(file.name), hint=hint)
    if split == "train":
        work.rules.names.settle(column=work.card.columns.label)
        _check_variety(work, file=file)


def _read_and_deal(work: _Work, check: RowCheck, shares: Mapping[Split, float], *, file: DataFile) -> Working[None]:
    with dealer(work.card, work.scratch) as aside:

        def put_aside(row: CheckedRow) -> None:
            aside.add(row, work.rules.written or check.columns)

        yield from _read_rows(work, check, file=file, take=put_aside)
        dealt = yield from aside.deal(shares)
        for split, row in aside.rows(dealt):
            work.keep(split, row, file=file)
    work.findings += dealt.findings


def _settle_scheme(work: _Work, *, file: DataFile) -> None:
    """Find out in which scheme tags are written, where the card leaves it open."""
    card = work.card
    if card.task == "tagging" and card.tags.scheme == "auto":
        with file.open() as stream:
            work.rules.scheme = find_scheme(_rows_of(work, stream, file=file), work.columns_of(file))


def _read_rows(work: _Work, check: RowCheck, *, file: DataFile, take: Callable[[CheckedRow], None]) -> Working[None]:
    columns_checked = False
    with file.open() as stream:
        for number, row in enumerate(_rows_of(work, stream, file=file)):
            if number % ROWS_PER_ACTIVITY == 0:
                yield Activity(f"read {check.split}", stream.tell(), file.size, "bytes")
            if isinstance(row, Row) and not columns_checked:
                _check_columns(work.card, row, check=check, file=file)
                columns_checked = True
            result = check.check(row) if isinstance(row, Row) else row
            if isinstance(result, CheckedRow):
                take(result)
            else:
                download = file.path if file.path and file.path.is_relative_to(work.downloads) else None
                work.bad_rows.add(result, split=check.split, file=file.name, download=download)
        yield Activity(f"read {check.split}", stream.tell(), file.size, "bytes")


def _rows_of(work: _Work, stream: BinaryIO, *, file: DataFile) -> Iterator[Row | BadRow]:
    return read_rows(stream, work.card.format, name=file.name, columns=work.card.columns)


def _check_columns(card: DataCard, row: Row, *, check: RowCheck, file: DataFile) -> None:
    # A table's columns are its header's, which stands above the first row.
    where = Location(file.name, 1 if file_kind(card.format, name=file.name) in TABLES else row.line)
    labelled = check.split != "test" and card.task != "custom"
    check_columns(row, columns=check.columns, labelled=labelled, where=where)


def _check_variety(work: _Work, *, file: DataFile) -> None:
    found, task = list(work.profiler.label_counts("train")), work.card.task
    what: str | None = None
    if task == "tagging" and not found:
        what = "no word of train is in an entity: there is nothing to learn"
    elif task == "multilabel" and not found:
        what = "no row of train has a label: there is nothing to learn"
    elif task == "classification" and len(found) < 2:
        what = f"every row of train has the label `{found[0]}`: there is nothing to learn"
    if what is not None:
        raise DataError(what, where=Location(file.name), hint="is it the right column? columns.label names it")


def _write_facts(work: _Work, *, files: Iterable[str], origins: tuple[Origin, ...]) -> Working[DatasetFile]:
    card, rules = work.card, work.rules
    names = rules.names.known or ()
    is_tagged = card.task == "tagging"
    labels, scheme = (tag_list(names, card.tags.to), card.tags.to) if is_tagged else (names, None)
    columns = rules.written or card.columns
    profile = work.profiler.finish(card.name, labels=names, one_each=card.task == "classification")
    splits: dict[Split, SplitFacts] = {
        split: writer.facts(
            file=rows_file(split),
            labelled=profile.splits[split].labelled,
            label_counts=profile.splits[split].label_counts,
        )
        for split, writer in work.writers.items()
    }
    facts = DatasetFile(
        name=card.name,
        title=card.title,
        task=card.task,
        columns=columns,
        reading=Reading.of(card, endings=map(ending_of, files), scheme=rules.scheme),
        labels=labels,
        tag_scheme=scheme,
        source_scheme=rules.scheme if is_tagged else None,
        licence=card.licence,
        homepage=card.homepage,
        holdout=card.holdout,
        test_holdout=card.test_holdout,
        holdout_seed=card.holdout_seed,
        splits=splits,
        sources=tuple(
            SourceFacts(location=o.location, sha256=o.sha256, bytes=o.size, mtime_ns=o.mtime_ns) for o in origins
        ),
        bad_rows=work.bad_rows.facts(),
        repairs=work.repairs.facts(),
        card_sha256=hash_card(card),
        rows_sha256=hash_rows(splits, task=card.task, labels=labels, tag_scheme=scheme, columns=columns),
    )
    profile = yield from examine(work.scratch, profile, facts=facts, sources=work.sources, before=tuple(work.findings))
    write_report(work.scratch, profile, facts=facts)
    write_json(work.scratch / DATASET_FILE, facts.model_dump(mode="json"))
    return facts
