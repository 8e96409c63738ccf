"""What other tools do and ftcli should, but does not yet. What is built leaves this table, and gets its keys."""

from __future__ import annotations

NOT_YET = {
    "delayed evaluation": "Evaluations begin with the first that `evaluate.every` brings; none are left out before.",
    "other forms of tags": "Tags for the characters of a text, spans over lists of words, and the form of CLUENER need "
    "a reader of your own, `data.format.factory`.",
    "several validation sets": "A run has one validation split; `ftcli eval --input FILE` scores others afterwards.",
    "word dropout": "Inside the model numbers are dropped (`model.dropout`), but no whole words of the input.",
}
"""By topic, a sentence for whoever asks."""
