"""Running out of memory is told from other errors, and explained."""

from __future__ import annotations

import pytest
import torch

from ftcli.errors import OutOfMemoryError
from ftcli.train.memory import out_of_memory_at


def test_memory_that_the_cpu_does_not_have_is_an_error_with_a_way_out() -> None:
    with pytest.raises(OutOfMemoryError) as caught, out_of_memory_at("a micro-batch of 8 rows", "take fewer"):
        torch.empty(2**55, dtype=torch.float64)
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith("a micro-batch of 8 rows does not fit into memory: ")
    assert caught.value.problems[0].hint == "take fewer"


def test_memory_that_a_gpu_does_not_have_is_the_same_error() -> None:
    with pytest.raises(OutOfMemoryError, match="CUDA out of memory"), out_of_memory_at("scoring", ""):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught, out_of_memory_at("scoring", ""):
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not isinstance(caught.value, OutOfMemoryError)
