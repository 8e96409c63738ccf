"""The files of a data card: found where they lie, or downloaded once and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ftcli.data.archives import FoundFile, Origin, describe_origin, list_files
from ftcli.data.download import BACKOFF_SECONDS, download, is_url
from ftcli.errors import DataError, Location, Problem
from ftcli.runtime.activity import Working
from ftcli.spec.card import DataCard, Split

SHOWN_FILES = 20


@dataclass(frozen=True, slots=True)
class Collected:
    """Each split's file, ready to be opened, and what all of them were read from."""

    files: Mapping[Split, FoundFile]
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder, archive or file on this machine, how the record calls it, and the files it holds."""

    path: Path
    location: str
    files: Sequence[FoundFile]


def collect(
    card: DataCard,
    *,
    card_folder: Path,
    source: str | None,
    downloads: Path,
    backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
) -> Working[Collected]:
    """Find or download the file of each split.

    Args:
        card: The data card; each of its `files` is a URL, a path, or a name inside its `sources`, or several of them.
        card_folder: What the card's paths are relative to.
        source: A folder, archive, file or URL to take instead of everything the card names.
        downloads: Where downloads are kept, to be used again.
        backoff_seconds: The waits between attempts of a download.

    Raises:
        DataError: A file can't be had, or its name fits several.
    """
    if source is not None:
        found = yield from _from_source(card, source, downloads=downloads, backoff_seconds=backoff_seconds)
    else:
        found = yield from _from_card(
            card, card_folder=card_folder, downloads=downloads, backoff_seconds=backoff_seconds
        )
    origins: dict[Path, Origin] = {}
    for file, location in found.values():
        if file.path not in origins:
            origins[file.path] = yield from describe_origin(file.path, location=location)
    files: dict[Split, FoundFile] = {split: file for split, (file, _) in found.items()}
    return Collected(files, tuple(origins.values()))


def _from_source(
    card: DataCard, source: str, *, downloads: Path, backoff_seconds: Sequence[float]
) -> Working[dict[Split, tuple[FoundFile, str]]]:
    if is_url(source):
        path = yield from download(source, folder=downloads, backoff_seconds=backoff_seconds)
    else:
        path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"there is no `{source}`", hint="--source takes a folder, an archive, a file or a URL")
    place = _Place(path, source, list_files(path))
    if len(card.named) == len(place.files) == 1:
        return dict.fromkeys(card.named, (place.files[0], source))
    return {split: _choose([*map(_last_part, card.names(split))], [place]) for split in card.named}


def _from_card(
    card: DataCard, *, card_folder: Path, downloads: Path, backoff_seconds: Sequence[float]
) -> Working[dict[Split, tuple[FoundFile, str]]]:
    found: dict[Split, tuple[FoundFile, str]] = {}
    elsewhere: dict[Split, tuple[str, ...]] = {}
    for split in card.named:
        names = card.names(split)
        url = next(filter(is_url, names), None)
        path = next(filter(Path.is_file, (card_folder / Path(name).expanduser() for name in names)), None)
        if path is not None:
            found[split] = (_single(path), str(path))
        elif url is not None:
            fetched = yield from download(url, folder=downloads, backoff_seconds=backoff_seconds)
            found[split] = (_single(fetched), url)
        else:
            elsewhere[split] = names
    if not elsewhere:
        return found
    if not card.sources:
        raise _missing(elsewhere, card, card_folder=card_folder)
    places: list[_Place] = []
    for origin in card.sources:
        path = yield from download(origin.url, folder=downloads, sha256=origin.sha256, backoff_seconds=backoff_seconds)
        places.append(_Place(path, origin.url, list_files(path)))
    found.update((split, _choose(wanted, places)) for split, wanted in elsewhere.items())
    return found


def _single(path: Path) -> FoundFile:
    files = list_files(path)
    if len(files) == 1:
        return files[0]
    hint = "name the archive under [[sources]] (or with --source) and the file inside it under [files]"
    raise DataError(f"{path.name} holds {len(files)} files; which one is meant?", where=Location(str(path)), hint=hint)


def _missing(files: Mapping[Split, tuple[str, ...]], card: DataCard, *, card_folder: Path) -> DataError:
    hint = f"paths start from {card_folder.resolve()}; `ftcli prepare` with --source PATH takes them from elsewhere"
    return DataError(
        [
            Problem(
                f"the {split} file `{names[0]}` doesn't exist",
                hint=hint,
                key=("data", *(("also", split) if split in card.also else (split,))),
            )
            for split, names in files.items()
        ]
    )


def _last_part(wanted: str) -> str:
    return unquote(PurePosixPath(urlsplit(wanted).path).name) if is_url(wanted) else wanted


def _choose(names: Sequence[str], places: Sequence[_Place]) -> tuple[FoundFile, str]:
    """Find the one file that goes by one of the names; the first that is there is taken."""
    candidates = [(file, place) for place in places for file in place.files]
    for name in names:
        if chosen := _called(name, candidates):
            return chosen
    there = ", ".join(file.inner for file, _ in candidates[:SHOWN_FILES]) or "nothing"
    more = f" and {len(candidates) - SHOWN_FILES} more" if len(candidates) > SHOWN_FILES else ""
    where = ", ".join(place.location for place in places)
    wanted = " or ".join(f"`{name}`" for name in names)
    raise DataError(f"there is no {wanted} in {where}", hint=f"it holds {there}{more}")


def _called(wanted: str, candidates: Sequence[tuple[FoundFile, _Place]]) -> tuple[FoundFile, str] | None:
    """Find the one file that is called `wanted`: by its whole path, else by its last parts, else by its name."""
    parts = PurePosixPath(wanted).parts
    for tail in (None, parts, parts[-1:]):
        fitting = [(file, place) for file, place in candidates if _fits(file.inner, wanted, tail=tail)]
        if len(fitting) > 1:
            names = ", ".join(file.name for file, _ in fitting[:SHOWN_FILES])
            hint = "write the path of the right one, as far as it is needed, under [files]"
            raise DataError(f"several files are called `{wanted}`: {names}", hint=hint)
        if fitting:
            file, place = fitting[0]
            return file, place.location if file.member or file.path == place.path else str(file.path)
    return None


def _fits(inner: str, wanted: str, *, tail: tuple[str, ...] | None) -> bool:
    if tail is None:
        return inner == wanted
    return PurePosixPath(inner).parts[-len(tail) :] == tail
