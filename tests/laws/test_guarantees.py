"""What the README guarantees is backed by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)?::(?P<test>test_\w+)`")


def test_every_guarantee_of_the_readme_names_tests_that_exist() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## What ftcli guarantees\n")[1]
    guarantees = re.findall(r"^- \*\*.+?(?=^- \*\*|\n\n)", section.split("\n## ")[0], flags=re.MULTILINE | re.DOTALL)
    assert guarantees
    for guarantee in guarantees:
        names = list(NAMED.finditer(guarantee))
        assert names, guarantee
        file = ""
        for name in names:
            file = name["file"] or file
            assert f"\ndef {name['test']}(" in (ROOT / file).read_text(encoding="utf-8"), name[0]
