"""Which keys of a recipe depend on each other or exclude each other, in sentences for `ftcli explain`.

The checks themselves are in `contradictions` and the modules it calls; a test holds that all they find is told here.
"""

from __future__ import annotations

from ftcli.spec.contradictions import OWN_FILES
from ftcli.spec.factories import FACTORIES
from ftcli.spec.metrics import METRICS
from ftcli.spec.processes import SPLIT_KEYS

_FILES = tuple(f"data.{key}" for key in OWN_FILES if key != "train")
_CUTS = ("batch.micro_size", "batch.max_tokens", "batch.accumulation")
_PATTERNS = ("freeze.patterns", "freeze.stages.unfreeze", "freeze.stages.freeze", "optimizer.groups.match")
_SPLIT = tuple(f"distributed.{key}" for key in SPLIT_KEYS)
_METRICS = "; ".join(f"of {task}: {', '.join(names)}" for task, names in METRICS.items())

RELATIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("data.name", "data.train"), "A recipe names a data set or files of its own: `data.name` or `data.train`."),
    (_FILES, "It goes with `data.train`, not with `data.name`."),
    (("data.train", "data.columns"), "`data.train` needs `data.columns`."),
    (("data.holdout", "data.validation"), "`data.holdout` makes the split that `data.validation` names: not both."),
    (("data.also",), "It needs a validation split: `data.validation` or `data.holdout`."),
    (("data.test_holdout", "data.test"), "`data.test_holdout` makes the split that `data.test` names: not both."),
    (("data.holdout", "data.test_holdout"), "`data.holdout` and `data.test_holdout` together stay below 1."),
    (("data.columns.pair",), 'Not with `task.kind = "tagging"`, which reads one text.'),
    (("data.labels", "data.label_map"), 'Not with `task.kind = "regression"`, which has numbers.'),
    (("data.tags",), 'Only with `task.kind = "tagging"`, or with a task of your own.'),
    (("data.format.kind", "data.format.factory"), '`kind = "custom"` and `factory` go together.'),
    (_CUTS, "A step is cut by one of `micro_size`, `max_tokens` and `accumulation`."),
    (("batch.micro_size", "batch.accumulation"), "At most `batch.size`, or twice that where `task.symmetric = true`."),
    (("batch.max_tokens", "data.max_length"), "`batch.max_tokens` is at least `data.max_length`."),
    (("freeze.stages.at",), "One of `epoch`, `step` and `fraction`."),
    (_PATTERNS, "Each must match a parameter; `ftcli train RECIPE --dry-run` shows which it matches."),
    (("model.head", "model.head_factory"), '`model.head = "custom"` and `model.head_factory` go together.'),
    (("evaluate.metrics", "evaluate.best"), f"There are, {_METRICS}; and those of `evaluate.factory`."),
    (("evaluate.metrics", "evaluate.best"), "`evaluate.best` is one of `evaluate.metrics`, or the loss."),
    (("task.threshold",), "Only with `task.multi_label = true`."),
    (("task.focal_gamma", "task.label_smoothing"), "One of `focal_gamma` and `label_smoothing`: they pull apart."),
    (("task.focal_gamma", "task.label_smoothing", "task.r_drop"), "Not with `task.multi_label = true`."),
    (("task.focal_gamma", "task.label_smoothing", "task.loss"), "A loss of your own goes without smoothing and focus."),
    (("task.r_drop", "model.dropout"), "`task.r_drop` needs dropout, so not with `model.dropout = 0`."),
    (("task.class_weights", "task.label_smoothing", "task.loss"), 'Of tags: not with `model.head = "crf"`.'),
    (("task.class_weights",), '"balanced" is for rows with one label; with several, and for tags, give a table.'),
    (("task.class_weights", "task.loss"), "With `task.multi_label = true` not both of `class_weights` and `loss`."),
    (_SPLIT, 'It goes with `distributed.strategy = "fsdp"`.'),
    (
        ("distributed.offload", "distributed.sharding"),
        '`offload` is for "stage2" and "stage3": in both, weights lie split between steps.',
    ),
    (
        ("train.compile", "distributed.strategy"),
        '`train.compile` goes with "ddp" and, of "fsdp", with `sharding = "stage1"`.',
    ),
    (tuple(".".join(key) for key in FACTORIES), "It is looked for beside the recipe, or in `run.code`."),
)
"""Keys, and what holds between them and others."""


def relations_of(key: str) -> list[str]:
    """What is to be known of a key, such as `freeze.cache`, beside its own value."""
    return [sentence for keys, sentence in RELATIONS if key in keys]
