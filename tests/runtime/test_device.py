from __future__ import annotations

import pytest
import torch

from ftcli.errors import UsageError
from ftcli.runtime.device import choose_device


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="no device called `tpu`"):
        choose_device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_a_usage_error_about_the_recipe() -> None:
    with pytest.raises(UsageError, match="no CUDA device") as raised:
        choose_device("cuda")
    assert raised.value.problems[0].key == ("run", "device")
