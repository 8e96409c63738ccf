"""How numbers are written, alike in logs and on every screen."""

from __future__ import annotations

import math

from ftcli.spec.wording import counted


def trainable(part: int, whole: int) -> str:
    """`4.1M of 22.7M trainable (18%)`."""
    return f"{short(part)} of {short(whole)} trainable ({percent(part / whole if whole else 0.0)})"


def flat(text: str) -> str:
    """The text on one line, and without characters that could steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def figure(value: float, digits: int = 4) -> str:
    """A loss or a score; very small and very large ones keep their leading digits."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 10 ** (1 - digits) <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.1f}"


def rate(value: float) -> str:
    """A learning rate."""
    return f"{value:.1e}" if value else "0"


def short(value: float) -> str:
    """A count or a speed in at most five characters: `412`, `9.8k`, `22.7M`."""
    if not math.isfinite(value):
        return str(value)
    unit = ""
    for larger in "kMBT":
        if abs(value) < 999.5:
            break
        value, unit = value / 1000, larger
    text = f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}"
    return text + unit if unit else text.removesuffix(".0")


def percent(share: float) -> str:
    """A share as a whole percentage that says 0 or 100 only where that is exact."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def amount(number: int, unit: str) -> str:
    """`2,400 rows` or `91.4 MB`."""
    return size(number) if unit == "bytes" else counted(number, unit.removesuffix("s"))


def size(num_bytes: float) -> str:
    """A size in decimal units: `91.4 MB`."""
    text = short(num_bytes)
    unit = {"k": "kB", "M": "MB", "B": "GB", "T": "TB"}.get(text[-1])
    return f"{text[:-1]} {unit}" if unit else f"{text} B"


def written(num_bytes: int, seconds: float) -> str:
    """`262 MB in 0.8 s`."""
    return f"{size(num_bytes)} in {spent(seconds)}"


def clock(seconds: float) -> str:
    """A duration as `0:41` or `1:02:03`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def spent(seconds: float) -> str:
    """A duration in a sentence: `0.8 s` below a minute, else as on a clock."""
    return f"{seconds:.1f} s" if seconds < 59.95 else clock(seconds)


def epoch_text(epoch: float) -> str:
    """`2`, `0.5` or `1.33`."""
    return f"{epoch:.2f}".rstrip("0").rstrip(".")
