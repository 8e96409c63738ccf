"""Downloads are whole, resumed where they broke off, and refused with the way out."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from ftcli.data.download import download
from ftcli.errors import DataError
from ftcli.runtime.activity import Activity, finish
from tests.data.web import CONTENT, NO_WAIT, Site, hint_of


def fetch(site: Site, folder: Path, *, sha256: str | None = None, timeout_seconds: float = 10.0) -> Path:
    url = f"{site.url}/data/file.bin"
    return finish(download(url, folder=folder, sha256=sha256, backoff_seconds=NO_WAIT, timeout_seconds=timeout_seconds))


def refusal(site: Site, folder: Path, **options: str) -> DataError:
    with pytest.raises(DataError) as raised:
        fetch(site, folder, **options)
    return raised.value


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
    assert "after 100,000 of 512,000 bytes" in str(error)
    assert "100,000 bytes that came are kept" in str(error)
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
