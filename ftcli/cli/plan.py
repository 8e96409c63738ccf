"""The plan that `ftcli train --dry-run` prints: what would be trained, how long, on what, and who said so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ftcli.cli.table import trimmed
from ftcli.flows.figures import percent, rate, short, size
from ftcli.spec.dump import toml_value
from ftcli.spec.recipe import Recipe
from ftcli.spec.wording import counted

if TYPE_CHECKING:
    from ftcli.flows.plan import Plan

_BARS = "▁▂▃▄▅▆▇█"
_USABLE = 0.9
"""Of a device's memory; the rest goes to its driver, to kernels and to gaps."""
_UNFOLDED_CELLS = 1 << 20
"""The width of a table that is no wider than its texts: in a pipe or a file, each value is on one line."""


def show_plan(console: Console, plan: Plan, recipe: Recipe, *, device_bytes: float | None = None) -> None:
    """Print a plan to standard output; only a terminal's width folds it. `device_bytes` are those of a process."""
    has_processes = plan.footprints.num_processes > 1 or device_bytes is not None
    tables = [
        _facts(plan),
        *([_footprints(plan, device_bytes)] if has_processes else []),
        *([_floor(plan.footprints.floor)] if plan.footprints.floor is not None else []),
        *([_patterns(plan)] if plan.patterns else []),
        _parameters(plan),
        _values(recipe),
    ]
    width = console.width if console.is_terminal else _UNFOLDED_CELLS
    for table in tables:
        console.print(trimmed(console, table, width), soft_wrap=True, highlight=False)
    for remark in plan.remarks:
        is_warning = remark.level == "warning"
        label = Text("warning: ", "bold yellow") if is_warning else Text("note: ", "dim")
        console.print(label.append(remark.text, "none"), soft_wrap=True, highlight=False)


def _facts(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _fact_rows(plan):
        table.add_row(name, Text(value))
    return table


def _fact_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "data", f"{plan.data}: " + ", ".join(f"{rows:,} {split}" for split, rows in plan.rows.items())
    yield "steps", f"{plan.total_steps:,} of {counted(plan.batch_size)}; {plan.steps_per_epoch:,} are an epoch"
    yield "steps in", plan.cut
    yield "padding", f"{percent(plan.padding)} of token slots; {percent(plan.padding_unsorted)} unsorted and uncut"
    for number, (start, description) in enumerate(plan.stages):
        yield f"stage {number + 1}", f"from step {start:,}: {description}"
        if reason := plan.caches[number].reason:
            yield "", reason
    yield "schedule", _curve(plan)
    yield "precision", f"{plan.precision} on {plan.device}; weights and optimizer in fp32"
    yield "memory", _memory(plan)
    all_kept = f"{size(plan.disk_bytes)} at most for all that are kept"
    yield "disk", f"{size(plan.checkpoint_bytes)} a checkpoint, {all_kept}{_cached(plan)}"
    if plan.new_parameters:
        yield "new weights", ", ".join(plan.new_parameters)
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in plan.tried.shapes.items())
    yield "one batch", f"{shapes} -> logits {list(plan.tried.logits)}, loss {plan.tried.loss:.4f}"


def _memory(plan: Plan) -> str:
    own, several = plan.footprints.own, plan.footprints.num_processes > 1
    kept = f"weights {size(own.weights)}, gradients {size(own.gradients)}, optimizer {size(own.optimizer)}"
    where = " in each process" if several else ""
    return f"{size(own.peak)} at most{where}: {kept}, inner values of a micro-batch {size(own.activations)}"


def _footprints(plan: Plan, device_bytes: float | None) -> Table:
    """What each process takes, by what is split; the recipe's own way has a star."""
    count = counted(plan.footprints.num_processes, "process", "es")
    title = f"\nmemory of each of {count}, by distributed.sharding (* the recipe's)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("weights", "gradients", "optimizer", "inner", "at most", "sent"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("" if device_bytes is None else f"fits {size(device_bytes)}", no_wrap=True)
    for each in plan.footprints.every:
        numbers = (each.weights, each.gradients, each.optimizer, each.activations, each.peak, each.sent)
        fits = "" if device_bytes is None else "yes" if each.peak <= device_bytes * _USABLE else "no"
        own = " *" if each.split == plan.footprints.own.split else ""
        table.add_row(each.split + own, *map(size, numbers), fits)
    return table


def _floor(num_bytes: int) -> Text:
    return Text(
        f"stage1 deals whole tensors, so the largest ({size(num_bytes)} of optimizer) is its floor; stage2 splits it"
    )


def _cached(plan: Plan) -> str:
    num_bytes = sum(decision.num_bytes for decision in plan.caches)
    return f"; {size(num_bytes)} of cached states" if num_bytes else ""


def _curve(plan: Plan) -> str:
    """The rate over the run, as bars, and at its ends in numbers."""
    highest = max(1.0, *(factor for _, factor in plan.schedule))
    bars = "".join(_BARS[round(factor / highest * (len(_BARS) - 1))] for _, factor in plan.schedule)
    (first, start), (last, end) = plan.schedule[0], plan.schedule[-1]
    return f"{bars}  x{start:.3g} at step {first}, x{end:.3g} at step {last:,}"


def _patterns(plan: Plan) -> Table:
    table = Table(title="\nfreezing", title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("pattern", overflow="fold")
    table.add_column("effect")
    for name in ("tensors", "count", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in plan.patterns:
        numbers = (str(row.num_tensors), short(row.num_parameters), size(row.num_bytes))
        table.add_row(Text(row.pattern), row.effect, *numbers)
    return table


def _parameters(plan: Plan) -> Table:
    table = Table(title="\nparameters", title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("group", overflow="fold")
    for name in ("tensors", "count", "lr", "decay", "trained from"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in plan.parameters:
        first = "never" if row.first_step is None else f"step {row.first_step:,}"
        lr, decay = ("", "") if row.first_step is None else (rate(row.lr), f"{row.weight_decay:g}")
        table.add_row(Text(row.group), str(row.num_tensors), short(row.num_parameters), lr, decay, first)
    return table


def _values(recipe: Recipe) -> Table:
    """Every value in force and where it comes from. Where it gets narrow, both are folded and keys stay."""
    table = Table(title="\nrecipe", title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("key", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", style="dim", overflow="fold")
    for key, value, origin in _value_rows(recipe):
        table.add_row(key, Text(value), Text(origin))
    return table


def _value_rows(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    for section, values in recipe.spec.model_dump(mode="json", exclude_none=True).items():
        for key, value in cast("dict[str, Any]", values).items():
            origin = recipe.origin((section, key))
            if origin.startswith("--set "):
                origin = origin.partition("=")[0]  # the value stands beside it
            yield f"{section}.{key}", toml_value(value), origin
