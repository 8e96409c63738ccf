"""Memory that was freed is used again, not had from the system anew."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_TAKE_AND_FREE = """
import resource
import torch
from ftcli.runtime.allocator import keep_freed_memory
if {keeps}:
    keep_freed_memory()
for _ in range(5):
    torch.zeros(12_500_000).add_(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.zeros(12_500_000).add_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_taken(*, keeps: bool, **variables: str) -> int:
    command = [sys.executable, "-c", _TAKE_AND_FREE.format(keeps=keeps)]
    environment = {**os.environ, **variables}
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the setting")
def test_tensors_one_after_another_take_the_pages_of_the_first() -> None:
    taken_anew = pages_taken(keeps=False)
    if taken_anew < 1000:
        pytest.skip("this C library keeps freed memory by itself, or pages are huge")
    assert pages_taken(keeps=True) < taken_anew / 5
    assert pages_taken(keeps=True, MALLOC_MMAP_THRESHOLD_="131072") > taken_anew / 5
