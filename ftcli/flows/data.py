"""From a recipe's [data] to a prepared data set: which card it means, where it lies, and whether it is up to date."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ftcli.data.archives import describe_origin
from ftcli.data.catalog import builtin_folder, load_card
from ftcli.data.dataset import Prepared, SourceFacts, hash_card, is_outdated, open_prepared
from ftcli.data.download import is_url
from ftcli.data.marks import forget_downloads
from ftcli.data.prepare import prepare
from ftcli.errors import DataError, RecipeError
from ftcli.runtime.activity import Working
from ftcli.runtime.code import look_in
from ftcli.runtime.locks import taking_turns
from ftcli.spec.card import CardTask, DataCard, Names, OwnSplit
from ftcli.spec.choices import card_task
from ftcli.spec.problems import load_section
from ftcli.spec.run import RunSpec
from ftcli.spec.sections import DataSection

_MADE_BY = {
    *("columns", "format", "labels", "label_map", "label_separator", "tags"),
    *("holdout", "test_holdout", "holdout_seed"),
}
_TASKS = {
    "classification": 'kind = "classification"',
    "multilabel": 'kind = "classification" and multi_label = true',
    "regression": 'kind = "regression"',
    "tagging": 'kind = "tagging"',
}


@dataclass(frozen=True, slots=True)
class DataPlace:
    """A data card, what its paths are relative to, and the folder that its prepared form has or will have.

    The card is `made_up` where a recipe gives files of its own. Their folder's name then stands for all it says.
    """

    card: DataCard
    card_folder: Path
    folder: Path
    made_up: bool = False

    @property
    def downloads(self) -> Path:
        """Where downloaded files are kept."""
        return self.folder.parent / ".downloads" / self.card.name

    @property
    def is_prepared(self) -> bool:
        """Whether there is a prepared folder at all."""
        return (self.folder / "dataset.json").is_file()

    def open(self) -> Prepared:
        """The prepared data.

        Raises:
            DataError: it is missing or damaged.
        """
        return open_prepared(self.folder)


def place_of(data: DataSection, *, task: CardTask = "classification") -> DataPlace:
    """The data that a recipe means: a built-in, a card of one's own, or files of one's own, which are for its task.

    Raises:
        RecipeError: there is no such built-in, the card has problems, or is for another task.
    """
    root = Path(data.root)
    if data.name is None:
        card = _card_of_files(data, task)
        return DataPlace(card, Path(), root / card.name, made_up=True)
    place = place_named(data.name, root)
    if place.card.task not in (task, "custom"):
        what = f"the data set `{place.card.name}` is for {place.card.task}, but the recipe's task is {task}"
        raise RecipeError(what, hint=f"under [task] write {_TASKS[place.card.task]}", key=("data", "name"))
    return place


def place_for(spec: RunSpec, *, root: str | None = None) -> DataPlace:
    """The data of a recipe, whose own code can be found from here on; `root` is where its prepared form goes.

    Raises:
        RecipeError: there is no such data, or it is for another task.
    """
    look_in(spec.run.code)
    data = spec.data if root is None else spec.data.model_copy(update={"root": root})
    return place_of(data, task=card_task(spec.task))


def place_named(name: str, root: Path) -> DataPlace:
    """A built-in data set by its name, or a card by its path, which ends in .toml.

    Raises:
        RecipeError: there is no such built-in, or the card has problems.
    """
    if name.endswith(".toml"):
        card = load_section(DataCard, Path(name))
        return DataPlace(card, Path(name).parent, root / card.name)
    try:
        return DataPlace(load_card(name), builtin_folder(), root / name)
    except RecipeError as error:
        problem = error.problems[0]
        raise RecipeError(problem.what, hint=problem.hint, key=("data", "name")) from None


def _card_of_files(data: DataSection, task: CardTask) -> DataCard:
    if data.train is None or data.columns is None:
        raise RecipeError("[data] names no data", key=("data",))
    files: dict[OwnSplit, str | Names] = {"train": data.train}
    if data.validation != "off":
        files["validation"] = data.validation
    if data.test != "off":
        files["test"] = data.test
    return DataCard(
        name=_name_for(data, data.train, {**files, **data.also}, task=task),
        title=f"rows of {data.train}",
        task=task,
        labels=None if data.labels == "auto" else data.labels,
        label_map=data.label_map,
        label_separator=data.label_separator,
        columns=data.columns,
        format=data.format,
        tags=data.tags,
        files=files,
        also={**data.also},
        holdout=data.holdout,
        test_holdout=data.test_holdout,
        holdout_seed=data.holdout_seed,
    )


def _name_for(data: DataSection, train: str, files: Mapping[str, str | Names], *, task: CardTask) -> str:
    """A name that differs where files, or what is made of them, do, and reads like the training file's."""
    made = data.model_dump_json(include=_MADE_BY)
    described = f"{task} {sorted((split, _address(str(file))) for split, file in files.items())} {made}"
    stem = "".join(c if c.isalnum() or c in "._-" else "-" for c in Path(train).name.split(".")[0]).strip("._-")
    safe = stem if stem.isascii() and stem else "data"
    return f"{safe}-{hashlib.sha256(described.encode()).hexdigest()[:8]}"


