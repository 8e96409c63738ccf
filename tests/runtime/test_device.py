from __future__ import annotations

import pytest
import torch

from ftcli.errors import UsageError
from ftcli.runtime.device import choose_device, own_memory


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="no device called `tpu`"):
        choose_device("tpu")


def test_processes_share_gpus_only_where_they_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    attention: list[bool] = []
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", lambda enabled: attention.append(enabled))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    with pytest.raises(UsageError, match="torch sees 2 GPUs on this machine, which is to run 4 processes"):
        choose_device("auto")
    assert choose_device("auto", shares=True) == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("cuda") == torch.device("cuda", 1)
    assert chosen == [torch.device("cuda", 1)] * 2
    assert attention == [False] * 2  # it would plan anew for every shape of a batch


def test_processes_of_a_gpu_have_equal_parts_of_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 80 * 2**30))
    for num_processes, parts in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(num_processes))
        assert own_memory(torch.device("cuda", 0)) == 80 * 2**30 // parts
    assert own_memory(torch.device("cpu")) == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_a_usage_error_about_the_recipe() -> None:
    with pytest.raises(UsageError, match="no CUDA device") as raised:
        choose_device("cuda")
    assert raised.value.problems[0].key == ("run", "device")
