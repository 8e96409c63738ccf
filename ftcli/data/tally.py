"""Rows that were left out or mended: how many, and the first of them."""

from __future__ import annotations

from pathlib import Path

from ftcli.data.dataset import BadRowFacts, BadRows
from ftcli.data.rows import BadRow
from ftcli.errors import DataError, Location, Problem
from ftcli.spec.card import Split

SHOWN_PROBLEMS = 10
KEPT_EXAMPLES = 100


class Tally:
    """Counts rows, and keeps the first hundred."""

    def __init__(self) -> None:
        self.count = 0
        self._examples: list[BadRowFacts] = []

    def add(self, where: Location, reason: str, *, split: Split) -> None:
        """Count a row."""
        self.count += 1
        if len(self._examples) < KEPT_EXAMPLES:
            self._examples.append(BadRowFacts(split=split, location=str(where), reason=reason))

    def facts(self) -> BadRows:
        """Return the count and the first rows, for the record."""
        return BadRows(count=self.count, examples=tuple(self._examples))


class BadRowTally:
    """Counts the rows that are left out, and stops when there are more than `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tally = Tally()
        self._problems: list[Problem] = []

    def add(self, row: BadRow, *, split: Split, file: str, download: Path | None = None) -> None:
        """Leave a row out. `download` is the downloaded file that it comes from, if it does.

        Raises:
            DataError: It is one too many.
        """
        where = Location(file, row.line, text=row.text)
        self._tally.add(where, row.reason, split=split)
        is_too_many = self._tally.count > self._limit
        if len(self._problems) < SHOWN_PROBLEMS or is_too_many:
            self._problems.append(Problem(f"a row can't be used: {row.reason}", where))
        if is_too_many:
            raise self._too_many(row, download)

    def facts(self) -> BadRows:
        """Return the count and the first rows, for the record."""
        return self._tally.facts()

    def _too_many(self, row: BadRow, download: Path | None) -> DataError:
        last = self._problems.pop()
        mend = "mend the row" if download is None else f"delete {download} to download it again"
        mend += f", {row.remedy}" if row.remedy else ""
        allowed = f" (so far {self._limit} were left out)" if self._limit else ""
        hint = f"{mend}, or leave out up to N bad rows: `ftcli prepare` with --max-bad-rows N{allowed}"
        return DataError([*self._problems, Problem(last.what, last.where, hint)])
