"""What a recipe says label by label, such as weights and thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ftcli.errors import RecipeError
from ftcli.spec.nearest import did_you_mean, nearest

MOST_SHOWN = 40


def values_by_label(
    given: Mapping[str, float], labels: Sequence[str], *, default: float, key: str
) -> tuple[float, ...]:
    """A value for each label: the one that `task.KEY` gives, or else the default.

    Raises:
        RecipeError: it names a label that there isn't.
    """
    for name in given:
        if name not in labels:
            what = f"`task.{key}` names `{name}`, which is no label of the data"
            raise RecipeError(what, hint=_nearest(name, labels), key=("task", key))
    return tuple(given.get(label, default) for label in labels)


def _nearest(name: str, labels: Sequence[str]) -> str:
    near = nearest(name, labels)
    more = f" and {len(labels) - MOST_SHOWN} more" if len(labels) > MOST_SHOWN else ""
    return (f"{did_you_mean(near)} " if near else "") + f"The labels are {', '.join(labels[:MOST_SHOWN])}{more}"
