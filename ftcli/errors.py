"""Everything that can go wrong for a user, and the exit code each case ends with.

    FtcliError
    ├── ParityError         1   an export that does not answer as its checkpoint does
    ├── RecipeError         2   a recipe, a data card or a command line that can't be used
    ├── DataError           3   a data file that can't be read or doesn't fit
    ├── OutOfMemoryError    4   out of memory
    ├── NonFiniteError      5   the loss is no longer a number
    ├── CheckpointError     6   a checkpoint that is missing, damaged or of another kind
    └── DistributedError    7   the processes of a run can't work together
        ├── LostContactError    another process is gone or silent
        └── OrphanedError       the process that speaks for all has fallen silent

An error carries problems; each says what is wrong, where, and how to mend it. Everything else that is raised is
a bug and exits with 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a text file or on the command line; lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None
    width: int = 1
    text: str | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, where, and how to mend it.

    `key` is the recipe key it is about, as a path such as `("freeze", "patterns", 0)`; whoever still has the
    recipe's text at hand turns it into a location.
    """

    what: str
    where: Location | None = None
    hint: str | None = None
    key: tuple[str | int, ...] | None = None


class FtcliError(Exception):
    """An error a user can mend. Its text needs no traceback."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"

    def __init__(
        self,
        what: str | Sequence[Problem],
        *,
        where: Location | None = None,
        hint: str | None = None,
        key: tuple[str | int, ...] | None = None,
    ) -> None:
        problems = (Problem(what, where, hint, key),) if isinstance(what, str) else tuple(what)
        super().__init__("\n".join(problem.what for problem in problems))
        self.problems = problems


class ParityError(FtcliError):
    """An exported model that does not answer as its checkpoint does."""

    kind = "parity"


class RecipeError(FtcliError):
    """A recipe, a data card or a command line that can't be used as it stands."""

    exit_code = 2
    kind = "recipe"


class UsageError(RecipeError):
    """A command that can't be carried out as it was given, whatever the recipe says."""

    kind = "usage"


class DataError(FtcliError):
    """A data file that can't be had, can't be read, or doesn't fit."""

    exit_code = 3
    kind = "data"


class OutOfMemoryError(FtcliError):
    """A step that needs more memory than there is."""

    exit_code = 4
    kind = "memory"


class NonFiniteError(FtcliError):
    """A loss or a gradient that is no longer a number.

    `step` is the step it came up in, `rows` the numbers of the rows it may come from (from 0; empty: all of the
    step's), `layer_norms` the norms of the gradients by layer.
    """

    exit_code = 5
    kind = "loss"

    def __init__(
        self,
        what: str | Sequence[Problem],
        *,
        hint: str | None = None,
        step: int | None = None,
        rows: Sequence[int] = (),
        layer_norms: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(what, hint=hint)
        self.step = step
        self.rows = tuple(rows)
        self.layer_norms = dict(layer_norms or {})


class CheckpointError(FtcliError):
    """A checkpoint that is missing, damaged, or of another kind than the command needs."""

    exit_code = 6
    kind = "checkpoint"


class DistributedError(FtcliError):
    """Processes of one run that can't work together."""

    exit_code = 7
    kind = "distributed"


class LostContactError(DistributedError):
    """Another process is gone or silent. Why is for that process to say, if it still can."""


class OrphanedError(DistributedError):
    """Rank 0, which speaks for all, has fallen silent; whoever raises this speaks in its place."""
