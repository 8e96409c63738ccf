"""A web server that misbehaves on demand."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ftcli.errors import DataError

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


def hint_of(error: DataError) -> str:
    hint = error.problems[0].hint
    assert hint is not None
    return hint
