"""The frozen prefix of an encoder: what its frozen layers make of a row is constant, so it can be computed once.

The model's own forward pass runs on stored states: its embeddings give them, and the frozen layers hand them on. So
masks, positions and whatever else an architecture does between its layers stay its own business.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
import transformers
from torch import Tensor, nn
from transformers import PreTrainedModel

from ftcli.modeling.first_token import every_token
from ftcli.modeling.packing import padded
from ftcli.modeling.replacing import replaced

_TOLERANCE = 1e-4
"""How far apart logits may be, relative to the largest, that are computed with and without stored states."""
_IRRELEVANT = ("dropout", "id2label", "label2id", "problem_type", "_name_or_path", "architectures", "dtype", "version")
"""What a config says of a model and what its layers' states in eval mode don't depend on."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where an encoder's layers are; `between` lies before the first, `beside` is read by each of them.

    `are_shared` where one layer is run several times, `give_pairs` where a layer returns (states, something else).
    """

    layers: str
    between: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    are_shared: bool = False
    give_pairs: bool = False


_LIKE_BERT = _Layout("encoder.layer")
_LAYOUTS = {
    "albert": _Layout("encoder.albert_layer_groups", between=("encoder.embedding_hidden_mapping_in",), are_shared=True),
    "bert": _LIKE_BERT,
    "camembert": _LIKE_BERT,
    "deberta-v2": _Layout("encoder.layer", beside=("encoder.rel_embeddings", "encoder.LayerNorm"), give_pairs=True),
    "distilbert": _Layout("transformer.layer"),
    "electra": _Layout("encoder.layer", between=("embeddings_project",)),
    "modernbert": _Layout("layers"),
    "roberta": _LIKE_BERT,
    "xlm-roberta": _LIKE_BERT,
}


class _Reached(Exception):  # noqa: N818 - no error, but the end of what is asked for
    """The last frozen layer has answered; the rest of the forward pass is not needed."""


@dataclass(frozen=True)
class Prefix:
    """The embeddings and the first `depth` layers of an encoder, all of them frozen.

    `flops_per_token` are those of its matrix products with weights, `size` is the length of a token's state.
    """

    encoder: nn.Module
    modules: tuple[nn.Module, ...]
    layout: _Layout
    depth: int
    num_layers: int
    size: int
    flops_per_token: int

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its weights, and so of its states."""
        return next(self.encoder.parameters()).dtype

    def states(self, inputs: dict[str, Tensor]) -> Tensor:
        """The last frozen layer's output [sequences, length, size] for a batch's inputs."""
        found: list[Tensor] = []

        def take(_module: nn.Module, _inputs: Any, output: Any) -> None:
            found.append(output[0] if isinstance(output, tuple) else output)
            if not self.layout.are_shared:
                raise _Reached

        handle = self.modules[-1].register_forward_hook(take)
        try:
            with every_token(self.encoder), padded(self.encoder):
                self.encoder(**inputs)
        except _Reached:
            pass
        finally:
            handle.remove()
        return found[-1]

    @contextmanager
    def standing_in(self, states: Tensor) -> Generator[None]:
        """Within the block, the model's forward pass starts from these states [sequences, length, size]."""
        first, *between = self.modules[: -self.depth]
        pass_layer = _pass_pair if self.layout.give_pairs else _pass

        def give(*args: Any, **inputs: Any) -> Tensor:
            ids: Tensor = inputs["input_ids"] if "input_ids" in inputs else args[0]
            return states.repeat(len(ids) // len(states), 1, 1)  # R-Drop passes a batch twice

        with ExitStack() as stack:
            stack.enter_context(replaced(first, give))
            for module in between:
                stack.enter_context(replaced(module, _pass))
            for layer in self.modules[-self.depth :]:
                stack.enter_context(replaced(layer, pass_layer))
            yield

    @cached_property
    def fingerprint(self) -> str:
        """Stands for all that the states depend on beside the rows: weights, which are frozen, architecture, depth."""
        config: dict[str, Any] = cast("PreTrainedModel", self.encoder).config.to_dict()
        relevant = {key: config[key] for key in sorted(config) if not any(part in key for part in _IRRELEVANT)}
        digest = hashlib.blake2b(repr((transformers.__version__, self.depth, relevant)).encode(), digest_size=16)
        for module in (*self.modules, *_submodules(self.encoder, self.layout.beside)):
            # Weights may be split over processes and gathered for now: a state dict would split them again, and numpy
            # keep their memory from being given back.
            for name, value in (*module.named_parameters(), *module.named_buffers()):
                digest.update(f"{name} {list(value.shape)}".encode())
                digest.update(value.detach().to("cpu", copy=True).contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def _pass(states: Tensor | None = None, *_: Any, **inputs: Any) -> Tensor:
    return inputs["hidden_states"] if states is None else states


def _pass_pair(states: Tensor | None = None, *_: Any, **inputs: Any) -> tuple[Tensor, None]:
    return _pass(states, **inputs), None


def find_prefix(model: nn.Module) -> Prefix | str:
    """The frozen prefix of a model, or why there is none that can be stored, as a part of a sentence."""
    encoder: Any = getattr(model, str(model.base_model_prefix), None)
    kind = getattr(getattr(encoder, "config", None), "model_type", "")
    layout = _LAYOUTS.get(kind)
    if layout is None:
        return f"it is not known where the layers of a {kind or type(model).__name__} are"
    before = [encoder.embeddings, *_submodules(encoder, layout.between)]
    if not all(map(_is_frozen, (*before, *_submodules(encoder, layout.beside)))):
        return "the embeddings are trained"
    layers = list(encoder.get_submodule(layout.layers))
    depth = next((number for number, layer in enumerate(layers) if not _is_frozen(layer)), len(layers))
    if depth == 0 or (layout.are_shared and depth < len(layers)):
        return "the layers are one and the same, and trained" if layout.are_shared else "the first layer is trained"
    frozen, times = layers[:depth], encoder.config.num_hidden_layers // len(layers) if layout.are_shared else 1
    weights = sum(p.numel() for layer in frozen for p in layer.parameters() if p.dim() > 1) * times
    size, num_layers = encoder.config.hidden_size, encoder.config.num_hidden_layers
    return Prefix(encoder, (*before, *frozen), layout, depth, num_layers, size, 2 * weights)


def _submodules(encoder: nn.Module, names: tuple[str, ...]) -> Iterator[nn.Module]:
    """Those of an encoder's modules that it has."""
    known = dict(encoder.named_modules())
    return (known[name] for name in names if name in known)


def _is_frozen(module: nn.Module) -> bool:
    return not any(parameter.requires_grad for parameter in module.parameters())


def passes_through(prefix: Prefix, model: nn.Module, inputs: dict[str, Tensor]) -> bool:
    """Whether a model in eval mode says the same of a batch when it starts from its prefix's states."""
    with torch.inference_mode():
        whole = model(**inputs).logits
        with prefix.standing_in(prefix.states(inputs)):
            short = model(**inputs).logits
    return bool((whole - short).abs().max() <= _TOLERANCE * whole.abs().max().clamp(min=1.0))
