"""Which of some names was probably meant by one that is not among them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_BAR = 0.65


def nearest(name: str, known: Iterable[str], bar: float = _BAR) -> str | None:
    """The known name that is most like it in any case, if one is likelier a slip of the pen than another word."""
    by_folded = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, 1, cutoff=bar)
    return by_folded[found[0]] if found else None


def did_you_mean(*names: str) -> str:
    """The question to somebody who wrote almost this, or something else in its place."""
    return f"did you mean {' or '.join(f'`{name}`' for name in names)}?"
