"""Programs of torch.export: a traced model as model.pt2, which torch runs, or compiles, without its Python code.

The decoder of a CRF is no part of it; its scores lie beside it in crf.safetensors, as `allowed_scores` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor
from torch.export import ExportedProgram

from ftcli.errors import CheckpointError
from ftcli.modeling.crf import LinearChainCRF
from ftcli.modeling.exporting.files import PROGRAM
from ftcli.modeling.exporting.model import ExportedModel
from ftcli.modeling.outputs import Outputs

CRF = "crf.safetensors"
_SCORES = ("starts", "ends", "steps")


def write_program(program: ExportedProgram, folder: Path, crf: LinearChainCRF | None) -> None:
    """Write a traced model, and the scores of its CRF if it has one."""
    program.example_inputs = None  # they would be pickled
    torch.export.save(program, folder / PROGRAM)
    if crf is not None:
        save_file(dict(zip(_SCORES, crf.allowed_scores(), strict=True)), folder / CRF)


class ProgramModel(ExportedModel):
    """A model.pt2, run by torch. Only for one's own: what torch reads of it may be code, in pickles or expressions.

    Raises:
        CheckpointError: torch can't read it.
    """

    def __init__(self, folder: Path, outputs: Outputs) -> None:
        try:
            program: Any = torch.export.load(folder / PROGRAM).module()
        except Exception as error:  # whatever its readers of archives, JSON and tensors stumble over
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CheckpointError(f"can't load {folder / PROGRAM}: {reason}") from error

        def compute(inputs: Mapping[str, Tensor]) -> Tensor:
            return program(**inputs)

        crf = _crf_of(folder, outputs) if (folder / CRF).is_file() else None
        super().__init__(compute, by_word=outputs.per == "token", crf=crf)


def _crf_of(folder: Path, outputs: Outputs) -> LinearChainCRF:
    crf, scores = LinearChainCRF(outputs.size), load_file(folder / CRF)
    crf.take_scores(*(scores[name] for name in _SCORES))
    return crf
