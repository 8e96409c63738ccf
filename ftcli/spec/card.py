"""Data cards: what a data set is, where it comes from and how its files are read. One TOML file each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ftcli.spec.base import Section

SPLITS = ("train", "validation", "test")
OwnSplit = Literal["train", "validation", "test"]
Split = str
"""One of `SPLITS`, or the name of a further validation set."""
TagScheme = Literal["bio", "iob1", "bioes", "bmes"]
Generator = Literal["demo", "demo-topics", "demo-stars", "demo-orders"]


def in_order(splits: Iterable[Split]) -> list[Split]:
    """Train, validation and test as far as they are there, and then the further validation sets."""
    known = list(splits)
    return [*(split for split in SPLITS if split in known), *further_sets(known)]


def further_sets(splits: Iterable[Split]) -> list[Split]:
    """The validation sets beside the validation split, which are scored when it is, and decide nothing."""
    return [split for split in splits if split not in SPLITS]


def _free_name(name: str) -> str:
    if name in SPLITS or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        taken = "lower-case letters, digits, - and _, and not train, validation or test"
        msg = f"a further validation set can't be called `{name}`: use {taken}"
        raise ValueError(msg)
    return name


SetName = Annotated[str, AfterValidator(_free_name)]
"""What a further validation set is called."""


class Columns(Section):
    """Which fields of a row hold the text, the second text of a pair, and the label.

    Of files in columns they are the columns' numbers from 0, as text; "-1" is the last.
    """

    text: Annotated[str, Field(examples=["q1"])]
    """The field with the text, or with the list of words."""
    pair: Annotated[str | None, Field(examples=["q2"])] = None
    """The field with the second text of a pair."""
    label: Annotated[str | None, Field(examples=["y"])] = None
    """The field with the label, the labels, the number, the tags or the spans."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The one or two text columns, in the order the model reads them."""
        return (self.text,) if self.pair is None else (self.text, self.pair)


class Format(Section):
    """How a file is cut into rows."""

    kind: Literal["auto", "jsonl", "json", "csv", "tsv", "conll", "text", "parquet", "custom"] = "auto"
    """The format; "auto" goes by the file's ending: .jsonl (an object a line), .json (that, or one array of objects),
    .csv, .tsv and .txt (tabs), .parquet, and .conll, .bio, .iob, .bioes and .bmes (a word a line in columns, an empty
    line between sentences). "text" is a text a line, the column "text"; "custom" is read by code of your own."""
    delimiter: Annotated[Annotated[str, Field(min_length=1, max_length=1)] | None, Field(examples=[";"])] = None
    """The character between the fields of a table; of columns of words any spaces and tabs, unless it is given."""
    quotes: Literal["auto", "standard", "literal"] = "auto"
    """What quotes are: they enclose fields and are doubled within them ("standard"), or are ordinary characters
    ("literal"); "auto" is standard in CSV and literal in TSV."""
    encoding: Annotated[str, Field(examples=["gb18030"])] = "utf-8"
    """The encoding of text files, by a name that Python knows."""
    header: bool = True
    """Whether the first line of a table names its columns; without, they are called "0", "1" and so on."""
    comments: bool = False
    """Whether lines that begin with "# " are left out of columns of words."""
    factory: Annotated[str, Field(examples=["parts:blocks"])] = "off"
    """Your own code ("module:name") that reads a file; see `ftcli.data.custom.Reader`."""

    @model_validator(mode="after")
    def _names_its_reader(self) -> Format:
        if (self.kind == "custom") != (self.factory != "off"):
            msg = 'kind = "custom" and factory = "module:name" go together'
            raise ValueError(msg)
        return self


class Tags(Section):
    """How a tagged file writes its tags, and what they become."""

    scheme: Literal["auto", "bio", "iob1", "bioes", "bmes"] = "auto"
    """The scheme that the files are written in; "auto" finds out."""
    to: TagScheme = "bioes"
    """The scheme that tags are trained on and predicted in."""
    invalid: Literal["refuse", "repair"] = "refuse"
    """What to do with sequences of tags that the scheme does not allow; repairs are counted."""


