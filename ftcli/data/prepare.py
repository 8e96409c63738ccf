"""From source files to a prepared folder: every row is read once, checked, written, counted and examined.

Nothing here grows with the rows; holding some of them out takes a few bytes a row.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import orjson

from ftcli.data.archives import Origin
from ftcli.data.checks import BadRowTally, CheckedRow, RowCheck, check_columns, sort_labels
from ftcli.data.dataset import DATASET_FILE, DatasetFile, Prepared, SourceFacts, SplitFacts, hash_card, hash_rows
from ftcli.data.dealing import dealer
from ftcli.data.demo import demo_files
from ftcli.data.doctor import examine
from ftcli.data.findings import Finding
from ftcli.data.profile import Profile, Profiler
from ftcli.data.readers import BadRow, Row, file_kind, read_rows, shown
from ftcli.data.report import REPORT_FILE, write_report
from ftcli.data.sources import collect
from ftcli.data.writing import SplitWriter, check_replaceable, new_folder, split_writer
from ftcli.errors import DataError, Location, RecipeError
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.files import write_json
from ftcli.spec.card import SPLITS, DataCard, Split

ROWS_PER_ACTIVITY = 2000


class _File(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path | None: ...
    @property
    def size(self) -> int | None: ...
    def open(self) -> AbstractContextManager[BinaryIO]: ...


@dataclass(frozen=True, slots=True)
class _MadeFile:
    """A file that was generated rather than found."""

    name: str
    content: bytes
    path: None = None

    @property
    def size(self) -> int:
        return len(self.content)

    @contextmanager
    def open(self) -> Generator[BinaryIO]:
        with io.BytesIO(self.content) as stream:
            yield stream


@dataclass(slots=True)
class _Work:
    """What one preparation has in its hands."""

    card: DataCard
    scratch: Path
    profiler: Profiler
    bad_rows: BadRowTally
    downloads: Path
    labels: tuple[str, ...] | None
    writers: dict[Split, SplitWriter] = field(default_factory=dict["Split", SplitWriter])
    findings: list[Finding] = field(default_factory=list[Finding])

    def keep(self, split: Split, row: CheckedRow) -> None:
        """Write and count a row."""
        self.writers[split].write(row.fields)
        self.profiler.add(split, texts=row.texts, label=row.label)


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
    if card.columns.label is None:
        raise RecipeError(f"the data set `{card.name}` needs columns.label", key=("data", "columns", "label"))
    try:
        check_replaceable(folder.resolve())
        files, origins = yield from _find_files(card, card_folder=card_folder, source=source, downloads=downloads)
        with new_folder(folder) as scratch, Profiler(scratch / "seen.sqlite") as profiler:
            work = _Work(card, scratch, profiler, BadRowTally(max_bad_rows), downloads, card.labels)
            for split in sorted(files, key=SPLITS.index):
                yield from _read_split(work, split, file=files[split])
            facts = yield from _write_facts(work, origins=origins)
    except OSError as error:
        raise DataError(f"{error.strerror or error}: {error.filename or folder}") from None
    return Prepared(folder, facts)


def read_profile(prepared: Prepared) -> Profile:
    """Read what a prepared data set looks like, as it was found when it was prepared.

    Raises:
        DataError: The report is missing or unreadable.
    """
    path = prepared.folder / REPORT_FILE
    try:
        return Profile.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        hint = f"prepare it again: ftcli prepare {prepared.facts.name} --force"
        raise DataError(f"{path} can't be read: {str(error).splitlines()[0]}", hint=hint) from None


def _find_files(
    card: DataCard, *, card_folder: Path, source: str | None, downloads: Path
) -> Working[tuple[Mapping[Split, _File], tuple[Origin, ...]]]:
    if card.generator is None:
        found = yield from collect(card, card_folder=card_folder, source=source, downloads=downloads)
        return found.files, found.origins
    if source is not None:
        raise DataError(f"the data set `{card.name}` is generated; it takes no --source")
    made: dict[Split, _File] = {
        split: _MadeFile(f"{card.generator}-{split}.jsonl", content) for split, content in demo_files().items()
    }
    return made, ()


def _read_split(work: _Work, split: Split, *, file: _File) -> Working[None]:
    """Read one file into one split, or into several where the card holds rows out of train."""
    check = RowCheck(split, work.card.columns, work.labels)
    shares = work.card.held_out if split == "train" else {}
    splits: tuple[Split, ...] = (split, *shares)
    with ExitStack() as stack:
        for name in splits:
            path = work.scratch / f"{name}.jsonl"
            work.writers[name] = stack.enter_context(split_writer(path, source=Path(file.name).name))
        if shares:
            yield from _read_and_deal(work, check, shares, file=file)
        else:
            yield from _read_rows(work, check, file=file, take=lambda row: work.keep(split, row))
    for name in splits:
        if not work.writers[name].rows:
            key = "holdout" if name == "validation" else "test_holdout"
            why = f" ({key} = {shares[name]})" if name in shares else ""
            raise DataError(f"no row for the {name} split{why}", where=Location(file.name))
    if split == "train":
        work.labels = work.labels or sort_labels(check.seen, column=work.card.columns.label)
        _check_variety(work, file=file)


def _read_and_deal(work: _Work, check: RowCheck, shares: Mapping[Split, float], *, file: _File) -> Working[None]:
    with dealer(work.card, work.scratch) as aside:
        yield from _read_rows(work, check, file=file, take=aside.add)
        dealt = yield from aside.deal(shares)
        for split, row in aside.rows(dealt):
            work.keep(split, row)
    work.findings += dealt.findings


def _read_rows(work: _Work, check: RowCheck, *, file: _File, take: Callable[[CheckedRow], None]) -> Working[None]:
    columns_checked = False
    with file.open() as stream:
        for number, row in enumerate(read_rows(stream, work.card.format, name=file.name)):
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
                work.bad_rows.add(_bad(row, result), split=check.split, file=file.name, download=download)
        yield Activity(f"read {check.split}", stream.tell(), file.size, "bytes")


def _bad(row: Row | BadRow, result: str | Row | BadRow) -> BadRow:
    return row if isinstance(row, BadRow) else BadRow(row.line, str(result), shown(orjson.dumps(row.fields).decode()))


def _check_columns(card: DataCard, row: Row, *, check: RowCheck, file: _File) -> None:
    # A table's columns are its header's, which stands above the first row.
    line = row.line if file_kind(card.format, name=file.name) == "jsonl" else 1
    check_columns(row, columns=card.columns, labelled=check.split != "test", where=Location(file.name, line))


def _check_variety(work: _Work, *, file: _File) -> None:
    found = work.profiler.label_counts("train")
    if len(found) < 2:
        what = f"every row of train has the label `{next(iter(found))}`: there is nothing to learn"
        raise DataError(what, where=Location(file.name), hint="is it the right column? columns.label names it")


def _write_facts(work: _Work, *, origins: tuple[Origin, ...]) -> Working[DatasetFile]:
    card, labels = work.card, work.labels or ()
    profile = work.profiler.finish(card.name, labels=labels)
    splits: dict[Split, SplitFacts] = {
        split: writer.facts(
            file=f"{split}.jsonl",
            labelled=profile.splits[split].labelled,
            label_counts=profile.splits[split].label_counts,
        )
        for split, writer in work.writers.items()
    }
    facts = DatasetFile(
        name=card.name,
        title=card.title,
        task=card.task,
        columns=card.columns,
        labels=labels,
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
        card_sha256=hash_card(card),
        rows_sha256=hash_rows(splits, labels=labels, columns=card.columns),
    )
    profile = yield from examine(work.scratch, profile, facts=facts, before=tuple(work.findings))
    write_report(work.scratch, profile, facts=facts)
    write_json(work.scratch / DATASET_FILE, facts.model_dump(mode="json"))
    return facts
