"""A tag for each word: losses are sums over words, weighed if need be, and scores are of entities."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import RecipeError
from ftcli.runtime.encoding import Encoded
from ftcli.spec.choices import TaggingTask
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch, collate
from ftcli.tasks.tagging import Tagging, build_tagging

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")
GOLD = [["O", "B-X", "I-X"], ["B-Y"], ["O", "O", "B-X", "O"]]
WEIGHTS = torch.tensor([0.25, 1.0, 1.0, 4.0, 1.0]).double()


class TokenTable(nn.Module):
    """A model whose logits of a token are a learned row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(20, 5, generator=torch.Generator().manual_seed(0)).double())

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.rows[input_ids])


def task(*, evaluate: dict[str, object] | None = None, **section: object) -> Tagging:
    facts = LabelFacts("tagging", "tags", TAGS, scheme="bio", text="words")
    asked = TaggingTask.model_validate(section)
    return build_tagging(asked, facts, EvaluateSection.model_validate(evaluate or {}))


def numbers(rows: list[list[str]]) -> Tensor:
    return torch.tensor([TAGS.index(tag) for row in rows for tag in row])


def split() -> TokenizedSplit:
    """The gold rows, a token a word between two others; the last one is read in two windows, which overlap."""
    ids = [[1, 5, 6, 7, 2], [1, 8, 2], [1, 9, 10, 11, 2], [1, 10, 11, 12, 2]]
    positions = [[1, 2, 3], [1], [1, 2], [2, 3]]
    encoded = Encoded(ids, None, [5, 3, 6], sequences=[1, 1, 2], positions=positions)
    return TokenizedSplit.of(encoded, numbers(GOLD))


def batch(*sequences: int) -> Batch:
    return collate(split(), torch.tensor(sequences), pad_id=0)


def words_of(model: TokenTable) -> Tensor:
    return model.rows[torch.tensor([5, 6, 7, 8, 9, 10, 11, 12])]


@torch.no_grad()
def test_the_loss_is_a_sum_over_words_each_in_one_window() -> None:
    model, tags = TokenTable(), task()
    expected = cross_entropy(words_of(model), numbers(GOLD), reduction="sum")
    assert float(tags.loss(model, batch(0, 1, 2, 3))) == pytest.approx(float(expected), rel=1e-12)
    parts = [tags.loss(model, batch(*part)) for part in ((0,), (1, 3), (2,))]
    assert float(sum(parts)) == pytest.approx(float(expected), rel=1e-12)
    assert tags.count_items(split(), torch.arange(3)) == 8
    assert tags.count_items(split(), torch.tensor([2, 1])) == 5


@torch.no_grad()
def test_with_class_weights_words_count_by_the_weight_of_their_tag() -> None:
    model, weighted = TokenTable(), task(class_weights={"O": 0.25, "B-Y": 4.0})
    mean = weighted.loss(model, batch(0, 1, 2, 3)) / weighted.count_items(split(), torch.arange(3))
    assert float(mean) == pytest.approx(float(cross_entropy(words_of(model), numbers(GOLD), WEIGHTS)), rel=1e-12)
    assert weighted.count_items(split(), torch.tensor([1, 2])) == 4.0 + 3 * 0.25 + 1.0


@torch.no_grad()
def test_scores_come_word_by_word_with_the_same_loss() -> None:
    model, smooth = TokenTable(), task(label_smoothing=0.1, class_weights={"O": 0.25, "B-Y": 4.0})
    found = smooth.infer(model, batch(0, 1, 2, 3), with_loss=True)
    assert torch.equal(found.scores, words_of(model))
    assert found.loss is not None
    assert float(found.loss) == float(smooth.loss(model, batch(0, 1, 2, 3)))
    assert smooth.infer(model, batch(0), with_loss=False).loss is None


def absolute(logits: Tensor, labels: Tensor) -> Tensor:
    return 1 - logits.softmax(1).gather(1, labels[:, None])[:, 0]


