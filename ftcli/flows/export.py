"""`ftcli export`: a checkpoint as a clean folder for tools that know nothing of ftcli, checked before it counts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from ftcli.data.dataset import open_prepared
from ftcli.errors import CheckpointError, DataError, UsageError
from ftcli.flows.plain import own_scores, scores_of_transformers
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.encoding import Fields
from ftcli.runtime.files import write_json
from ftcli.spec.choices import card_task
from ftcli.spec.wording import counted
from ftcli.train.snapshot import CARD, ModelCard

ExportFormat = Literal["hf"]
PARITY_ROWS = 200
LARGEST_DIFFERENCE = 1e-3
"""Of two fp32 logits; batches padded to other lengths account for some 1e-6."""
_LEFT_OUT = {"manifest.json", "recipe.toml"}


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported folder, and how far its scores are from the checkpoint's on `rows` rows."""

    folder: Path
    rows: int
    largest_difference: float
    agreement: float


def export(checkpoint: Path, *, format: ExportFormat = "hf", output: Path | None = None) -> Working[Exported]:
    """Write a checkpoint as a folder that plain transformers loads, and hold its answers against the checkpoint's.

    Args:
        checkpoint: A checkpoint of a run.
        format: `hf`: config.json, model.safetensors, tokenizer, a model card.
        output: The folder; RUN/export/FORMAT if not given.

    Raises:
        CheckpointError: the checkpoint can't be used, or the exported model answers differently.
        UsageError: the folder is in use, or transformers has no class for the head.
    """
    predictor = open_predictor(checkpoint, device="cpu")
    folder = output or _default_folder(checkpoint, format)
    if predictor.card.head != "auto":
        what = f"transformers has no class for the head `{predictor.card.head}`"
        hint = "train with model.head = auto; the encoder alone loads from the checkpoint with AutoModel"
        raise UsageError(what, hint=hint)
    if folder.is_file() or any(parent.is_file() for parent in folder.parents):
        raise UsageError(f"{folder} can't be a folder: there is a file in its place", hint="name another: --output DIR")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"the folder {folder} is not empty", hint="name another one: --output DIR")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _copy(checkpoint, partial, predictor.card)
        yield Activity("compare", 0, PARITY_ROWS)
        exported = _compare(predictor, partial, folder)
        write_json(partial / "parity.json", _parity(exported))
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    yield Activity("compare", exported.rows, exported.rows)
    return exported


def _default_folder(checkpoint: Path, format: ExportFormat) -> Path:
    """RUN/export/FORMAT for RUN/best, RUN/last and RUN/checkpoints/step-N."""
    resolved = checkpoint.resolve()
    run = resolved.parent.parent if resolved.parent.name == "checkpoints" else resolved.parent
    return run / "export" / format


def _copy(checkpoint: Path, partial: Path, card: ModelCard) -> None:
    partial.mkdir(parents=True)
    for path in sorted(checkpoint.iterdir()):
        if path.is_file() and path.name not in _LEFT_OUT:
            shutil.copyfile(path, partial / path.name)
    plain = card.model_copy(update={"data_folder": card.data})
    write_json(partial / CARD, plain.model_dump(mode="json"))
    (partial / "README.md").write_text(_readme(card), encoding="utf-8")


def _readme(card: ModelCard) -> str:
    by_word = card_task(card.task) == "tagging"
    model_class = f"AutoModelFor{'Token' if by_word else 'Sequence'}Classification"
    arguments = "first, second" if card.columns.pair else "text"
    names = 'first, second = "...", "..."' if card.columns.pair else 'text = "..."'
    steps, tokens = counted(card.step, "step"), counted(card.max_length, "token")
    labels = f"Labels: {', '.join(card.labels)}.\n" if card.labels else ""
    return f"""# {card.data}: {card.task.kind}

{labels}Trained on {card.data} with ftcli ({steps}), on rows of at most {tokens}.

```python
from transformers import {model_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = {model_class}.from_pretrained("FOLDER")
{names}
inputs = tokenizer({arguments}, truncation=True, max_length={card.max_length}, return_tensors="pt")
{_answer(card)}
```
"""


def _answer(card: ModelCard) -> str:
    """The line of Python that shows what a model says."""
    match card_task(card.task):
        case "regression":
            return "print(model(**inputs).logits.item())"
        case "multilabel":
            return "print(dict(zip(model.config.id2label.values(), model(**inputs).logits.sigmoid()[0].tolist())))"
        case "tagging":
            return "print([model.config.id2label[tag.item()] for tag in model(**inputs).logits[0].argmax(-1)])"
        case _:
            return "print(model.config.id2label[model(**inputs).logits.argmax(-1).item()])"


def _compare(predictor: Predictor, partial: Path, folder: Path) -> Exported:
    rows = _rows(predictor)
    expected, found = own_scores(predictor, rows), scores_of_transformers(predictor, partial, rows)
    agreement = float((expected.argmax(1) == found.argmax(1)).double().mean())
    difference = float((expected - found).abs().max())
    if agreement < 1:
        raise CheckpointError(f"the exported model gives other labels for {1 - agreement:.1%} of {counted(len(rows))}")
    if difference > LARGEST_DIFFERENCE:
        raise CheckpointError(f"the exported model's logits differ by up to {difference:.2g} from the checkpoint's")
    return Exported(folder, len(rows), difference, agreement)


def _rows(predictor: Predictor) -> list[Fields]:
    """Rows to compare on: the validation split's if it is still there, else made-up ones."""
    try:
        prepared = open_prepared(Path(predictor.card.data_folder))
        rows = list(islice(prepared.rows("validation"), PARITY_ROWS))
    except DataError:
        rows = []
    by_word = predictor.task.outputs.per == "token"
    return rows or [_made_up(n, predictor.card.columns.texts, by_word=by_word) for n in range(PARITY_ROWS)]


def _made_up(number: int, columns: Sequence[str], *, by_word: bool) -> Fields:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    chosen = {column: words[: 1 + (number * 7 + place) % 10] for place, column in enumerate(columns)}
    return {column: each if by_word else " ".join(each) for column, each in chosen.items()}


def _parity(exported: Exported) -> dict[str, float | int]:
    return {
        "rows": exported.rows,
        "largest_logit_difference": exported.largest_difference,
        "label_agreement": exported.agreement,
    }
