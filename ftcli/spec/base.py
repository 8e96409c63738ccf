"""The one base of everything that is read from TOML: strict, frozen, and without room for a typo."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of a TOML file. Unknown keys and near-miss types are errors; values never change."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )
