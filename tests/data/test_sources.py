from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ftcli.data.download import download
from ftcli.data.sources import Collected, collect
from ftcli.errors import DataError
from ftcli.runtime.activity import Activity, finish
from ftcli.spec.card import DataCard, Source, Split

CONTENT = bytes(range(256)) * 2000
NO_WAIT = (0.0, 0.0, 0.0)


@dataclass
class Site:
    """A web server's files and how it misbehaves; `requests` are what it was asked for: path and Range."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hangs: list[int] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class SiteServer(ThreadingHTTPServer):
    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.site = site


class Handler(BaseHTTPRequestHandler):
    @property
    def site(self) -> Site:
        assert isinstance(self.server, SiteServer)
        return self.server.site

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.site.requests.append((self.path, self.headers.get("Range")))
        content = self.site.files.get(self.path)
        if self.site.statuses:
            self.send_error(self.site.statuses.pop(0))
        elif content is None:
            self.send_error(404)
        else:
            self.send_content(content)

    def send_content(self, content: bytes) -> None:
        begin = self.begin(len(content))
        if begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if self.site.etag:
            self.send_header("ETag", self.site.etag)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.send_body(content[begin:])

    def begin(self, size: int) -> int:
        if self.site.etag is None or self.headers.get("If-Range") != self.site.etag:
            return 0
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def send_body(self, content: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            if self.site.hangs:
                self.wfile.write(content[: self.site.hangs.pop(0)])
                self.wfile.flush()
                self.site.let_go.wait(20)
            else:
                self.wfile.write(content[: self.site.cuts.pop(0)] if self.site.cuts else content)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site({"/data/file.bin": CONTENT})
    with SiteServer(site) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        site.let_go.set()
        server.shutdown()
        thread.join()


def fetch(site: Site, folder: Path, *, sha256: str | None = None, timeout_seconds: float = 10.0) -> Path:
    url = f"{site.url}/data/file.bin"
    return finish(download(url, folder=folder, sha256=sha256, backoff_seconds=NO_WAIT, timeout_seconds=timeout_seconds))


def refusal(site: Site, folder: Path, **options: str) -> DataError:
    with pytest.raises(DataError) as raised:
        fetch(site, folder, **options)
    return raised.value


def hint_of(error: DataError) -> str:
    hint = error.problems[0].hint
    assert hint is not None
    return hint


def test_a_download_is_kept_and_used_again(site: Site, tmp_path: Path) -> None:
    path = fetch(site, tmp_path)
    assert path == tmp_path / "file.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(site, tmp_path) == path
    assert len(site.requests) == 1
    assert not list(tmp_path.glob("*.part"))


def test_progress_counts_bytes_up_to_the_whole(site: Site, tmp_path: Path) -> None:
    activities = list(download(f"{site.url}/data/file.bin", folder=tmp_path))
    assert activities[-1] == Activity("download file.bin", len(CONTENT), len(CONTENT), "bytes")
    assert [activity.done for activity in activities] == sorted(activity.done for activity in activities)


def test_a_cut_connection_is_resumed_where_it_broke_off(site: Site, tmp_path: Path) -> None:
    site.cuts = [100_000, 50_000]
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_download_that_gave_up_goes_on_later(site: Site, tmp_path: Path) -> None:
    site.cuts = [100_000, 0, 0, 0, 0]
    error = refusal(site, tmp_path)
    assert "after 100000 of 512000 bytes" in str(error)
    assert "100000 bytes that came are kept" in str(error)
    assert "--source FILE" in hint_of(error)
    site.cuts.clear()
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.requests[-1][1] == "bytes=100000-"


def test_getting_further_earns_new_tries(site: Site, tmp_path: Path) -> None:
    site.cuts = [10_000] * 20
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert len(site.requests) == 21


def test_a_file_that_changed_in_between_starts_over(site: Site, tmp_path: Path) -> None:
    site.cuts = [100_000, 0, 0, 0, 0]
    refusal(site, tmp_path)
    site.cuts.clear()
    site.files["/data/file.bin"] = changed = CONTENT[::-1]
    site.etag = '"two"'
    assert fetch(site, tmp_path).read_bytes() == changed


def test_without_a_mark_of_the_version_nothing_is_pieced_together(site: Site, tmp_path: Path) -> None:
    site.etag = None
    site.cuts = [100_000]
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == [None, None]


def test_a_part_that_is_too_long_starts_over(site: Site, tmp_path: Path) -> None:
    site.cuts = [100_000, 0, 0, 0, 0]
    refusal(site, tmp_path)
    site.cuts.clear()
    with (tmp_path / "file.bin.part").open("ab") as part:
        part.write(CONTENT)
    assert fetch(site, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_trouble_of_the_server_is_waited_out(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status] * 3
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_a_lasting_trouble_is_named(site: Site, tmp_path: Path) -> None:
    site.statuses = [503] * 4
    assert "503" in str(refusal(site, tmp_path))
    assert len(site.requests) == 4


def test_a_server_that_falls_silent_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.hangs = [100_000]
    assert fetch(site, tmp_path, timeout_seconds=0.3).read_bytes() == CONTENT
    assert len(site.requests) == 2


def test_the_hash_is_checked_where_it_is_known(site: Site, tmp_path: Path) -> None:
    right, wrong = hashlib.sha256(CONTENT).hexdigest(), "0" * 64
    error = refusal(site, tmp_path, sha256=wrong)
    assert right in str(error)
    assert wrong in str(error)
    assert not (tmp_path / "file.bin").exists()
    assert not (tmp_path / "file.bin.part").exists()
    assert fetch(site, tmp_path, sha256=right).read_bytes() == CONTENT
    (tmp_path / "file.bin").write_bytes(CONTENT[::-1])
    assert fetch(site, tmp_path, sha256=right).read_bytes() == CONTENT


def test_a_kept_file_of_another_size_is_downloaded_again(site: Site, tmp_path: Path) -> None:
    fetch(site, tmp_path).write_bytes(b"cut")
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_not_asked_for_twice(site: Site, tmp_path: Path) -> None:
    site.files.clear()
    error = refusal(site, tmp_path)
    assert f"{site.url}/data/file.bin" in str(error)
    assert "404" in str(error)
    assert "--source" in hint_of(error)
    assert len(site.requests) == 1


def test_a_host_that_cannot_be_reached_says_how_to_do_without(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DataError, match=f"can't reach 127.0.0.1:{port}") as raised:
        finish(download(f"http://127.0.0.1:{port}/x.zip", folder=tmp_path, backoff_seconds=NO_WAIT))
    assert hint_of(raised.value) == "download it yourself and pass --source FILE"


def test_two_urls_with_one_file_name_do_not_mix(site: Site, tmp_path: Path) -> None:
    site.files |= {"/train/data.csv": b"train", "/test/data.csv": b"test"}
    for _ in range(2):
        for split in ("train", "test"):
            path = finish(download(f"{site.url}/{split}/data.csv", folder=tmp_path))
            assert path.read_text() == split
    assert len(site.requests) == 2


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
