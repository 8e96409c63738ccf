"""A sweep's results in words: the cells of its table, and the sentences under it, for screens and results.md alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ftcli.flows.figures import figure, flat
from ftcli.flows.sweeping.results import Mean, Results, SettingResult
from ftcli.spec.wording import counted
from ftcli.tasks.intervals import Interval

TITLES = ("setting", "n", "mean", "spread", "95 % interval", "to the best", "95 % interval of that")


def cells_of(results: Results) -> list[tuple[str, ...]]:
    """A row for each setting, the best first; as many cells as TITLES."""
    return [_row(result, is_best=result.setting == results.best) for result in results.settings]


def _row(result: SettingResult, *, is_best: bool) -> tuple[str, ...]:
    name = flat(result.setting)
    if result.mean is None:
        return name, "0", "", "", "", "", ""
    mean, spread = figure(result.mean.mean), "" if result.mean.spread is None else figure(result.mean.spread)
    known = (name, str(result.mean.n), mean, spread, range_of(result.mean.interval))
    if is_best:
        return *known, "best", ""
    if result.difference is None:
        return *known, "", ""
    return *known, f"{result.difference.difference:+.4f}", range_of(result.difference.interval, sign="+")


def range_of(interval: Interval | None, *, sign: str = "-") -> str:
    """`0.8512 to 0.8693`; nothing where there is no interval. With `sign` "+", positive ends have theirs, too."""
    return "" if interval is None else f"{interval.low:{sign}.4f} to {interval.high:{sign}.4f}"


def sentences_of(results: Results) -> Iterator[str]:
    """What the table means, what is shown, and the best setting's test scores; then what has failed."""
    yield (
        f"{results.metric} on the validation split: the mean over n seeds, their standard deviation (spread), and the"
        " mean's t interval; differences are taken seed by seed"
    )
    yield from (flat(result.verdict) for result in results.settings if result.verdict)
    if results.test is not None:
        yield from _tested(results, results.test)
    for run in results.runs:
        if run.phase == "failed":
            yield flat(f"failed: {run.setting}, seed {run.seed}: {run.error} ({run.run})")


def _tested(results: Results, test: dict[str, Mean]) -> Iterator[str]:
    if len(results.settings) > 1:
        yield (
            f"{results.best} was chosen as the best by these very scores, so its mean is likely a little too high;"
            " the test split, which had no part in that, is shown of it alone, and once:"
        )
    name = results.metric if results.metric in test else next(iter(test))
    interval = f", 95 % interval {range_of(test[name].interval)}" if test[name].interval else ""
    yield f"test {name} {figure(test[name].mean)}{interval} ({counted(test[name].n, 'seed')})"


def as_markdown(results: Results) -> str:
    """The table and its sentences as results.md has them."""
    rows = [TITLES, ("---", *["---:"] * (len(TITLES) - 1)), *cells_of(results)]
    said = [*([] if results.is_complete else ["not all runs have ended yet"]), *sentences_of(results)]
    return "\n".join(["# Sweep", "", *map(_line, rows), "", *(f"- {sentence}" for sentence in said), ""])


def _line(row: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
