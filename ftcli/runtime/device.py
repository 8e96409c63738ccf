"""Which device a process computes on."""

from __future__ import annotations

import os

import torch

from ftcli.errors import UsageError
from ftcli.runtime.device_names import check_device


def choose_device(name: str) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means for this process.

    Raises:
        UsageError: there is no such device, or CUDA was asked for and there is none.
    """
    check_device(name)
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("cuda was asked for, but torch sees no CUDA device", key=("run", "device"))
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device
