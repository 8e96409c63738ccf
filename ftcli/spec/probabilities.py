"""Probabilities that `ftcli predict` adds to a row where they are asked for: what their fields are called, and whose.

`probabilities` are every label's, `{label: probability}`; of a tagger that of each word's tag, in the order of `tags`.
`top` are the likeliest labels, best first, `[{"label": ..., "probability": ...}, ...]`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ftcli.errors import UsageError
from ftcli.spec.choices import TaskChoice, card_task

PROBABILITIES = "probabilities"
TOP = "top"
_NONE_HINT = "leave them out: only classification and tagging have probabilities to tell"


@dataclass(frozen=True, slots=True)
class Probabilities:
    """What is asked for: every label's probability, and how many of the likeliest labels."""

    every: bool = False
    top_k: int | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that are added to a row."""
        return (*([PROBABILITIES] if self.every else []), *([TOP] if self.top_k is not None else []))

    @property
    def options(self) -> str:
        """The options that ask for them."""
        asked = [*(["--proba"] if self.every else []), *(["--top-k"] if self.top_k is not None else [])]
        return " and ".join(asked)

    def check(self, task: TaskChoice) -> None:
        """Make sure that a task has what is asked for.

        Raises:
            UsageError: it has not, with the reason.
        """
        if not self.fields:
            return
        if task.kind == "custom":
            what = f"{self.options}: what the scores of a custom task mean only it knows; its `answers` can tell more"
            raise UsageError(what, hint=_NONE_HINT)
        if card_task(task) == "regression":
            raise UsageError(f"{self.options}: regression gives a number, and no probabilities", hint=_NONE_HINT)
        if card_task(task) == "tagging" and self.top_k is not None:
            what = "--top-k: a tagger gives the best tags of a whole sentence, and the next best of a word are none"
            raise UsageError(what, hint="--proba gives the probability of each word's tag")
