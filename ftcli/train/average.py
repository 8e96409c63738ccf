"""The running mean of a run's weights (Polyak and Juditsky, 1992), evaluated, saved and exported in their place.

Training goes on from the weights themselves; a checkpoint keeps both.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ftcli.runtime.world import World


class Average:
    """Of each parameter that is trained, an exponential moving mean over the steps."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Begin at the weights as they are. `decay` is the share of the mean that a step keeps, in the long run."""
        self._parameters = dict(model.named_parameters())
        self._means = {name: value.detach().clone() for name, value in self._parameters.items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, the first being 1; at first, before there is much to keep, more of them."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in self._parameters.items():
            if value.requires_grad:
                self._means[name].lerp_(value, 1 - decay)

    @contextmanager
    def standing_in(self) -> Generator[None]:
        """Within the block, the model has the mean for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        """In place, for weights may be parts of a larger tensor that is sent."""
        for name, value in self._parameters.items():
            trained = value.detach().clone()
            value.copy_(self._means[name])
            self._means[name].copy_(trained)

    def trained(self) -> dict[str, Tensor]:
        """The weights that training goes on from, by name."""
        return dict[str, Tensor](self._parameters)


@torch.no_grad()
def load_trained(world: World, model: nn.Module, trained: Mapping[str, Tensor]) -> None:
    """Give a model that was restored as its mean the weights that training goes on from."""
    for name, value in model.named_parameters():
        value.copy_(world.part_of(trained[name], like=value))
