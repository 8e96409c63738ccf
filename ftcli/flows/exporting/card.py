"""The README.md of an export, a model card as the hub reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from ftcli.flows.exporting.formats import ExportFormat
from ftcli.flows.exporting.metadata import front_matter, name_of, without_places
from ftcli.flows.exporting.parity import Parity, Score
from ftcli.flows.exporting.usage import usage
from ftcli.flows.figures import figure
from ftcli.runtime.files import write_json
from ftcli.runtime.manifest import MANIFEST
from ftcli.spec.choices import card_task
from ftcli.spec.wording import counted
from ftcli.train.card import CARD, ModelCard, read_card
from ftcli.train.snapshot import RECIPE


def write_readme(folder: Path, format: ExportFormat, card: ModelCard, parity: Parity, checkpoint: Path) -> None:
    """Say what a folder holds: task, labels, data, metrics, how to use it, and the recipe that made it."""
    recipe = _recipe_of(checkpoint)
    parts = [
        front_matter(format, card, recipe, *_own_scores(parity, checkpoint)),
        f"# {card.data}: {card.task.kind}\n",
        _facts(card, parity),
        "## Scores\n",
        *_scores(parity, checkpoint),
        "## How to use it\n",
        usage(format, card),
        *_shown(without_places(recipe)),
    ]
    (folder / "README.md").write_text("\n".join(parts), encoding="utf-8")


def leave_out_places(folder: Path) -> None:
    """Leave out of ftcli.json where code of the user's own is on this machine; `--code` says where on another."""
    card = read_card(folder)
    code = tuple(each.model_copy(update={"file": name_of(each.file)}) for each in card.code)
    card = card.model_copy(update={"code_folder": "auto", "code": code})
    write_json(folder / CARD, card.model_dump(mode="json"))


def _own_scores(parity: Parity, checkpoint: Path) -> tuple[dict[str, float], str]:
    """The scores of what is in the folder, and of which rows: the checkpoint's own, where the answers are its own."""
    if parity.activation_bits is None and (saved := _saved_metrics(checkpoint)):
        return saved, "validation"
    return {
        name: pair.export.value for name, pair in parity.score.items()
    }, f"validation ({counted(parity.labelled_rows)})"


def _facts(card: ModelCard, parity: Parity) -> str:
    texts = "words" if card_task(card.task) == "tagging" else "pairs of texts" if card.columns.pair else "texts"
    lines = [
        f"- Task: {card.task.kind} of {texts}, `{'`, `'.join(card.columns.texts)}` in the data",
        f"- Trained on {card.data} with ftcli: {counted(card.step, 'step')}, rows of at most {card.max_length} tokens",
        f"- Rows it was trained on (SHA-256): `{card.rows_sha256}`",
    ]
    if card.labels:
        lines.insert(1, f"- Labels: {', '.join(card.labels)}")
    if parity.activation_bits is not None:
        lines.append(f"- Weights of 8 bits, activations of {parity.activation_bits}")
    if (calibration := card.calibration) is not None:
        tuned = "".join(
            f", `{label}` from a probability of {at:.4g} on" for label, at in calibration.thresholds.items()
        )
        lines.append(f"- Calibrated on {calibration.data}: divide logits by {calibration.temperature:.4g}{tuned}")
    return "\n".join([*lines, ""])


def _scores(parity: Parity, checkpoint: Path) -> Iterator[str]:
    if metrics := _saved_metrics(checkpoint):
        saved = ", ".join(f"{name} {figure(value)}" for name, value in metrics.items())
        yield f"On the whole validation split, when it was trained: {saved}.\n"
    same = f"{parity.same_labels:,} of {counted(parity.labels, 'label')}"
    yield f"Beside its checkpoint, on {parity.tried_on}: {same} are the same. `parity.json` has more.\n"
    if parity.score:
        rows = f"{counted(parity.labelled_rows, 'validation row')} (95 % intervals)"
        yield f"| on {rows} | checkpoint | this folder |\n| --- | --- | --- |"
        for name, pair in parity.score.items():
            yield f"| {name} | {_score(pair.checkpoint)} | {_score(pair.export)} |"
        yield ""


def _score(score: Score) -> str:
    """A value with its 95 % interval."""
    interval = score.interval
    return figure(score.value) + (f" ({figure(interval.low)} to {figure(interval.high)})" if interval else "")


def _saved_metrics(checkpoint: Path) -> dict[str, float]:
    path = checkpoint / MANIFEST
    facts: dict[str, Any] = orjson.loads(path.read_bytes()) if path.is_file() else {}
    return facts.get("metrics") or {}


def _recipe_of(checkpoint: Path) -> str:
    """The recipe in force, empty where the checkpoint no longer has it."""
    path = checkpoint / RECIPE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _shown(recipe: str) -> Iterator[str]:
    if recipe:
        yield "## The recipe\n"
        yield f"```toml\n{recipe}\n```\n"
