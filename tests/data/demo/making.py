"""What a generated data set gives, as rows."""

from __future__ import annotations

from typing import Any

import orjson

from ftcli.data.demo import demo_files
from ftcli.spec.card import Generator


def made(generator: Generator) -> dict[str, list[dict[str, Any]]]:
    files = demo_files(generator)
    return {split: [orjson.loads(line) for line in content.splitlines()] for split, content in files.items()}
