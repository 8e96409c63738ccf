"""Data cards: what a data set is, where it comes from and how its files are read. One TOML file each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ftcli.spec.base import Section

SPLITS = ("train", "validation", "test")
Split = Literal["train", "validation", "test"]


class Columns(Section):
    """Which fields of a row hold the text, the second text of a pair, and the label."""

    text: str
    pair: str | None = None
    label: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The one or two text columns, in the order the model reads them."""
        return (self.text,) if self.pair is None else (self.text, self.pair)


class Format(Section):
    """How a file is cut into rows.

    `auto` goes by the file's ending (.jsonl and .json: one object a line; .csv; .tsv and .txt: tab). Quotes are
    doubled and enclosing in CSV (`standard`) and ordinary characters in TSV (`literal`) unless `quotes` says otherwise.
    """

    kind: Literal["auto", "jsonl", "csv", "tsv"] = "auto"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    quotes: Literal["auto", "standard", "literal"] = "auto"
    encoding: str = "utf-8"


class Source(Section):
    """Something to download: a single file, or an archive that holds several."""

    url: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class DataCard(Section):
    """One data set. `files` names each split's file inside the sources, or a path, or a URL of its own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: str = ""
    task: Literal["classification"] = "classification"
    licence: str = "not stated"
    homepage: str = ""
    labels: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    columns: Columns
    format: Format = Format()
    sources: Annotated[tuple[Source, ...], Field(strict=False)] = ()
    files: Annotated[dict[Split, str], Field(default_factory=dict)]
    generator: Literal["demo"] | None = None
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _has_rows(self) -> DataCard:
        if self.generator is None and "train" not in self.files:
            msg = "a data card needs files.train (or a generator)"
            raise ValueError(msg)
        if self.holdout and "validation" in self.files:
            msg = "holdout makes a validation split, but files.validation names one already"
            raise ValueError(msg)
        return self
