"""Downloads that survive a bad line: resumed where they broke off, checked, and kept.

A download grows in `<file>.part` and is renamed when it is whole. `<file>.source.json` beside it says which URL it
came from and the server's mark (ETag or date) of that version: with it a resumed request gets the rest of the same
version, or a changed file from its beginning. Without such a mark a broken download starts over.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ftcli import __version__
from ftcli.data.marks import Mark, place_for, read_mark, write_mark
from ftcli.errors import DataError, Location
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.files import sha256_of
from ftcli.spec.wording import counted, verb

BACKOFF_SECONDS = (1.0, 3.0, 9.0)
TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 16
BY_HAND = "download it yourself and pass --source FILE"
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(slots=True)
class _Target:
    url: str
    path: Path
    timeout_seconds: float

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")


class _Cut(Exception):  # noqa: N818
    """A broken attempt that another one may mend."""


def is_url(text: str) -> bool:
    """Whether a file is named by a URL that can be downloaded."""
    return text.startswith(("http://", "https://"))


def download(
    url: str,
    *,
    folder: Path,
    sha256: str | None = None,
    backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Working[Path]:
    """Download a file into `folder` unless it is there already, and return its path.

    Args:
        url: What to download.
        folder: Where downloads are kept; it is made if need be.
        sha256: The hash the file must have, if it is known.
        backoff_seconds: The waits before another try. Getting further than ever before begins them anew.
        timeout_seconds: How long one read may take.

    Raises:
        DataError: It can't be downloaded or stored, or has another hash.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = _Target(url, place_for(url, folder=folder), timeout_seconds)
        if _is_kept(target) and (sha256 is None or sha256_of(target.path) == sha256):
            return target.path
        yield from _fetch(target, backoff_seconds=backoff_seconds)
        if sha256 is not None and (found := sha256_of(target.part)) != sha256:
            target.part.unlink()
            what = f"{url} has SHA-256 {found}, but {sha256} is expected"
            raise DataError(
                what, where=Location(url), hint="the file has changed or was damaged on its way; it was removed"
            )
        target.part.replace(target.path)
    except OSError as error:
        raise DataError(f"can't store {url} in {folder}: {error.strerror or error}") from None
    return target.path


def _is_kept(target: _Target) -> bool:
    if not target.path.is_file():
        return False
    mark = read_mark(target.path)
    # A file without a mark was put there by hand.
    return mark is None or mark.size == target.path.stat().st_size


def _fetch(target: _Target, *, backoff_seconds: Sequence[float]) -> Working[None]:
    furthest, waits = 0, list(backoff_seconds)
    while True:
        try:
            yield from _attempt(target)
        except _Cut as cut:
            reached = target.part.stat().st_size if target.part.exists() else 0
            if reached > furthest:
                furthest, waits = reached, list(backoff_seconds)
            if not waits:
                came = f"{counted(reached, 'byte')} that came {verb(reached, 'is', 'are')}"
                kept = f"; the {came} kept, to go on from" if reached else ""
                raise DataError(
                    f"can't download {target.url}: {cut}{kept}", where=Location(target.url), hint=BY_HAND
                ) from None
            time.sleep(waits.pop(0))
        else:
            return


def _attempt(target: _Target) -> Working[None]:
    """Get what is missing of the file; afterwards the part is whole."""
    offset, mark = _resume_point(target)
    with _opened(target, offset=offset, mark=mark) as response:
        begin = _begin(response, offset=offset, mark=mark)
        length = response.headers.get("Content-Length")
        total = begin + int(length) if length else None
        write_mark(target.path, Mark(target.url, _validator(response)))
        done = begin
        with target.part.open("r+b" if begin else "wb") as part:
            part.seek(begin)
            for chunk in _chunks(response):
                part.write(chunk)
                done += len(chunk)
                yield Activity(f"download {target.path.name}", done, total, "bytes")
            part.truncate()
    if total is not None and done != total:
        raise _Cut(f"the connection broke off after {done:,} of {counted(total, 'byte')}")
    write_mark(target.path, Mark(target.url, _validator(response), done))


def _resume_point(target: _Target) -> tuple[int, Mark | None]:
    mark = read_mark(target.path)
    if mark is None or mark.validator is None or not target.part.exists():
        return 0, None
    return target.part.stat().st_size, mark


@contextmanager
def _opened(target: _Target, *, offset: int, mark: Mark | None) -> Generator[http.client.HTTPResponse]:
    headers = {"User-Agent": f"ftcli/{__version__}", "Accept-Encoding": "identity"}
    if offset and mark is not None and mark.validator is not None:
        headers |= {"Range": f"bytes={offset}-", "If-Range": mark.validator}
    try:
        response = cast(
            "http.client.HTTPResponse", urlopen(Request(target.url, headers=headers), timeout=target.timeout_seconds)
        )
    except HTTPError as error:
        with error:
            raise _refusal(target, error) from None
    except http.client.InvalidURL as error:
        raise DataError(f"{target.url} is no URL: {error}") from None
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _Cut(_reason(error)) from None
    except URLError as error:
        raise _unreachable(target, error) from None
    with response:
        yield response


def _refusal(target: _Target, error: HTTPError) -> Exception:
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        target.part.unlink(missing_ok=True)
        return _Cut("the part that was there can't be continued")
    if error.code in WORTH_ANOTHER_TRY:
        return _Cut(f"the server says {error.code} {error.reason}")
    hint = "if the file has moved, name another one with --source" if error.code == http.client.NOT_FOUND else BY_HAND
    return DataError(
        f"can't download {target.url}: the server says {error.code} {error.reason}",
        where=Location(target.url),
        hint=hint,
    )


def _unreachable(target: _Target, error: URLError) -> Exception:
    # A refused connection or an unknown host is an answer; waiting would not change it.
    if isinstance(error.reason, TimeoutError | ConnectionResetError | BrokenPipeError):
        return _Cut(_reason(error.reason))
    return DataError(
        f"can't reach {urlsplit(target.url).netloc}: {error.reason}", where=Location(target.url), hint=BY_HAND
    )


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(_reason(error)) from None
        if not chunk:
            return
        yield chunk


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server doesn't answer"
    return f"the connection broke off ({str(error) or type(error).__name__})"


def _begin(response: http.client.HTTPResponse, *, offset: int, mark: Mark | None) -> int:
    """Return where in the file the response's bytes begin."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    same = mark is not None and _validator(response) in (None, mark.validator)
    if not same or not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        raise _Cut("the server sent another part than it was asked for")
    return offset


def _validator(response: http.client.HTTPResponse) -> str | None:
    tag = response.headers.get("ETag")
    # A weak tag promises the same meaning, not the same bytes.
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
