"""What tests of this folder share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.toy import TEST, TRAIN, jsonl
from tests.data.web import CONTENT, Site, SiteServer


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


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "train.jsonl").write_text(jsonl(TRAIN))
    (folder / "dev.csv").write_text('q1,q2,y,note\n"a, b",c,1,x\nd,e,0,\n')
    (folder / "test.jsonl").write_text(jsonl(TEST))
    return folder
