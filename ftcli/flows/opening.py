"""What a run says of itself before it takes its first step."""

from __future__ import annotations

from collections.abc import Iterator

from ftcli.data.report import read_profile
from ftcli.errors import DataError
from ftcli.modeling.packing import skips_padding
from ftcli.runtime.rundir import RunDir
from ftcli.spec.wording import counted
from ftcli.train.assemble import Parts
from ftcli.train.events import Noted, RunStarted
from ftcli.train.feed import choose_cut


def started(parts: Parts, run_dir: RunDir, *, step: int = 0) -> RunStarted:
    """The event that opens a run; everything in it is known before tokenising."""
    spec, model, limits = parts.spec, parts.loaded.model, parts.limits
    sizes: dict[str, int] = {}
    for rule in parts.rules:
        sizes[rule.group] = sizes.get(rule.group, 0) + model.get_parameter(rule.name).numel()
    stage = parts.freezing.stages[parts.freezing.stage_at(step)]
    return RunStarted(
        step=step,
        total_steps=limits.total_steps,
        steps_per_epoch=limits.steps_per_epoch,
        run_dir=str(run_dir.path),
        name=spec.run.name,
        data=parts.prepared.facts.name,
        model=spec.model.path,
        rows={split: facts.rows for split, facts in parts.prepared.facts.splits.items()},
        num_parameters=sum(p.numel() for p in model.parameters()),
        num_trainable=sum(p.numel() for name, p in model.named_parameters() if name in stage.trainable),
        world_size=parts.world.size,
        device=str(parts.world.device),
        precision=parts.precision,
        batch_size=spec.batch.size,
        cut=str(choose_cut(spec.batch, parts.world, skips_padding=skips_padding(parts.loaded.model))),
        group_sizes=sizes,
        best_metric=parts.evaluation.best,
        notes=(*parts.notes, *_how_split(parts)),
    )


def _how_split(parts: Parts) -> Iterator[str]:
    section, size = parts.spec.distributed, parts.world.size
    if section.strategy == "fsdp" and size > 1:
        on_host = ", kept on the host" if section.offload else ""
        yield f"split as {section.sharding} over every {section.degree(size)} processes{on_host}"


def remarks(parts: Parts, *, step: int = 0) -> Iterator[Noted]:
    """What the user should know before it begins, beside the facts that RunStarted tells."""
    for warning in parts.warnings:
        yield Noted(step, warning, "warning")
    yield from (Noted(step, finding, "warning") for finding in _found(parts))
    if reason := _why_unevaluated(parts):
        yield Noted(step, f"{reason}: nothing is evaluated, and best is the last checkpoint")
    if parts.spec.train.compile:
        yield Noted(step, "each stage's steps are compiled if a trial on the first of them shows that it pays")


def _found(parts: Parts) -> Iterator[str]:
    """What the data's stored report warns of that a score would hide: leaks, and a tokenizer that doesn't fit."""
    try:
        profile = read_profile(parts.prepared)
    except DataError:  # a report that can't be read is no reason not to train
        return
    same_tokenizer = profile.tokenizer == parts.tokenizer.fingerprint
    for finding in profile.all_findings:
        counts = finding.code == "leak" or (finding.code == "unknown" and same_tokenizer)
        if counts and finding.severity == "warning":
            yield f"{finding.text} ({finding.advice})" if finding.advice else finding.text


def _why_unevaluated(parts: Parts) -> str | None:
    limits = parts.limits
    if "validation" not in parts.prepared.facts.splits:
        return "there is no validation split"
    if limits.evaluate.period is None:
        return "`evaluate.every` is never"
    if not limits.evaluate.falls_within(limits.total_steps):
        name = "delay" if limits.evaluate.first > limits.total_steps else "every"
        return f"`evaluate.{name}` is longer than the run's {counted(limits.total_steps, 'step')}"
    return None
