"""What tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.runtime.rundir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run")