class Source(Section):
    """Something to download: a single file, or an archive that holds several."""

    url: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
CardTask = Literal["classification", "multilabel", "regression", "tagging", "custom"]


class DataCard(Section):
    """One data set. `files` names each split's file inside the sources, or a path, or a URL of its own.

    Where a file goes by several names the first that is found is taken. `holdout` and `test_holdout` are shares of
    train's rows that are made a validation and a test split; `also` names further validation sets. `labels` are in
    order; of tagged words they are the types of entities. `label_map` renames those that the files have;
    `label_separator` parts the labels of a row with several where they are one text.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: str = ""
    task: CardTask = "classification"
    licence: str = "not stated"
    homepage: str = ""
    labels: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    label_map: Annotated[dict[str, str], Field(default_factory=dict[str, str])]
    label_separator: Annotated[str, Field(min_length=1)] = ","
    columns: Columns
    format: Format = Format()
    tags: Tags = Tags()
    sources: Annotated[tuple[Source, ...], Field(strict=False)] = ()
    files: Annotated[dict[OwnSplit, str | Names], Field(default_factory=dict)]
    also: Annotated[dict[SetName, str | Names], Field(default_factory=dict)]
    generator: Generator | None = None
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    test_holdout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    holdout_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @property
    def held_out(self) -> dict[Split, float]:
        """The share of train's rows that each split made of them gets."""
        shares: dict[Split, float] = {"validation": self.holdout, "test": self.test_holdout}
        return {split: share for split, share in shares.items() if share}

    @property
    def named(self) -> dict[Split, str | Names]:
        """The files of all splits, the further validation sets among them."""
        return {**self.files, **self.also}

    def names(self, split: Split) -> tuple[str, ...]:
        """The names of a split's file, the first of which is its own; none where the split has no file."""
        given = self.named.get(split, ())
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _has_rows(self) -> DataCard:
        if self.generator is None and "train" not in self.files:
            msg = "a data card needs files.train (or a generator)"
            raise ValueError(msg)
        if self.holdout and "validation" in self.files:
            msg = "holdout makes a validation split, but files.validation names one already"
            raise ValueError(msg)
        if self.test_holdout and "test" in self.files:
            msg = "test_holdout makes a test split, but files.test names one already"
            raise ValueError(msg)
        if self.also and not self.holdout and "validation" not in self.files:
            msg = "the files of also are scored beside a validation split: it needs files.validation or holdout"
            raise ValueError(msg)
        if self.holdout + self.test_holdout >= 1:
            msg = "holdout and test_holdout together leave nothing in train"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _fits_its_task(self) -> DataCard:
        if self.task == "tagging" and self.columns.pair is not None:
            msg = "tagging reads one text, so columns.pair has no place"
            raise ValueError(msg)
        if self.task == "regression" and (self.labels is not None or self.label_map):
            msg = "regression has numbers, so labels and label_map have no place"
            raise ValueError(msg)
        return self


class Reading(Section):
    """How the files of a data set were read, so that others like them can be read alike.

    `columns` are named as in the files, whose names end in `endings`; `tags.scheme` is the one that was found in them.
    """

    columns: Columns
    format: Format = Format()
    endings: Annotated[tuple[str, ...], Field(strict=False)] = ()
    label_map: Annotated[dict[str, str], Field(default_factory=dict[str, str])]
    label_separator: str = ","
    tags: Tags = Tags()

    @classmethod
    def of(cls, card: DataCard, *, endings: Iterable[str], scheme: TagScheme) -> Reading:
        """How the files of a card were read."""
        return cls(
            columns=card.columns,
            format=card.format,
            endings=tuple(sorted(set(endings))),
            label_map=card.label_map,
            label_separator=card.label_separator,
            tags=card.tags.model_copy(update={"scheme": scheme}),
        )
