"""Which device a process computes on."""

from __future__ import annotations

import math

import torch

from ftcli.errors import UsageError
from ftcli.runtime.device_names import check_device
from ftcli.runtime.launch import num_here, place_here
from ftcli.spec.wording import counted


def choose_device(name: str, *, shares: bool = False) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means for this process.

    On a GPU, attention is other than cuDNN's from then on.

    Args:
        name: Which it is to be.
        shares: Whether processes may share a GPU, where the machine has fewer.

    Raises:
        UsageError: there is no such device, CUDA was asked for and there is none, or not one for each process.
    """
    check_device(name)
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("cuda was asked for, but torch sees no CUDA device", key=("run", "device"))
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    num_processes, num_gpus = num_here(), torch.cuda.device_count()
    if num_processes > num_gpus and not shares:
        what = f"torch sees {counted(num_gpus, 'GPU')} on this machine, which is to run {num_processes} processes"
        hint = f'torchrun --nproc-per-node {num_gpus}, or let them share: distributed.backend = "gloo"'
        raise UsageError(what, hint=hint, key=("run", "device"))
    device = torch.device("cuda", place_here() % num_gpus)
    torch.cuda.set_device(device)
    # cuDNN's attention makes a plan for every shape that is new to it, and batches padded to their longest row have
    # many: on an H200, steps of a BERT in bf16 took 110 ms while shapes were new, and 35 ms after that.
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    return device


def own_memory(device: torch.device) -> int:
    """The bytes of a GPU's memory, free or not, that are this process's: equal parts of several on one; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    num_sharing = math.ceil(num_here() / torch.cuda.device_count())
    return torch.cuda.mem_get_info(device)[1] // num_sharing
