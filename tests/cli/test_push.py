"""`export --push`: the folder's files arrive at a hub, here a stand-in on this machine."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from huggingface_hub import ModelCard

from tests.cli.errors import refused
from tests.conftest import Ftcli, spawn

TOKEN = "hf_of_a_test"


class Hub(ThreadingHTTPServer):
    """Keeps what is committed; with `status` other than 200 it refuses everything."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.status = status
        self.made: list[dict[str, object]] = []
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Requests(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        if self.server.status != 200:
            self._answer({"error": "no"}, self.server.status)
        elif self.path == "/api/validate-yaml":
            assert ModelCard(json.loads(body)["content"]).data.library_name == "transformers"
            self._answer({"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self._answer({"url": f"{self.server.url}/someone/model"})
        elif self.path == "/api/models/someone/model/preupload/main":
            files = json.loads(body)["files"]
            self._answer({"files": [{**each, "uploadMode": "regular", "shouldIgnore": False} for each in files]})
        elif self.path == "/api/models/someone/model/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer({"commitUrl": f"{self.server.url}/someone/model/commit/1", "commitOid": "1"})
        else:
            self._answer({"error": self.path}, 404)

    def do_GET(self) -> None:
        self._answer({"id": "someone/model", "sha": "0", "siblings": []})

    def _answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(hub: Hub, environment: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name, value in {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}.items():
        environment.setenv(name, value)
    thread = Thread(target=hub.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


def test_the_folder_is_uploaded_whole_to_a_private_repository(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Hub(), monkeypatch) as hub:
        options = ("--ckpt", "run/best", "--output", tmp_path / "hf", "--push", "someone/model")
        done = spawn("export", *options)
    assert done.code == 0, done.err
    assert f"uploaded: {hub.url}/someone/model/commit/1" in done.out
    (made,) = hub.made
    assert made["name"] == "model"
    assert True in {made.get("private"), made.get("visibility") == "private"}  # versions of the client differ
    assert hub.files == {path.name: path.read_bytes() for path in (tmp_path / "hf").iterdir()}
    assert {"README.md", "model.safetensors", "parity.json"} <= set(hub.files)
    recipe = (trained / "run/best/recipe.toml").read_text()
    assert str(trained.resolve()) in recipe
    for name in ("README.md", "ftcli.json", "config.json", "parity.json", "tokenizer_config.json"):
        assert str(trained.resolve()).encode() not in hub.files[name], name


def test_a_hub_that_refuses_is_named_and_the_folder_stays(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hf"
    with serving(Hub(status=403), monkeypatch):
        done = spawn("export", "--ckpt", "run/best", "--output", folder, "--push", "someone/model")
    error = refused(done, 2)
    assert error.startswith(f"error[usage]: can't upload {folder} to someone/model: ")
    assert f"help: the export itself is whole; `hf upload someone/model {folder} .` tries again\n" in error
    assert (folder / "parity.json").is_file()


def test_a_name_that_is_none_is_refused_before_anything_is_written(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    done = ftcli("export", "--ckpt", "run/best", "--output", tmp_path / "hf", "--push", "a/b/c")
    assert refused(done, 2).startswith("error[usage]: --push a/b/c: Repo id must ")
    assert not (tmp_path / "hf").exists()


def test_without_a_token_nothing_is_written(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    done = spawn("export", "--ckpt", "run/best", "--output", tmp_path / "hf", "--push", "someone/model")
    assert refused(done, 2) == (
        "error[usage]: --push someone/model: there is no token to write with\n"
        "help: log in: hf auth login; or HF_TOKEN\n"
    )
    assert not (tmp_path / "hf").exists()
