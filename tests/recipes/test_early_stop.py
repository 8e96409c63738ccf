"""The example of callbacks: a script that stops by a score of its own and posts events to a webhook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes" / "custom" / "early_stop.py"
STUCK = ("optimizer.lr=0.0", "evaluate.every=1")
"""Nothing is learned, so no later evaluation is better than the first."""


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers with the server's status."""

    server: Listening

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class Listening(ThreadingHTTPServer):
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.heard: list[tuple[str, dict[str, Any]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


@pytest.fixture
def hook() -> Iterator[Listening]:
    with Listening() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(SCRIPT.parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})


def test_it_stops_when_its_score_no_longer_rises_and_tells_the_webhook(project: Path, hook: Listening) -> None:
    done = run("tiny.toml", hook.address, *STUCK)
    assert done.returncode == 0, done.stderr
    assert "for 2 evaluations: stopped after step 3" in done.stdout
    assert {kind for kind, _ in hook.heard} == {"application/json"}
    events = [record["event"] for _, record in hook.heard]
    assert events[0] == "run_started"
    assert events.count("evaluated") == 3
    assert "run_finished" not in events
    assert (project / "run/best/model.safetensors").is_file()


def test_a_run_that_gets_better_is_trained_to_its_end(project: Path, hook: Listening) -> None:
    done = run("tiny.toml", hook.address, "evaluate.every=6")
    assert done.returncode == 0, done.stderr
    assert hook.heard[-1][1]["event"] == "run_finished"


@pytest.mark.parametrize("trouble", ["refuses", "is no address"])
def test_a_webhook_that_fails_does_not_stop_training(project: Path, hook: Listening, trouble: str) -> None:
    hook.status = 500
    done = run("tiny.toml", hook.address if trouble == "refuses" else "nowhere", *STUCK)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the webhook did not take it") >= 4
    assert "stopped after step 3" in done.stdout

