"""Entity scores: the same as seqeval's, whatever the tags."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
from seqeval.scheme import IOB2, IOBES

from ftcli.data.tags import Scheme, tag_list
from ftcli.tasks.entities import EntityCounts, Matching, entity_metrics
from ftcli.tasks.metrics import ClassScores

SCHEMES: dict[Scheme, Any] = {"bio": IOB2, "bioes": IOBES}


@st.composite
def corpora(draw: st.DrawFn) -> tuple[Scheme, list[list[str]], list[list[str]]]:
    """Random tags, most of them ill-formed; about half of the predictions are right."""
    scheme = draw(st.sampled_from(list(SCHEMES)))
    tags = st.sampled_from(tag_list(["PER", "LOC", "ORG"], scheme))
    gold = draw(st.lists(st.lists(tags, min_size=1, max_size=10), min_size=1, max_size=5))
    predicted = [[draw(st.one_of(st.just(tag), tags)) for tag in sentence] for sentence in gold]
    return scheme, gold, predicted


def counted(scheme: Scheme, gold: list[list[str]], predicted: list[list[str]]) -> EntityCounts:
    counts = EntityCounts(scheme)
    for there, said in zip(gold, predicted, strict=True):
        counts.add(there, said)
    return counts


def theirs(gold: list[list[str]], predicted: list[list[str]], average: str | None, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options:
            from seqeval.metrics.v1 import precision_recall_fscore_support as strictly

            return strictly(gold, predicted, average=average, zero_division=0, **options)
        return precision_recall_fscore_support(gold, predicted, average=average, zero_division=0)


def metrics_of(counts: EntityCounts, sentences: int) -> dict[str, float]:
    every = entity_metrics(counts.tables(), torch.ones(sentences, 1, dtype=torch.float64))
    return {name: value.item() for name, value in every.items()}


def values(score: ClassScores) -> tuple[float, float, float]:
    return score.precision.item(), score.recall.item(), score.f1.item()


@given(corpora(), st.sampled_from(["strict", "lenient"]))
@settings(max_examples=300, deadline=None)
def test_scores_are_those_of_seqeval(
    corpus: tuple[Scheme, list[list[str]], list[list[str]]], matching: Matching
) -> None:
    scheme, gold, predicted = corpus
    counts = counted(scheme, gold, predicted)
    options = {"scheme": SCHEMES[scheme]} if matching == "strict" else {}
    found = counts.scores(matching)
    if not found.types:
        assert values(found.micro) == values(found.macro) == (0, 0, 0)
        return
    each = theirs(gold, predicted, None, **options)
    scores = found.by_type
    for score, expected in zip((scores.precision, scores.recall, scores.f1, scores.support), each, strict=True):
        assert score[0].tolist() == pytest.approx(list(expected))
    assert values(found.micro) == pytest.approx(theirs(gold, predicted, "micro", **options)[:3])
    assert values(found.macro) == pytest.approx(theirs(gold, predicted, "macro", **options)[:3])


@given(corpora(), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_scores_under_weights_are_those_of_sentences_repeated(
    corpus: tuple[Scheme, list[list[str]], list[list[str]]], seed: int
) -> None:
    scheme, gold, predicted = corpus
    weights = torch.randint(0, 4, (len(gold), 3), generator=torch.Generator().manual_seed(seed))
    found = entity_metrics(counted(scheme, gold, predicted).tables(), weights.double())
    for case, counts in enumerate(weights.T.tolist()):
        rows = [number for number, count in enumerate(counts) for _ in range(count)]
        expected = metrics_of(counted(scheme, [gold[row] for row in rows], [predicted[row] for row in rows]), len(rows))
        assert {name: value[case].item() for name, value in found.items()} == pytest.approx(expected)


def test_both_ways_of_matching_are_named() -> None:
    counts = counted("bio", [["B-X", "I-X", "O", "B-Y"]], [["I-X", "I-X", "O", "B-Y"]])
    metrics = metrics_of(counts, 1)
    assert (metrics["f1_strict"], metrics["f1_lenient"]) == (2 / 3, 1.0)
    assert (metrics["precision_strict"], metrics["recall_strict"]) == (1.0, 0.5)
    assert (metrics["f1_macro_strict"], metrics["f1_macro_lenient"]) == (0.5, 1.0)
    assert [(row.label, row.f1, row.support) for row in counts.rows()] == [
        ("X", 0.0, 1),
        ("Y", 1.0, 1),
        ("micro (strict)", 2 / 3, 2),
        ("macro (strict)", 0.5, 2),
        ("X (lenient)", 1.0, 1),
        ("Y (lenient)", 1.0, 1),
        ("micro (lenient)", 1.0, 2),
        ("macro (lenient)", 1.0, 2),
    ]


def test_a_sentence_needs_a_tag_for_each_word() -> None:
    with pytest.raises(ValueError, match="1 predicted tag for 2 words"):
        EntityCounts("bio").add(["O", "O"], ["O"])


def test_nothing_to_find_scores_nothing() -> None:
    assert metrics_of(counted("bioes", [["O"]], [["O"]]), 1)["f1_strict"] == 0.0
