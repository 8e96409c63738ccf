"""Experiments that any training program can be put through, and what each of them measures.

A side (`ours.py`, `trainer.py`) carries them out on the same tiny encoder and rows. Results are numbers: the table of
`against_trainer.py` puts them into words, and `tests/laws/test_peers.py` holds ours against the right ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from tests.conftest import make_model, make_project, make_rows, write_rows

RATE = 1e-3
RATE_FACTOR = 20.0
"""How many times higher the learning rate is that a resumed run is asked for."""
STOPPED_AT = 8
"""The step, of the twelve of two epochs, after which a run is stopped: in the middle of an epoch."""
UNFROZEN_AT = 2
"""The step after which the backbone is unfrozen, where it is unfrozen at all."""
TRAIN_ROWS, SCORED_ROWS = make_rows(45, seed=1), make_rows(21, seed=2)
STEP_ROWS = TRAIN_ROWS[:32]


class Damage(Enum):
    """What can happen to the newest checkpoint."""

    OPTIMIZER_CUT = "optimizer state cut in half"
    PROGRESS_MISSING = "progress file missing"
    WEIGHTS_CUT = "weights cut in half"
    OPTIMIZER_MISSING = "optimizer state deleted"
    WEIGHTS_FLIPPED = "one byte of the weights flipped"


@dataclass(frozen=True)
class Files:
    """Where a checkpoint keeps what can be damaged."""

    optimizer: str
    progress: str
    weights: str = "model.safetensors"


@dataclass(frozen=True)
class Step:
    """One step as it was taken: its logged loss and gradient norm, and from one process the gradient itself."""

    loss: float
    norm: float
    gradient: Tensor | None = None


@dataclass(frozen=True)
class Steps:
    """The same step whole and cut."""

    whole: Step
    cut: Step

    @property
    def loss_ratio(self) -> float:
        return self.cut.loss / self.whole.loss

    @property
    def norm_ratio(self) -> float:
        return self.cut.norm / self.whole.norm

    @property
    def cosine(self) -> float:
        assert self.whole.gradient is not None
        assert self.cut.gradient is not None
        return float(torch.cosine_similarity(self.whole.gradient.double(), self.cut.gradient.double(), dim=0))


@dataclass(frozen=True)
class TwoRanks:
    """A step and a scoring on two processes against one.

    `steps_after_scoring` is the step of a run that was evaluated before it trained; `rows` counts those predicted.
    """

    steps: Steps
    steps_after_scoring: Steps
    evaluation_loss_ratio: float
    rows: int
    in_order: bool


@dataclass(frozen=True)
class Resumed:
    """How resuming went. `from_step` is where it went on; `error` is why it did not."""

    newest_step: int
    from_step: int | None
    warnings: Sequence[str]
    same_bits: bool
    error: str | None = None


@dataclass(frozen=True)
class Frozen:
    """A training step with a frozen backbone: its dropouts that were active, and its tensors with optimizer state."""

    active_dropouts: int
    dropouts: int
    tensors_with_state: int


@dataclass(frozen=True)
class Unfrozen:
    """The largest change of any weight of the backbone while it was frozen, and after it was unfrozen."""

    before: float
    after: float


@dataclass(frozen=True)
class OtherRate:
    """Resumed with a higher learning rate: how many times higher the next step's rate is, asked and found."""

    asked: float
    found: float


@dataclass(frozen=True)
class OtherCut:
    """Resumed with twice the accumulation: the epochs it ended after, and steps and rows trained after resuming."""

    epochs: float
    steps: int
    rows: int


class Side(Protocol):
    """A program that trains, made to do each of the experiments in a folder that `lay_out` filled."""

    folder: Path

    def accumulation(self) -> Steps:
        """32 rows as one batch against eight micro-batches of four."""
        ...

    def uneven_items(self) -> Steps:
        """The same with a loss over tokens, of which rows have unequally many."""
        ...

    @property
    def two_ranks(self) -> TwoRanks:
        """A step of 32 rows and a scoring of 21, apart and one after the other, by one and by two processes."""
        ...

    def resumed(self, *, sorted_by_length: bool = False) -> Resumed:
        """Stopped in the middle of an epoch and resumed, dropout on."""
        ...

    def damaged(self, damage: Damage) -> Resumed:
        """Resumed where the newest of two checkpoints is damaged."""
        ...

    def frozen(self) -> Frozen:
        """A step with a frozen backbone."""
        ...

    def unfrozen(self) -> Unfrozen:
        """The backbone frozen, and unfrozen in the middle of the run."""
        ...

    def other_rate(self) -> OtherRate:
        """Resumed with another learning rate."""
        ...

    def other_cut(self) -> OtherCut:
        """Resumed with two micro-batches of four rows a step turned into four."""
        ...


def lay_out(folder: Path) -> Path:
    """The tiny encoder and the data, in files; the recipe's test split is the rows that are scored."""
    make_project(folder, make_model(folder / "model"))
    write_rows(folder / "step.jsonl", STEP_ROWS)
    write_rows(folder / "test.jsonl", SCORED_ROWS)
    return folder


def apply_damage(checkpoint: Path, damage: Damage, files: Files) -> None:
    match damage:
        case Damage.OPTIMIZER_CUT:
            _halve(checkpoint / files.optimizer)
        case Damage.PROGRESS_MISSING:
            (checkpoint / files.progress).unlink()
        case Damage.WEIGHTS_CUT:
            _halve(checkpoint / files.weights)
        case Damage.OPTIMIZER_MISSING:
            (checkpoint / files.optimizer).unlink()
        case Damage.WEIGHTS_FLIPPED:
            _flip(checkpoint / files.weights)


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    """Flip the low bits of a byte amid the tensors: such a weight is still a number."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 & ~3] ^= 0x55
    path.write_bytes(content)


def fresh_copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target, symlinks=True))


def flat_gradient(model: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).clone()


def watched_dropouts(model: nn.Module) -> dict[nn.Module, bool]:
    """Whether each dropout of the model was active when it last ran; filled as they run."""
    active: dict[nn.Module, bool] = {}
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda module, *_: active.__setitem__(module, module.training))
    return active


def copied_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def largest_change(before: dict[str, Tensor], after: dict[str, Tensor]) -> float:
    return max(float((after[name] - before[name]).abs().max()) for name in before)


def same_bits(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
