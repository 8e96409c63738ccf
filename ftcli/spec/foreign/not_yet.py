"""What other tools do and ftcli should, but does not yet. What is built leaves this table, and gets its keys."""

from __future__ import annotations

NOT_YET = {
    "activation checkpointing": "Inner values are all kept for the backward pass; a smaller `batch.micro_size` saves "
    "memory, and so does freezing lower layers.",
    "delayed evaluation": "Evaluations begin with the first that `evaluate.every` brings; none are left out before.",
    "dropped rows": "No row is left out: the last step of an epoch is shorter where rows are left over, and is weighed "
    "by its rows.",
    "early stopping": "A run does not end by itself for lack of progress; `recipes/custom/early_stop.py` stops one, in "
    "Python.",
    "evaluations at least": "Evaluations come as `evaluate.every` says; a fraction, `{ epochs = 0.25 }`, makes them "
    "frequent in short runs.",
    "grid search": "A recipe is one run: a loop in the shell over `--set` and `--run-dir` makes several.",
    "initial loss scale": "Under fp16 the scale begins at 65,536 and adapts itself.",
    "other forms of tags": "Tags for the characters of a text, spans over lists of words, and the form of CLUENER need "
    "a reader of your own, `data.format.factory`.",
    "seed of the data": "Order, dropout and new weights all come from `run.seed`.",
    "several machines": "The first process alone writes log and checkpoints: several machines need a run folder that "
    "all of them see.",
    "several validation sets": "A run has one validation split; `ftcli eval --input FILE` scores others afterwards.",
    "sharding": "Each process holds the whole model, its gradients and its optimizer's state; nothing is split, "
    "nor moved to the CPU.",
    "torch optimizers": "Of torch's optimizers `adamw` and `sgd` go by name; others take a line of code of your own, "
    '`kind = "custom"`.',
    "torch schedules": "Schedules are `linear`, `cosine`, `polynomial` and `constant`; others of torch or transformers "
    "can't be named.",
    "word dropout": "Inside the model numbers are dropped (`model.dropout`), but no whole words of the input.",
}
"""By topic, a sentence for whoever asks."""
