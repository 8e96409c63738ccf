"""Every path of a run folder, and who may write there."""

from __future__ import annotations

import shlex
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ftcli.errors import CheckpointError, UsageError


@dataclass(frozen=True, slots=True)
class RunDir:
    """A run folder: everything one run leaves behind."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def facts(self) -> Path:
        """Versions, host, device, command line, fingerprints."""
        return self.path / "run.json"

    @property
    def journal(self) -> Path:
        """One event a line."""
        return self.path / "log.jsonl"

    @property
    def out_log(self) -> Path:
        """What the screen said, in plain lines."""
        return self.path / "out.log"

    @property
    def metrics(self) -> Path:
        """Losses and metrics by epoch, the best, the final test."""
        return self.path / "metrics.json"

    @property
    def predictions(self) -> Path:
        """Predictions of the test split."""
        return self.path / "predictions"

    @property
    def tensorboard(self) -> Path:
        """What TensorBoard reads."""
        return self.path / "tensorboard"

    @property
    def report(self) -> Path:
        """The run on one page."""
        return self.path / "report.html"

    @property
    def errors(self) -> Path:
        """What each process of a failed run had to say."""
        return self.path / "errors"

    @property
    def postmortem(self) -> Path:
        """How a failed run ended, and how to go on."""
        return self.path / "postmortem.md"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoint folders."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Link to the best checkpoint."""
        return self.path / "best"

    @property
    def last(self) -> Path:
        """Link to the last checkpoint."""
        return self.path / "last"

    @property
    def resume_command(self) -> str:
        """The command that goes on with the run."""
        return f"ftcli resume {shlex.quote(str(self.path))}"

    def claim(self) -> None:
        """Make the folder for a new run. What a launch left that was killed before it wrote its recipe is nothing.

        Raises:
            UsageError: there is something in it already, or it can't be made.
        """
        torn = f".{self.recipe.name}.partial"
        if self.path.is_dir() and any(path.name != torn for path in self.path.iterdir()):
            hint = f"go on with it: `{self.resume_command}`; or put the new run elsewhere: `--run-dir DIR`"
            raise UsageError(f"the run folder {self.path} is not empty", hint=hint)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"can't make the run folder {self.path}: {error.strerror}") from None

    def release(self) -> None:
        """Undo `claim` for a run that failed before it began, so that the mended recipe can have the folder."""
        if "started" in self._facts():
            return
        self.forget_failure()
        for path in (self.recipe, self.facts, self.journal, self.out_log):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def forget_failure(self) -> None:
        """Remove what an earlier failure left behind; its record in the journal stays."""
        shutil.rmtree(self.errors, ignore_errors=True)
        self.postmortem.unlink(missing_ok=True)

    def launch(self) -> dict[str, Any]:
        """What `run.json` says of the launch that began the run; empty where it says nothing."""
        return self._facts().get("launch", {})

    def identity(self) -> str:
        """What `run.json` says that tells this run from any other; empty where there is none, or it is torn."""
        facts = self._facts()
        return facts.get("id", "unknown") if facts else ""

    def _facts(self) -> dict[str, Any]:
        """run.json as far as it is written; a torn or missing one says nothing."""
        try:
            return orjson.loads(self.facts.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}

    def check_is_run(self) -> None:
        """Raise CheckpointError unless a run was started here."""
        if (self.path / "ftcli.json").exists():
            run = self.path.resolve().parent.parent
            raise CheckpointError(f"{self.path} is a checkpoint, not a run folder", hint=RunDir(run).resume_command)
        if not self.recipe.is_file():
            hint = "name the folder that `ftcli train` made, such as `run`"
            if self.path.is_dir():
                what = f"{self.path} is no run folder: it has no recipe.toml"
            elif self.path.is_file():
                what = f"{self.path} is a file, not a run folder"
                hint += f"; a new run of a recipe is `ftcli train {self.path}`" if self.path.suffix == ".toml" else ""
            else:
                what = f"no such folder: {self.path}"
            raise CheckpointError(what, hint=hint)


def dated(template: str, *, name: str) -> Path:
    """A run folder's path with {name} and {time} (local, to the second) filled in."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path(template.replace("{name}", name).replace("{time}", stamp))
