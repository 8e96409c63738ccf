"""Each split's file is found in folders, archives and at addresses, or named with what there is instead."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from ftcli.data.sources import Collected, collect
from ftcli.errors import DataError
from ftcli.runtime.activity import finish
from ftcli.spec.card import DataCard, Source, Split
from tests.data.web import CONTENT, NO_WAIT, Site, hint_of


def card(files: dict[Split, str], *urls: str) -> DataCard:
    sources = tuple(Source(url=url) for url in urls)
    return DataCard.model_validate({"name": "x", "columns": {"text": "t"}, "files": files, "sources": sources})


def got(asked: DataCard, folder: Path, *, source: str | Path | None = None) -> Collected:
    named = None if source is None else str(source)
    work = collect(asked, card_folder=folder, source=named, downloads=folder / "downloads", backoff_seconds=NO_WAIT)
    return finish(work)


def contents(found: Collected) -> dict[str, bytes]:
    read: dict[str, bytes] = {}
    for split, file in found.files.items():
        with file.open() as stream:
            read[split] = stream.read()
    return read


FILES: dict[Split, str] = {"train": "train.json", "test": "test.json"}
INSIDE = {"train.json": b"train", "test.json": b"test", "README.md": b"read me"}
WANTED = {"train": b"train", "test": b"test"}


def zipped(inside: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in inside.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(inside: dict[str, bytes], compression: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        for name, content in inside.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PACKED = {
    "data.zip": zipped({f"deep/{name}": content for name, content in INSIDE.items()}),
    "data.tar": tarred(INSIDE, ""),
    "data.tar.gz": tarred({f"./{name}": content for name, content in INSIDE.items()}, "gz"),
    "data.tar.xz": tarred({f"../{name}": content for name, content in INSIDE.items()}, "xz"),
}


@pytest.mark.parametrize("name", PACKED)
def test_files_are_read_out_of_archives(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name])
    found = got(card(FILES), tmp_path, source=path)
    assert contents(found) == WANTED
    (origin,) = found.origins
    assert (origin.location, origin.size) == (str(path), len(PACKED[name]))
    assert origin.sha256 == hashlib.sha256(PACKED[name]).hexdigest()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_files_are_found_in_a_folder_however_deep(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    for name, content in INSIDE.items():
        (folder / name[:2]).mkdir(parents=True, exist_ok=True)
        (folder / name[:2] / name).write_bytes(content)
    found = got(card(FILES), tmp_path, source=folder)
    assert contents(found) == WANTED
    assert [origin.location for origin in found.origins] == [
        str(folder / "tr" / "train.json"),
        str(folder / "te" / "test.json"),
    ]


def test_a_name_that_fits_several_files_is_an_error_until_its_path_is_given(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zipped({"a/train.json": b"A", "b/train.json": b"B"}))
    with pytest.raises(DataError, match=r"a/train\.json.*b/train\.json"):
        got(card({"train": "train.json"}), tmp_path, source=tmp_path / "x.zip")
    assert contents(got(card({"train": "b/train.json"}), tmp_path, source=tmp_path / "x.zip")) == {"train": b"B"}


def test_a_name_that_fits_nothing_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(PACKED["data.zip"])
    with pytest.raises(DataError, match=r"no `dev\.json`") as raised:
        got(card(FILES | {"validation": "dev.json"}), tmp_path, source=tmp_path / "x.zip")
    assert "deep/train.json" in hint_of(raised.value)


def test_a_single_file_serves_a_card_of_one_file_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(b"x")
    assert contents(got(card({"train": "train.json"}), tmp_path, source=tmp_path / "mine.jsonl")) == {"train": b"x"}


def test_paths_are_relative_to_the_card_and_gz_is_opened(tmp_path: Path) -> None:
    (tmp_path / "train.json.gz").write_bytes(gzip.compress(b"train"))
    found = got(card({"train": "train.json.gz"}), tmp_path)
    assert contents(found) == {"train": b"train"}
    assert found.files["train"].size is None


def test_what_is_not_beside_the_card_is_downloaded(site: Site, tmp_path: Path) -> None:
    site.files = {"/x/data.zip": PACKED["data.zip"], "/train.json": b"other"}
    found = got(card(FILES, f"{site.url}/x/data.zip"), tmp_path)
    assert contents(found) == WANTED
    assert [origin.location for origin in found.origins] == [f"{site.url}/x/data.zip"]
    mixed = got(card(FILES | {"train": f"{site.url}/train.json"}, f"{site.url}/x/data.zip"), tmp_path)
    assert contents(mixed) == {"train": b"other", "test": b"test"}


def test_the_source_may_be_a_url(site: Site, tmp_path: Path) -> None:
    site.files = {"/mirror.tar.gz": PACKED["data.tar.gz"]}
    asked = card({"train": "https://elsewhere.invalid/a/train.json", "test": "test.json"})
    assert contents(got(asked, tmp_path, source=f"{site.url}/mirror.tar.gz")) == WANTED


@pytest.mark.parametrize("name", ["data.zip", "data.tar.gz"])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name][: len(PACKED[name]) // 2])
    with pytest.raises(DataError, match="is damaged"):
        contents(got(card(FILES), tmp_path, source=path))


def test_damage_inside_an_archive_shows_while_it_is_read(tmp_path: Path) -> None:
    packed = bytearray(zipped({"train.json": CONTENT}))
    packed[200] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(packed)
    with pytest.raises(DataError, match=r"x\.zip/train\.json is damaged"):
        contents(got(card({"train": "train.json"}), tmp_path, source=tmp_path / "x.zip"))


def test_a_file_that_exists_nowhere_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the train file `train\.json` doesn't exist") as raised:
        got(card(FILES), tmp_path)
    assert str(tmp_path) in hint_of(raised.value)
    with pytest.raises(DataError, match="there is no `nowhere`"):
        got(card(FILES), tmp_path, source="nowhere")
