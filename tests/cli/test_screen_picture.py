"""The picture of the live screen: drawn from a run's log, and nothing of the machine it was drawn on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.readme import README

ROOT = README.parent
SCRIPT = ROOT / "docs" / "screen.py"


def drawn(run: Path, file: Path) -> str:
    command = [sys.executable, SCRIPT, run, "--step", "8", "--output", file]
    subprocess.run(command, check=True, capture_output=True)
    return file.read_text(encoding="utf-8")


def words(picture: str) -> str:
    return re.sub(r"<[^>]+>", " ", picture).replace("&#160;", " ")


def test_a_log_gives_the_same_picture_each_time_without_the_paths_of_the_machine(trained: Path, tmp_path: Path) -> None:
    picture = drawn(trained / "run", tmp_path / "a.svg")
    assert drawn(trained / "run", tmp_path / "b.svg") == picture
    assert str(trained) not in picture
    assert "step  8/12" in words(picture)


def test_the_picture_in_the_readme_is_one_of_the_quickstart() -> None:
    assert "(docs/screen.svg)" in README.read_text(encoding="utf-8")
    picture = words((ROOT / "docs" / "screen.svg").read_text(encoding="utf-8"))
    assert "ftcli train recipes/quickstart.toml" in picture
    assert not re.search(r"/(tmp|home|root|work)/", picture)
