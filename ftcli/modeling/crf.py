"""A linear-chain CRF over emissions: likelihood, best path and marginals, by recursions of plain tensor operations.

What may follow what is kept beside the scores, so a restored model needs no tag scheme. A forbidden step scores so low
that it never competes with an allowed one, yet stays finite, so that no gradient becomes NaN. Sums over long sentences
need fp32 at least, whatever autocast says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_FORBIDDEN = -1e30
"""Far below any sum of scores, and far from overflowing fp32 however often it is added."""


@dataclass(frozen=True, slots=True)
class AllowedSteps:
    """Which labels may begin and end a sentence [L], and which may follow which ([from][to], [L][L])."""

    starts: Sequence[bool]
    ends: Sequence[bool]
    steps: Sequence[Sequence[bool]]


class LinearChainCRF(nn.Module):
    """Scores of label sequences: emissions, plus `starts` [L], `ends` [L] and `steps` [L, L] (from, to).

    Emissions are [rows, length, L]; masks [rows, length] are left-aligned with a true first column. The scores begin
    at zero, where the model is a softmax over the allowed sequences.
    """

    def __init__(self, num_labels: int, *, allowed: AllowedSteps | None = None) -> None:
        super().__init__()
        self.starts = nn.Parameter(torch.zeros(num_labels))
        self.ends = nn.Parameter(torch.zeros(num_labels))
        self.steps = nn.Parameter(torch.zeros(num_labels, num_labels))
        self.may_start: Tensor
        self.may_end: Tensor
        self.may_step: Tensor
        for name, values, like in (
            ("may_start", allowed.starts if allowed else None, self.starts),
            ("may_end", allowed.ends if allowed else None, self.ends),
            ("may_step", [list(row) for row in allowed.steps] if allowed else None, self.steps),
        ):
            mask = torch.ones(like.shape, dtype=torch.bool) if values is None else torch.tensor(values).bool()
            if mask.shape != like.shape:
                raise ValueError(f"{name} has the shape {list(mask.shape)}, but there are {num_labels} labels")
            self.register_buffer(name, mask)

    def log_likelihood(
        self,
        emissions: Tensor,
        tags: Tensor,
        mask: Tensor,
        *,
        begins: Tensor | None = None,
        finishes: Tensor | None = None,
    ) -> Tensor:
        """The log-probability of each row's tags, [rows].

        A gold sequence with a forbidden step gets about -1e30; telling it from others would cost a wait for the device.

        Args:
            emissions: Scores of labels, [rows, length, L].
            tags: Label numbers, [rows, length]; what they are under the padding does not matter.
            mask: Where rows have words, [rows, length].
            begins: Whether a row begins a sentence, [rows]; where not, any label may stand first. None: all do.
            finishes: Whether a row ends a sentence, [rows]. None: all do.
        """
        with torch.autocast(emissions.device.type, enabled=False):
            emissions = self._widened(emissions)
            starts, ends, steps = self._scores(emissions)
            starts, ends = _where(begins, starts), _where(finishes, ends)
            gold = _gold_score(emissions, tags.where(mask, 0), mask, (starts, ends, steps))
            return gold - (_forward(emissions, mask, starts, steps)[-1] + ends).logsumexp(1)

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The most probable allowed labels, int64 [rows, length]; 0 under the padding."""
        with torch.autocast(emissions.device.type, enabled=False):
            emissions = self._widened(emissions)
            starts, ends, steps = self._scores(emissions)
            stay = torch.arange(len(starts), device=emissions.device).expand(len(emissions), -1)
            score = starts + emissions[:, 0]
            origins: list[Tensor] = []
            for place in range(1, emissions.shape[1]):
                best = (score[:, :, None] + steps).max(1)
                inside = mask[:, place, None]
                score = torch.where(inside, best.values + emissions[:, place], score)
                origins.append(torch.where(inside, best.indices, stay))
            path = [(score + ends).argmax(1, keepdim=True)]
            for origin in reversed(origins):
                path.append(origin.gather(1, path[-1]))
            return torch.cat(path[::-1], 1).where(mask, 0)

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The probability of each label at each word given the whole row, [rows, length, L]; 0 under the padding."""
        with torch.autocast(emissions.device.type, enabled=False):
            emissions = self._widened(emissions)
            starts, ends, steps = self._scores(emissions)
            before = torch.stack(_forward(emissions, mask, starts, steps), 1)
            after = torch.stack(_backward(emissions, mask, ends, steps), 1)
            return (before + after).softmax(2) * mask[..., None]

    @torch.no_grad()
    def allowed_scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Starts [L], ends [L] and steps [L, L] as they are decoded with: about -1e30 for what is forbidden, fp32."""
        starts, ends, steps = self._scores(torch.empty(0))
        return starts.cpu(), ends.cpu(), steps.cpu()

    @torch.no_grad()
    def take_scores(self, starts: Tensor, ends: Tensor, steps: Tensor) -> None:
        """The way back from `allowed_scores`."""
        for mine, scores in ((self.starts, starts), (self.ends, ends), (self.steps, steps)):
            mine.copy_(scores)

    def _widened(self, emissions: Tensor) -> Tensor:
        return emissions.to(torch.promote_types(emissions.dtype, torch.promote_types(self.steps.dtype, torch.float32)))

    def _scores(self, emissions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Starts, ends and steps in the emissions' precision, without what is forbidden."""
        return (
            self.starts.to(emissions.dtype).where(self.may_start, _FORBIDDEN),
            self.ends.to(emissions.dtype).where(self.may_end, _FORBIDDEN),
            self.steps.to(emissions.dtype).where(self.may_step, _FORBIDDEN),
        )


def _where(applies: Tensor | None, scores: Tensor) -> Tensor:
    """Scores [L] for the rows they apply to, [rows, L], else 0."""
    return scores[None] if applies is None else scores.where(applies.bool()[:, None], 0.0)


def _gold_score(emissions: Tensor, tags: Tensor, mask: Tensor, scores: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    starts, ends, steps = scores
    rows = len(emissions)
    emitted = emissions.gather(2, tags[..., None])[..., 0].where(mask, 0.0).sum(1)
    stepped = steps[tags[:, :-1], tags[:, 1:]].where(mask[:, 1:], 0.0).sum(1)
    last = tags.gather(1, mask.sum(1, keepdim=True) - 1)
    started = starts.expand(rows, -1).gather(1, tags[:, :1])[:, 0]
    return emitted + stepped + started + ends.expand(rows, -1).gather(1, last)[:, 0]


def _forward(emissions: Tensor, mask: Tensor, starts: Tensor, steps: Tensor) -> list[Tensor]:
    """At each place the log-sum of all ways to get to each label, its emission included, [rows, L]."""
    sums = [starts + emissions[:, 0]]
    for place in range(1, emissions.shape[1]):
        reached = (sums[-1][:, :, None] + steps).logsumexp(1) + emissions[:, place]
        sums.append(reached.where(mask[:, place, None], sums[-1]))
    return sums


def _backward(emissions: Tensor, mask: Tensor, ends: Tensor, steps: Tensor) -> list[Tensor]:
    """At each place the log-sum of all ways to go on from each label to the end, [rows, L]."""
    sums = [ends.expand(len(emissions), -1)]
    for place in range(emissions.shape[1] - 1, 0, -1):
        left = (steps + (emissions[:, place] + sums[-1])[:, None, :]).logsumexp(2)
        sums.append(left.where(mask[:, place, None], sums[-1]))
    return sums[::-1]
