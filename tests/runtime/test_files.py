from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ftcli.runtime.files import link_atomically, sha256_of, sync_to_disk, write_atomically, write_json


def test_content_replaces_what_was_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"one, which is longer")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    (tmp_path / ".a.json.partial").mkdir()
    with pytest.raises(OSError, match="partial"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}


def test_json_is_readable_and_ends_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "支付", "values": [1, 2.5, None]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (
        '{\n  "name": "支付",\n  "values": [\n    1,\n    2.5,\n    null\n  ]\n}\n'
    )


def test_a_hash_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_files_and_folders_can_be_synced(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    sync_to_disk(tmp_path / "a")
    sync_to_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_to_disk(tmp_path / "b")


def test_a_link_is_relative_and_replaced_in_one_move(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "deep" / name).mkdir(parents=True)
        link_atomically(tmp_path / "link", tmp_path / "deep" / name)
        assert (tmp_path / "link").readlink() == Path("deep") / name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "link"]


def test_a_link_gets_over_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / ".link.partial").symlink_to("nowhere")
    link_atomically(tmp_path / "link", tmp_path / "target")
    assert (tmp_path / "link").resolve() == (tmp_path / "target").resolve()
