"""The names of devices, which are known without torch."""

from __future__ import annotations

from ftcli.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")


def check_device(name: str) -> None:
    """Make sure that there is such a device anywhere.

    Raises:
        UsageError: there is not.
    """
    if name not in DEVICES:
        raise UsageError(f"there is no device called `{name}`", hint="auto, cpu or cuda", key=("run", "device"))