def _address(file: str) -> str:
    return file if "://" in file else str(Path(file).resolve())


def why_prepare(place: DataPlace) -> Working[str | None]:
    """Why the data has to be prepared (anew), for the user; None where what is there will do.

    A source file that is gone has not changed.

    Raises:
        DataError: what is there is damaged.
    """
    name = place.card.name
    if not place.is_prepared:
        return f"{name} is not prepared yet: preparing it in {place.folder}"
    if is_outdated(place.folder):
        return f"{name} was prepared by an older version of ftcli: preparing it anew"
    facts = place.open().facts
    # A made-up card differs with the spelling of its paths, which changes nothing; what does is in the folder's name.
    if not place.made_up and hash_card(place.card) != facts.card_sha256:
        what = "data card" if place.card.generator is None else "generator"
        return f"the {what} of {name} has changed: preparing it anew"
    for source in facts.sources:
        if (yield from _has_changed(source)):
            return f"the files of {name} have changed: preparing it anew"
    return None


def _has_changed(source: SourceFacts) -> Working[bool]:
    """Whether a local file has other content now. It is read only where its size or time says that it may have."""
    path = Path(source.location)
    if not path.is_file():
        return False
    found = path.stat()
    if (found.st_size, found.st_mtime_ns) == (source.bytes, source.mtime_ns):
        return False
    origin = yield from describe_origin(path, location=source.location)
    return origin.sha256 != source.sha256


def prepared_for(
    place: DataPlace, *, source: str | None = None, max_bad_rows: int = 0, force: bool = False
) -> Working[Prepared]:
    """Open the prepared data, preparing it first where `why_prepare` has a reason, or `source` or `force` is given.

    With `force` what was downloaded before is downloaded again: it may be what is wrong.

    Raises:
        DataError: it can't be had, or a row can't be used.
    """
    anew = force or source is not None
    if not anew and (yield from why_prepare(place)) is None:
        return place.open()
    return (yield from prepare_in_turn(place, source=source, max_bad_rows=max_bad_rows, force=force))


def prepare_in_turn(
    place: DataPlace, *, source: str | None = None, max_bad_rows: int = 0, force: bool = False
) -> Working[Prepared]:
    """Prepare the data, for which there is a reason, once no other process does.

    What another has prepared in the meantime is opened, unless `source` or `force` asks for more.

    Raises:
        DataError: it can't be had, or a row can't be used.
    """
    lock = place.folder.with_name(f".{place.folder.name}.lock")
    work = _leaving_no_trace(lock, _prepare_unless_done(place, source, max_bad_rows, force=force))
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return (yield from taking_turns(lock, work, makes=True))
    except OSError as error:
        raise DataError(f"{error.strerror}: {error.filename}") from None


def _leaving_no_trace(lock: Path, work: Working[Prepared]) -> Working[Prepared]:
    """Remove the lock in the end, while it is held, and its folder where nothing has come into it."""
    try:
        return (yield from work)
    finally:
        lock.unlink(missing_ok=True)
        with suppress(OSError):
            lock.parent.rmdir()


def _prepare_unless_done(place: DataPlace, source: str | None, max_bad_rows: int, *, force: bool) -> Working[Prepared]:
    if force and (source is None or is_url(source)):
        forget_downloads(place.downloads)
    elif source is None and (yield from why_prepare(place)) is None:
        return place.open()
    return (
        yield from prepare(
            place.card,
            folder=place.folder,
            card_folder=place.card_folder,
            source=source,
            downloads=place.downloads,
            max_bad_rows=max_bad_rows,
        )
    )
