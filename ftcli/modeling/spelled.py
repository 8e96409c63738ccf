"""Texts that spell a special token, such as "[SEP]": they are read as letters, never as that token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class SpecialNames:
    """The names of the tokens that have a role, such as the separator; those that a user has added are none."""

    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, inner: PreTrainedTokenizerFast) -> SpecialNames:
        """The names that a tokenizer gives to its roles; a single letter can't be told from text."""
        roles: dict[str, Any] = inner.special_tokens_map
        names = sorted({name for name in roles.values() if isinstance(name, str) and len(name) > 1})
        return cls(re.compile("|".join(map(re.escape, names))) if names else None)

    def as_letters(self, text: str) -> str:
        """The text with a space within each such name, so that no tokenizer knows it for one."""
        return text if self.pattern is None else self.pattern.sub(_parted, text)


def _parted(name: re.Match[str]) -> str:
    return f"{name[0][0]} {name[0][1:]}"
