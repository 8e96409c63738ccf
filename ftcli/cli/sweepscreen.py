"""A sweep on the screen: a table of its runs, drawn anew on a terminal; plain lines elsewhere; and its results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ftcli.cli.drawing import Drawing
from ftcli.cli.table import Column, Phrase, bar, table, trimmed
from ftcli.flows.figures import clock, figure, flat
from ftcli.flows.sweeping.plan import PlannedRun, SweepPlan
from ftcli.flows.sweeping.progress import RunState
from ftcli.flows.sweeping.results import Results
from ftcli.flows.sweeping.sweep import (
    RunChanged,
    SweepEvent,
    SweepFinished,
    SweepStarted,
    TrialDrawn,
    WaitingForOthers,
    sweep,
)
from ftcli.flows.sweeping.wording import TITLES, cells_of, sentences_of
from ftcli.spec.wording import counted

STOPPING = "stopping: runs under way save first; once more ends them at once"
GOING_ON = "the same command goes on"
_OTHER_LINES = 5
_ORDER = {"running": 0, "failed": 1, "stopped": 2, "waiting": 3, "finished": 4}
_STYLES = {"running": "bold", "failed": "red", "stopped": "yellow", "waiting": "dim", "finished": ""}


def drive_sweep(plan: SweepPlan, *, jobs: int) -> int:
    """Show a sweep to its end, then its results on stdout; returns the exit code."""
    console, code = Console(stderr=True), 0
    with _screen(console) as screen:
        for event in sweep(plan, jobs=jobs, answer=lambda: screen.say(Text(STOPPING))):
            screen.show(event)
            if isinstance(event, SweepFinished):
                code = event.exit_code
                _show_results(Console(), event.results)
                _show_what_is_left(console, event.results, num_runs=plan.num_runs)
    return code


def show_sweep_plan(console: Console, plan: SweepPlan) -> None:
    """Print the runs of a sweep."""
    columns = [
        Column("run", [run.name for run in plan.runs], justify="left"),
        Column("steps", [f"{run.total_steps:,}" for run in plan.runs]),
    ]
    console.print(trimmed(console, table(columns, console.width)), soft_wrap=True, highlight=False)
    left = counted(plan.num_settings - len(plan.settings), "further trial")
    drawn = [] if plan.is_drawn else [f"{left} not listed: each is drawn by what those before it have scored"]
    for line in (f"{plan.size}, in {plan.folder}", *drawn, *plan.notes):
        console.print(Text(flat(line)), soft_wrap=True, highlight=False)


def _show_results(console: Console, results: Results) -> None:
    rows = cells_of(results)
    columns = [
        Column(title, [row[place] for row in rows], rank=rank, justify="right" if place else "left")
        for place, (title, rank) in enumerate(zip(TITLES, (0, 1, 0, 2, 4, 3, 5), strict=True))
    ]
    console.print(trimmed(console, table(columns, console.width)), soft_wrap=True, highlight=False)
    for line in sentences_of(results):
        console.print(Text(line), soft_wrap=True, highlight=False)


def _show_what_is_left(console: Console, results: Results, *, num_runs: int) -> None:
    if not results.is_complete:
        done = sum(run.phase == "finished" for run in results.runs)
        line = f"stopped: {done} of {counted(num_runs, 'run')} are finished; {GOING_ON}"
        console.print(line, soft_wrap=True, highlight=False)


@contextmanager
def _screen(console: Console) -> Generator[_PlainScreen | _LiveScreen]:
    if not console.is_terminal or console.is_dumb_terminal:
        yield _PlainScreen(console)
        return
    screen = _LiveScreen(console)
    try:
        yield screen
    finally:
        screen.close()


def _opening(event: SweepStarted) -> list[str]:
    done = sum(state.phase == "finished" for state in event.states.values())
    kept = f"; {done} are finished already" if done else ""
    return [f"{event.plan.size}, {event.jobs} at a time, in {event.plan.folder}{kept}", *event.plan.notes]


def _waiting(event: WaitingForOthers) -> str:
    return f"waiting for runs of a sweep in {event.folder} that was killed: they are saving"


def _ending(run: PlannedRun, state: RunState, metric: str) -> str | None:
    """The line that stays of a run that has ended."""
    if state.phase == "failed":
        return f"{run.name}: failed: {state.error}"
    if state.phase == "stopped":
        return f"{run.name}: stopped at step {state.step:,} of {state.total_steps:,}"
    score = "" if state.score is None else f": {metric} {figure(state.score)} in the last evaluation"
    return f"{run.name}: finished{score}" if state.phase == "finished" else None


class _PlainScreen:
    """One line for each run that begins, is scored, or ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._metric = ""
        self._states: dict[str, RunState] = {}

    def say(self, text: RenderableType) -> None:
        """Write a line."""
        self._console.print(text, soft_wrap=True, highlight=False)

    def show(self, event: SweepEvent) -> None:
        """Write what has happened, if it is worth a line."""
        match event:
            case SweepStarted():
                self._metric, self._states = event.plan.metric, dict(event.states)
                lines = _opening(event)
            case TrialDrawn():
                self._states, lines = dict(event.states), []
            case WaitingForOthers():
                lines = [_waiting(event)]
            case RunChanged():
                lines = self._of_run(event.run, event.state)
            case SweepFinished():
                lines = []
        for line in lines:
            self.say(Text(flat(line)))

    def _of_run(self, run: PlannedRun, state: RunState) -> list[str]:
        before, self._states[run.name] = self._states[run.name], state
        if ending := _ending(run, state, self._metric):
            return [ending]
        total = state.total_steps
        if before.phase == "stopped":
            return [f"{run.name}: goes on at step {state.step:,} of {total:,}"]
        if before.phase == "waiting":
            return [f"{run.name}: begins"]
        if state.score is not None and state.scored_at != before.scored_at:
            return [f"{run.name}: {self._metric} {figure(state.score)} at step {state.scored_at:,} of {total:,}"]
        return []


@dataclass
class _LiveScreen:
    """Draws the table of runs, and prints above it what stays."""

    console: Console
    plan: SweepPlan | None = None
    jobs: int = 1
    states: dict[str, RunState] = field(default_factory=dict[str, RunState])
    drawing: Drawing = field(init=False)

    def __post_init__(self) -> None:
        self.drawing = Drawing(self.console, self._frame)

    def say(self, text: RenderableType) -> None:
        """Print above the table."""
        self.drawing.print(text)

    def show(self, event: SweepEvent) -> None:
        """Bring the table up to date."""
        match event:
            case SweepStarted():
                self.plan, self.states, self.jobs = event.plan, event.states, event.jobs
                for line in _opening(event):
                    self.say(Text(flat(line)))
                self.drawing.start()
            case TrialDrawn(plan, states):
                self.plan, self.states = plan, states
            case WaitingForOthers():
                self.say(Text(_waiting(event)))
            case RunChanged(run, state):
                self.states = {**self.states, run.name: state}
                if state.phase == "failed":
                    self.say(Text(flat(f"{run.name}: failed: {state.error}"), "red"))
            case SweepFinished():
                self.drawing.stop()

    def close(self) -> None:
        """Take the table away."""
        self.drawing.stop()

    def _frame(self) -> RenderableType:
        if self.plan is None:
            return Text()
        size = self.console.size
        return sweep_view(self.plan, self.states, jobs=self.jobs, width=size.width, height=size.height)


def sweep_view(plan: SweepPlan, states: dict[str, RunState], *, jobs: int, width: int, height: int) -> RenderableType:
    """The table of runs (of more than fit, those under way first), and how far all of them have come."""
    most = max(1, height - _OTHER_LINES)
    chosen = sorted(plan.runs, key=lambda run: _ORDER[states[run.name].phase])[:most]
    shown = [run for run in plan.runs if run in chosen]
    of = [states[run.name] for run in shown]
    columns = [
        Column("setting", [flat(run.setting.name) for run in shown], justify="left"),
        Column("seed", [str(run.seed) for run in shown], least=4),
        Column("state", [state.phase for state in of], justify="left", least=8),
        Column("step", [f"{state.step:,}/{state.total_steps:,}" for state in of], rank=2),
        Column(plan.metric, [_or_blank(state.score, figure) for state in of], rank=1, least=8),
        Column("left", [_or_blank(state.seconds_left, clock) for state in of], rank=3, least=5),
    ]
    return Group(
        Text(),
        table(columns, width, styles=[_STYLES[state.phase] for state in of]),
        _overall(plan, list(states.values()), jobs=jobs, width=width),
    )


def _or_blank(value: float | None, write: Callable[[float], str]) -> str:
    return "" if value is None else write(value)


def _overall(plan: SweepPlan, states: Sequence[RunState], *, jobs: int, width: int) -> RenderableType:
    done = sum(state.phase == "finished" for state in states)
    counts = {phase: sum(state.phase == phase for state in states) for phase in ("running", "failed", "waiting")}
    tail = [Phrase(Text(f"{count} {phase}", style=_STYLES[phase]), 1) for phase, count in counts.items() if count]
    steps = sum(state.step if state.phase != "finished" else state.total_steps for state in states)
    if (left := _left(plan, states, jobs)) is not None:
        tail.append(Phrase(Text(f"eta {clock(left)}"), 0))
    said = Text(f"{done} of {counted(plan.num_runs, 'run')}")
    return bar(said, done=steps, total=plan.total_steps, tail=tail, width=width)


def _left(plan: SweepPlan, states: Sequence[RunState], jobs: int) -> float | None:
    """The seconds that are left, going by the pace of the runs under way."""
    paces = [
        state.seconds_left / (state.total_steps - state.step)
        for state in states
        if state.phase == "running" and state.seconds_left is not None and state.step < state.total_steps
    ]
    if not paces:
        return None
    steps = sum(state.total_steps - state.step for state in states if state.phase in ("running", "waiting", "stopped"))
    steps += plan.total_steps - sum(state.total_steps for state in states)  # of trials that are not drawn yet
    return steps * sum(paces) / len(paces) / min(jobs, plan.num_runs)
