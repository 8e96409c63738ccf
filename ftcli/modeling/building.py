"""Models by their head: on pretrained weights, or with random ones to load a checkpoint into."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights

from ftcli.errors import Problem
from ftcli.modeling.first_token import read_first_token_only
from ftcli.modeling.heads import BuildHead, CustomHeadModel, PooledClassifier
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.tagger import CrfTagger
from ftcli.spec.sections import HeadName


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """The head that is wanted: its name in a recipe, what it has to give, and what makes it if it is the user's."""

    name: HeadName
    outputs: Outputs
    build: BuildHead | None = None

    @property
    def is_native(self) -> bool:
        """Whether a class of transformers brings the head along, or all of it but a CRF."""
        return self.name in {"auto", "crf"}

    @property
    def auto_class(self) -> Any:
        """The class of transformers that finds the architecture's own."""
        if not self.is_native:
            return AutoModel
        return AutoModelForSequenceClassification if self.outputs.per == "row" else AutoModelForTokenClassification

    def problem(self) -> Problem | None:
        """What is wrong with asking this head for these outputs, if anything is."""
        key = ("model", "head")
        if self.name == "custom" and self.build is None:
            hint = 'name a function that makes it: `model.head_factory` = "module:name"'
            return Problem('`model.head` = "custom" needs code that builds the head', hint=hint, key=key)
        if self.outputs.per == "token" and self.name in {"cls", "mean", "max"}:
            what = f'`model.head` = "{self.name}" scores whole rows; this task needs scores of each word'
            return Problem(what, hint='"auto" or "crf"', key=key)
        if self.outputs.per == "row" and self.name == "crf":
            what = '`model.head` = "crf" scores sequences of tags; this task needs scores of whole rows'
            return Problem(what, hint='"auto", "cls", "mean" or "max"', key=key)
        return None


def pretrained_model(path: str, config: PreTrainedConfig, plan: HeadPlan) -> tuple[nn.Module, set[str]]:
    """A model on a file's weights, in fp32, and the names of its tensors that the file had not, or in another shape.

    What is not of transformers is always new, and not among these names.
    """
    inner, report = plan.auto_class.from_pretrained(
        path,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    missing = _missing(report)
    prefix = cast("PreTrainedModel", inner).base_model_prefix
    return _under_head(inner, plan), missing if plan.is_native else {f"{prefix}.{name}" for name in missing}


def random_model(config: PreTrainedConfig, plan: HeadPlan) -> nn.Module:
    """The same structure with random weights, in fp32."""
    return _under_head(plan.auto_class.from_config(config, dtype=torch.float32), plan)


def empty_model(config: PreTrainedConfig, plan: HeadPlan) -> nn.Module:
    """The same structure, whose weights hold anything and are to be loaded: random ones take as long as reading."""
    with no_init_weights():
        inner = plan.auto_class.from_config(config, dtype=torch.float32)
    return _under_head(inner, plan)


def _under_head(inner: PreTrainedModel, plan: HeadPlan) -> nn.Module:
    if plan.outputs.logits_alone and plan.name in {"auto", "cls"}:
        read_first_token_only(inner.base_model)
    match plan.name:
        case "auto":
            return inner
        case "crf":
            return CrfTagger(inner, num_labels=plan.outputs.size, allowed=plan.outputs.allowed)
        case "custom":
            if plan.build is None:
                raise ValueError("a custom head needs what builds it")
            return CustomHeadModel(inner, plan.build(inner.config, plan.outputs), plan.outputs)
        case _:
            return PooledClassifier(inner, pooling=plan.name, num_labels=plan.outputs.size)


def class_name(model: nn.Module) -> str:
    """The class of transformers that a config names, so that plain transformers loads what it knows of the model."""
    match model:
        case CrfTagger():
            return model.classifier_name
        case PooledClassifier() | CustomHeadModel():
            return type(model.encoder).__name__
        case _:
            return type(model).__name__


def _missing(report: dict[str, Any]) -> set[str]:
    mismatched = {item[0] if isinstance(item, tuple) else item for item in report.get("mismatched_keys", ())}
    return cast("set[str]", {*report.get("missing_keys", ()), *mismatched})
