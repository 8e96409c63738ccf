"""How an export answers beside its checkpoint, on the same rows: labels, logits, scores, size and time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import ParityError
from ftcli.flows.exporting.latency import BATCHES, Latency, latencies
from ftcli.flows.exporting.rows import TrialRows
from ftcli.flows.predictor import Predictor
from ftcli.modeling.exporting.int8 import ActivationBits
from ftcli.modeling.exporting.model import marked
from ftcli.modeling.exporting.onnx_file import OnnxModel
from ftcli.runtime.activity import Working, finish
from ftcli.runtime.encoding import Fields
from ftcli.spec.metrics import SHARES
from ftcli.spec.wording import counted
from ftcli.tasks.base import Resampling, collate
from ftcli.tasks.intervals import Interval, bootstrap

LARGEST_DIFFERENCE = 1e-3
"""Of two fp32 logits; batches padded to other lengths account for some 1e-6."""
_LARGEST_LOSS = 0.02
"""Of a score that is a share: what an export may lose, and more where so few rows don't tell."""
_SAME_NUMBER = 0.1
"""Numbers of a regression agree that are closer than this share of their standard deviation."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """The same fact of both."""

    checkpoint: T
    export: T


@dataclass(frozen=True, slots=True)
class Score:
    """A metric, and its bootstrap 95 % interval; None where rows don't tell how much others would differ."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Parity:
    """What was found, as parity.json has it.

    `labels` counts what `label_agreement` is a share of: rows or words. `score` is over the `labelled_rows`, those of
    the validation split. `activation_bits` is how finely a graph of 8-bit weights rounds what flows between them.
    `latency_ms` is by the number of rows in a batch.
    """

    rows: int
    labelled_rows: int
    labels: int
    label_agreement: float
    largest_logit_difference: float
    score: dict[str, Pair[Score]]
    bytes: Pair[int]
    activation_bits: ActivationBits | None = None
    latency_ms: dict[str, Pair[Latency]] = field(default_factory=dict[str, Pair[Latency]])

    @property
    def same_labels(self) -> int:
        """How many labels are the same."""
        return round(self.label_agreement * self.labels)

    @property
    def tried_on(self) -> str:
        """The rows in words; made-up ones tell less."""
        made_up = self.rows - self.labelled_rows
        of_split = counted(self.labelled_rows, "validation row")
        return f"{of_split} and {made_up:,} made-up ones" if made_up else of_split

    def as_dict(self) -> dict[str, Any]:
        """In plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what reads it, where it lies, and its scores of the rows."""

    predictor: Predictor
    folder: Path
    scores: Tensor


def compare(trial: TrialRows, checkpoint: Side, export: Side) -> Parity:
    """Hold an export's answers against its checkpoint's; `timed` tells how long they take.

    Raises:
        ParityError: it has not as many scores.
    """
    if checkpoint.scores.shape != export.scores.shape:
        shapes = f"{list(export.scores.shape)} where the checkpoint has {list(checkpoint.scores.shape)}"
        raise ParityError(f"the exported model's logits are of the shape {shapes}")
    expected, found = _answers(checkpoint, trial.rows), _answers(export, trial.rows)
    same = _agreement(expected, found, by_word=checkpoint.predictor.task.outputs.per == "token")
    ours, theirs = _score(checkpoint, trial), _score(export, trial)
    return Parity(
        rows=len(trial.rows),
        labelled_rows=trial.num_labelled,
        labels=len(same),
        label_agreement=sum(same) / len(same),
        largest_logit_difference=float((checkpoint.scores - export.scores).abs().max()),
        score={name: Pair(score, theirs[name]) for name, score in ours.items() if name in theirs},
        bytes=Pair(_num_bytes(checkpoint.folder), _num_bytes(export.folder)),
    )


def timed(parity: Parity, trial: TrialRows, checkpoint: Predictor, export: Predictor) -> Working[Parity]:
    """The same with how long both take."""
    times: dict[str, Pair[Latency]] = {}
    for count in BATCHES:
        both = yield from latencies(checkpoint, export, trial.rows, count)
        times[str(count)] = Pair(*both)
    return replace(parity, latency_ms=times)


