"""Code of the user's own in a run: where it is looked for, and the head that it makes."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from ftcli.errors import RecipeError
from ftcli.modeling.heads import BuildHead
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.calling import call

_KEY = ("model", "head_factory")


def head_builder(factory: str, options: dict[str, Any]) -> BuildHead | None:
    """What makes a head of the user's own, which is found once it is called; None for "off"."""
    if factory == "off":
        return None

    def build(config: Any, outputs: Outputs) -> nn.Module:
        options_key = ("model", "head_options")
        head = call(factory, config, outputs, key=_KEY, options_key=options_key, options=options)
        if not isinstance(head, nn.Module):
            what = f"`{factory}` makes {type(cast('object', head)).__name__}, which is no torch.nn.Module"
            raise RecipeError(what, key=_KEY)
        return head

    return build
