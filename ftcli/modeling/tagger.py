"""A token classifier of transformers under a CRF, and where in its scores the words are."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel

from ftcli.modeling.crf import AllowedSteps, LinearChainCRF


@dataclass(slots=True)
class TaggerOutput:
    """Emissions [rows, length or words, labels], and of each row the log-likelihood of its tags if there were any."""

    logits: Tensor
    log_likelihood: Tensor | None = None


def word_logits(logits: Tensor, positions: Tensor) -> Tensor:
    """The scores at each word's first piece, [rows, words, labels], of those at each token [rows, length, labels]."""
    return logits.gather(1, positions[..., None].expand(-1, -1, logits.shape[2]))


class CrfTagger(nn.Module):
    """A token classifier of transformers with a `crf` beside its own modules, whose names stay what they are.

    The likelihood is computed within forward, so that DDP, which wraps it, sees the gradients of the CRF, too.
    """

    def __init__(self, classifier: PreTrainedModel, *, num_labels: int, allowed: AllowedSteps | None = None) -> None:
        super().__init__()
        self.config = classifier.config
        self.base_model_prefix = classifier.base_model_prefix
        self._classifier = (classifier,)  # its modules become ours; in a tuple it adds no prefix to their names
        for name, module in classifier.named_children():
            self.add_module(name, module)
        self.crf = LinearChainCRF(num_labels, allowed=allowed)

    @property
    def classifier_name(self) -> str:
        """The class of transformers that knows all but the CRF."""
        return type(self._classifier[0]).__name__

    @property
    def encoder(self) -> PreTrainedModel:
        """The pretrained encoder."""
        return getattr(self, self.base_model_prefix)

    def forward(
        self,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        tags: Tensor | None = None,
        begins: Tensor | None = None,
        finishes: Tensor | None = None,
        **inputs: Tensor,
    ) -> TaggerOutput:
        """Emissions of token ids, and the log-likelihood of `tags`.

        Args:
            positions: Where each word's first piece is, int64 [rows, words], padded with 0; None: every token counts.
            mask: Where rows have words, bool [rows, words]; goes with `tags`.
            tags: Label numbers, [rows, words].
            begins: Whether a row begins a sentence, [rows]; None: all do.
            finishes: Whether a row ends a sentence, [rows]; None: all do.
            inputs: What the encoder takes: `input_ids`, `attention_mask`, perhaps `token_type_ids`.
        """
        logits: Tensor = self._classifier[0](**inputs).logits
        if positions is not None:
            logits = word_logits(logits, positions)
        if tags is None:
            return TaggerOutput(logits)
        if mask is None:
            raise ValueError("tags need a mask that says where rows have words")
        return TaggerOutput(logits, self.crf.log_likelihood(logits, tags, mask, begins=begins, finishes=finishes))


def crf_of(model: nn.Module) -> LinearChainCRF | None:
    """The CRF of a model, as it is or wrapped for several processes; None if it has none."""
    found = getattr(getattr(model, "module", model), "crf", None)
    return found if isinstance(found, LinearChainCRF) else None