def refusal_of(parity: Parity, *, min_agreement: float, largest_difference: float | None) -> ParityError | None:
    """Why an export is refused that answers otherwise than its checkpoint; None where it does not.

    Args:
        parity: What was found.
        min_agreement: The share of labels that must be the same.
        largest_difference: How far apart logits may be; None: as far as they like.
    """
    if parity.label_agreement < min_agreement:
        noun = "row" if parity.labels == parity.rows else "word"
        wrong = parity.labels - parity.same_labels
        what = f"the exported model gives other labels for {wrong:,} of {counted(parity.labels, noun)}"
        hint = f"--min-agreement PERCENT says how many must be the same; here it was {100 * min_agreement:g}"
        return ParityError(f"{what} ({1 - parity.label_agreement:.2%})", hint=hint)
    apart = parity.largest_logit_difference
    if not math.isfinite(apart):
        return ParityError("the exported model's logits are no numbers", hint="export in fp32: --format onnx")
    if largest_difference is not None and not apart <= largest_difference:
        what = f"the exported model's logits differ by up to {apart:.2g} from the checkpoint's"
        hint = "this is no rounding; of an hf export, config.json may have another dtype than the weights"
        return ParityError(what, hint=hint)
    worse = (_worse(name, parity.score[name]) for name in sorted(SHARES & parity.score.keys()))
    return next(filter(None, worse), None)


def _worse(name: str, score: Pair[Score]) -> ParityError | None:
    """Labels may be the same for the most part because they are nearly all one; then a score tells."""
    before, after = score.checkpoint, score.export.value
    least = before.value - _LARGEST_LOSS if before.interval is None else before.interval.low
    if after >= min(least, before.value - _LARGEST_LOSS):
        return None
    what = f"the exported model's {name} is {after:.4f}, and the checkpoint's {before.value:.4f}"
    return ParityError(what, hint="export in fp32: --format onnx")


def _answers(side: Side, rows: Sequence[Fields]) -> list[object]:
    """What each row is told: the first field of its answer."""
    predictor = side.predictor
    split, name = predictor.split(rows), predictor.task.results[0]
    found = predictor.task.conclude(predictor.model, side.scores, split)
    told = [answer[name] for answer in predictor.task.answers(found, split, rows)]
    if isinstance(predictor.model, OnnxModel) and predictor.task.outputs.per == "token":
        told = [tags or whole for tags, whole in zip(_tags_in_graph(side, split), told, strict=True)]
    return told


def _tags_in_graph(side: Side, split: TokenizedSplit) -> Iterator[list[str] | None]:
    """The tags that the graph gives by itself, as others run it; None for rows that are read in several windows."""
    predictor, labels = side.predictor, side.predictor.task.outputs.labels
    model = cast("OnnxModel", predictor.model)
    offsets = torch.arange(split.num_rows + 1) if split.row_offsets is None else split.row_offsets
    for first, end in pairwise(cast("list[int]", offsets.tolist())):
        if end - first != 1:
            yield None
            continue
        batch = collate(split, torch.tensor([first]), pad_id=predictor.tokenizer.pad_id)
        assert batch.words is not None
        positions = marked(batch.words.positions, batch.words.mask, batch.inputs["input_ids"])
        tags = model.tags({**batch.inputs, "positions": positions})[0]
        yield [labels[number] for number in cast("list[int]", tags.tolist())]


def _agreement(expected: Sequence[object], found: Sequence[object], *, by_word: bool) -> list[bool]:
    """Whether each row, or each word, is told the same."""
    if by_word:
        pairs = zip(cast("list[list[str]]", expected), cast("list[list[str]]", found), strict=True)
        return [one == other for tags, others in pairs for one, other in zip(tags, others, strict=True)]
    numbers = [value for value in expected if isinstance(value, float)]
    if len(numbers) < len(expected):
        return [one == other for one, other in zip(expected, found, strict=True)]
    near = _SAME_NUMBER * torch.tensor(numbers).std().item()
    return [abs(one - other) <= near for one, other in zip(numbers, cast("list[float]", found), strict=True)]


def _score(side: Side, trial: TrialRows) -> dict[str, Score]:
    """The metrics on the rows that have labels."""
    if not trial.num_labelled:
        return {}
    predictor, task = side.predictor, side.predictor.task
    split = predictor.split(trial.rows[: trial.num_labelled], with_labels=True)
    found = task.conclude(predictor.model, side.scores[: split.num_items], split)
    intervals = finish(bootstrap(task.row_metrics(found, split))) if isinstance(task, Resampling) else {}
    return {name: Score(value, intervals.get(name)) for name, value in task.measure(found, split).items()}


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