@torch.no_grad()
def test_a_loss_of_ones_own_is_of_single_words_and_weighed_too() -> None:
    model = TokenTable()
    each = absolute(words_of(model), numbers(GOLD))
    own = task(loss=f"{__name__}:absolute")
    assert float(own.loss(model, batch(0, 1, 2, 3))) == pytest.approx(float(each.sum()), rel=1e-12)
    own = task(loss=f"{__name__}:absolute", class_weights={"O": 0.25, "B-Y": 4.0})
    expected = float((each * WEIGHTS[numbers(GOLD)]).sum())
    assert float(own.loss(model, batch(0, 1, 2, 3))) == pytest.approx(expected, rel=1e-12)


def test_a_weight_of_no_tag_is_an_error_that_lists_the_tags() -> None:
    with pytest.raises(RecipeError, match=r"`task\.class_weights` names `X`, which is no label of the data") as caught:
        task(class_weights={"X": 2.0})
    problem = caught.value.problems[0]
    assert (problem.key, problem.hint) == (("task", "class_weights"), "The labels are O, B-X, I-X, B-Y, I-Y")


PREDICTED = [["O", "B-X", "I-X"], ["I-Y"], ["O", "B-X", "O", "O"]]


def test_metrics_are_those_that_are_asked_for_and_strict_ones_want_a_well_formed_entity() -> None:
    found = numbers(PREDICTED)
    every = task().measure(found, split())
    assert tuple(every) == METRICS["tagging"]
    assert every["accuracy"] == 5 / 8
    assert (every["precision_strict"], every["recall_strict"]) == (1 / 2, 1 / 3)
    assert (every["precision_lenient"], every["recall_lenient"]) == (2 / 3, 2 / 3)
    assert (every["precision_macro_strict"], every["recall_macro_strict"]) == (1 / 4, 1 / 4)
    assert (every["precision_macro_lenient"], every["recall_macro_lenient"]) == (3 / 4, 3 / 4)
    chosen = ["recall_macro_lenient", "accuracy"]
    asked = task(evaluate={"metrics": chosen, "best": "accuracy"}).measure(found, split())
    assert asked == {name: every[name] for name in chosen}
    assert task(evaluate={"metrics": ["accuracy"]}).measure(found, split()) == {"accuracy": 5 / 8}


def test_sentences_are_resampled_with_all_of_their_words() -> None:
    weights = torch.tensor([[2.0], [0], [1]], dtype=torch.float64)
    found = task().row_metrics(numbers(PREDICTED), split()).measure(weights)
    every = {name: value.item() for name, value in found.items()}
    assert every["accuracy"] == (2 * 3 + 2) / (2 * 3 + 4)
    assert (every["precision_strict"], every["recall_strict"]) == (2 / 3, 2 / 3)


def test_the_detail_has_each_type_strictly_and_leniently() -> None:
    rows = task().detail(numbers(PREDICTED), split()).per_class
    assert [(row.label, row.f1, row.support) for row in rows if row.label[0] in "XY"] == [
        ("X", 0.5, 2),
        ("Y", 0.0, 1),
        ("X (lenient)", 0.5, 2),
        ("Y (lenient)", 1.0, 1),
    ]


def test_each_word_gets_a_tag_and_entities_their_place_and_text() -> None:
    tags, model = task(), TokenTable()
    scores = torch.nn.functional.one_hot(numbers(GOLD), 5).double()
    found = tags.conclude(model, scores, split())
    assert torch.equal(found, numbers(GOLD))
    rows: list[dict[str, object]] = [
        {"words": ["the", "red", "fox"]},
        {"words": ["京"], "text": " 京", "offsets": [[1, 2]]},
        {"words": ["a", "b", "c", "d"]},
    ]
    answers = list(tags.answers(found, split(), rows))
    assert answers[0] == {"tags": GOLD[0], "entities": [{"type": "X", "start": 1, "end": 3, "text": "red fox"}]}
    assert answers[1]["entities"] == [{"type": "Y", "start": 1, "end": 2, "text": "京"}]
    assert answers[1]["words"] == ["京"]
    assert answers[2]["tags"] == GOLD[2]


def test_the_model_is_asked_for_a_score_of_each_tag_at_each_token() -> None:
    outputs = task().outputs
    assert (outputs.labels, outputs.per) == (TAGS, "token")
    assert outputs.allowed is not None
    assert outputs.allowed.starts == [True, True, False, True, False]
