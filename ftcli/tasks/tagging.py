"""A tag for each word of a row, such as the entities of a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ftcli.data.plan import by_length, cut_by_tokens
from ftcli.data.tags import Entity, Scheme, allowed_transitions, entities_of
from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.crf import AllowedSteps, LinearChainCRF
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.tagger import crf_of, word_logits
from ftcli.runtime.encoding import Fields
from ftcli.spec.choices import TaggingTask
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch, Inference, Words, at_least_single
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.classification import class_weights
from ftcli.tasks.entities import EntityCounts, entity_metrics
from ftcli.tasks.losses import LabelLoss, item_loss
from ftcli.tasks.metrics import RowMetrics, ratio

_WORDS_AT_ONCE = 65536
"""Word places, padding included, that the best chains are looked for in at once."""


@dataclass(frozen=True, slots=True)
class Tagging:
    """Softmax over tags, or a CRF where the model has one; an item is a word.

    Of a long sentence's windows each word counts in one, and a CRF sees each window's own words as a chain, which
    begins or ends the sentence only where the window does. What is predicted is the best chain of the whole sentence.
    What it concludes are the numbers of the words' tags [words], int64.
    """

    words: str
    labels: tuple[str, ...]
    scheme: Scheme
    metrics: tuple[str, ...]
    criterion: LabelLoss = field(default_factory=LabelLoss)
    results: tuple[str, ...] = ("tags", "entities")

    @property
    def outputs(self) -> Outputs:
        """A score for each tag at each token, and which tags may follow which."""
        allowed = allowed_transitions(self.labels, self.scheme)
        return Outputs(self.labels, per="token", allowed=AllowedSteps(allowed.starts, allowed.ends, allowed.steps))

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> float:
        """Every word is an item; with class weights, it counts by that of its tag."""
        return self.criterion.divisor(split.labels[split.items_of(split.sequences_of(rows))])

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The negative log-likelihood of the tags, summed over words."""
        return self._scored(model, batch, with_loss=True)[1].sum()

    def _scored(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> tuple[Tensor, Tensor]:
        """Scores [sequences, words, tags] in single precision or better, and losses: of words, or of whole chains."""
        words = cast("Words", batch.words)
        none = torch.zeros(0, device=batch.labels.device)
        if crf_of(model) is not None:
            tags = batch.labels.clamp(min=0) if with_loss else None
            found = model(**batch.inputs, positions=words.positions, mask=words.mask, tags=tags, **_borders(words))
            return at_least_single(found.logits), -found.log_likelihood if with_loss else none
        logits = at_least_single(word_logits(model(**batch.inputs).logits, words.positions))
        losses = self.criterion.each(logits[words.mask], batch.labels[words.mask]) if with_loss else none
        return logits, losses

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """Scores [words, tags] and, if asked for, the loss, summed and of each sequence."""
        mask = cast("Words", batch.words).mask
        logits, losses = self._scored(model, batch, with_loss=with_loss)
        if not with_loss:
            return Inference(logits[mask], None)
        loss = losses.sum()
        if crf_of(model) is None:
            losses = losses.new_zeros(mask.shape).masked_scatter(mask, losses).sum(1)
        return Inference(logits[mask], loss, losses)

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:
        """Each word's tag [words]: the one that scores highest, or with a CRF that of the sentence's best chain."""
        crf = crf_of(model)
        return scores.argmax(1).cpu() if crf is None else _decoded(crf, scores, split.row_item_counts())

    def _tags(self, numbers: Tensor, split: TokenizedSplit) -> Iterator[list[str]]:
        """Each row's tags."""
        for part in torch.split(numbers, cast("list[int]", split.row_item_counts().tolist())):
            yield [self.labels[number] for number in cast("list[int]", part.tolist())]

    def _counts(self, found: Tensor, split: TokenizedSplit) -> EntityCounts:
        counts = EntityCounts(self.scheme)
        for gold, predicted in zip(self._tags(split.labels, split), self._tags(found, split), strict=True):
            counts.add(gold, predicted)
        return counts

    def row_metrics(self, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """Entity scores, strict and lenient, and the share of words whose tag is right; a row is a sentence."""
        counts = split.row_item_counts()
        rows = torch.arange(split.num_rows).repeat_interleave(counts)
        right = torch.zeros(split.num_rows, dtype=torch.float64).index_add_(0, rows, (found == split.labels).double())
        entities = self._counts(found, split).tables() if {*self.metrics} - {"accuracy"} else {}

        def measure(weights: Tensor) -> dict[str, Tensor]:
            every = entity_metrics(entities, weights)
            every["accuracy"] = ratio(right @ weights, counts.double() @ weights)
            return {name: every[name] for name in self.metrics}

        return RowMetrics(split.num_rows, measure)

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The chosen metrics."""
        return self.row_metrics(found, split).values()

    def detail(self, found: Tensor, split: TokenizedSplit) -> Breakdown:
        """The scores of each type of entity, and of all."""
        return Breakdown(self._counts(found, split).rows())

    def answers(self, found: Tensor, split: TokenizedSplit, rows: Iterable[Fields]) -> Iterator[Fields]:
        """One tag for each word, and the entities with their type, place and text; of a text its words, too."""
        for tags, row in zip(self._tags(found, split), rows, strict=True):
            entities = entities_of(tags, self.scheme, lenient=True)
            words = cast("list[str]", row[self.words])
            split_by_us = {self.words: words} if "offsets" in row else {}  # else the input's own fields tell
            yield {**split_by_us, "tags": tags, "entities": [_described(each, row, words) for each in entities]}

    def certainties(
        self, model: nn.Module, scores: Tensor, found: Tensor, split: TokenizedSplit
    ) -> Iterator[list[float]]:
        """The probability of each word's tag, row by row: with a CRF its marginal, given the whole sentence."""
        crf, counts = crf_of(model), split.row_item_counts()
        every = scores.softmax(1).cpu() if crf is None else _marginals(crf, scores, counts)
        chosen = every.gather(1, found[:, None])[:, 0].double()
        for part in torch.split(chosen, cast("list[int]", counts.tolist())):
            yield [round(value, 6) for value in cast("list[float]", part.tolist())]


def _borders(words: Words) -> dict[str, Tensor]:
    return {"begins": words.begins, "finishes": words.finishes}


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Sentences of similar length: their words' numbers [words], emissions and mask [sentences, length, ...]."""

    words: Tensor
    emissions: Tensor
    mask: Tensor


def _whole_sentences(scores: Tensor, lengths: Tensor, device: torch.device) -> Iterator[_Sentences]:
    """The scores of words [words, tags] as padded sentences, so many at once."""
    sentences = torch.split(scores, cast("list[int]", lengths.tolist()))
    places = torch.split(torch.arange(len(scores)), cast("list[int]", lengths.tolist()))
    for part in cut_by_tokens(by_length(torch.arange(len(sentences)), lengths), lengths.clamp(min=1), _WORDS_AT_ONCE):
        numbers = cast("list[int]", part.tolist())
        emissions = pad_sequence([sentences[n] for n in numbers], batch_first=True).to(device)
        mask = torch.arange(emissions.shape[1]) < lengths[part][:, None]
        yield _Sentences(torch.cat([places[n] for n in numbers]), emissions, mask.to(device))


def _decoded(crf: LinearChainCRF, scores: Tensor, lengths: Tensor) -> Tensor:
    """The best chain of each sentence, [words]."""
    found = torch.empty(len(scores), dtype=torch.int64)
    for each in _whole_sentences(scores, lengths, crf.steps.device):
        found[each.words] = crf.decode(each.emissions, each.mask)[each.mask].cpu()
    return found


def _marginals(crf: LinearChainCRF, scores: Tensor, lengths: Tensor) -> Tensor:
    """The probability of each tag at each word, [words, tags]."""
    found = torch.empty(scores.shape)
    with torch.inference_mode():
        for each in _whole_sentences(scores, lengths, crf.steps.device):
            found[each.words] = crf.marginals(each.emissions, each.mask)[each.mask].float().cpu()
    return found


def _described(entity: Entity, row: Fields, words: list[str]) -> Fields:
    """An entity, from `start` up to `end`: in characters where the row is a text, else in words."""
    kind, start, end = entity.type, entity.start, entity.end
    text, offsets = row.get("text"), cast("list[list[int]] | None", row.get("offsets"))
    if isinstance(text, str) and offsets is not None:
        start, end = offsets[start][0], offsets[end - 1][1]
        return {"type": kind, "start": start, "end": end, "text": text[start:end]}
    return {"type": kind, "start": start, "end": end, "text": _joined(words[start:end])}


def _joined(words: list[str]) -> str:
    """Words as a text; characters of a script without spaces stand together."""
    return ("" if all(len(word) == 1 and not word.isascii() for word in words) else " ").join(words)


def build_tagging(section: TaggingTask, facts: LabelFacts, evaluate: EvaluateSection) -> Tagging:
    """The task for these tags.

    Raises:
        RecipeError: a weight is of no tag, or there is no such code.
    """
    return Tagging(
        words=facts.text,
        labels=facts.labels,
        scheme=cast("Scheme", facts.scheme),
        metrics=METRICS["tagging"] if evaluate.metrics == "auto" else evaluate.metrics,
        criterion=LabelLoss(
            weights=class_weights(section.class_weights, facts.labels),
            smoothing=section.label_smoothing,
            own=item_loss(section.loss),
        ),
    )
