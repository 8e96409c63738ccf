"""What a page is made of: escaped text, the outcome of each task's predictions, spans, and thinned curves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.tags import Entity
from ftcli.flows.reporting.charts import Chart, Line, figure_of
from ftcli.flows.reporting.curves import MOST_POINTS, smoothed, thinned
from ftcli.flows.reporting.html import Markup, facts, table, tag
from ftcli.flows.reporting.intervals import intervals
from ftcli.flows.reporting.outcomes import MOST_MISTAKES, Outcome, TaggedMistake, read_outcome
from ftcli.flows.reporting.results import results
from ftcli.train.card import ModelCard


def card(task: dict[str, Any], labels: list[str], *, label: str = "label", **more: object) -> ModelCard:
    values: dict[str, object] = {
        "task": task,
        "labels": labels,
        "columns": {"text": "text", "label": label},
        "max_length": 32,
        "head": "auto",
        "batch_size": 8,
        "best_metric": "auto",
        "data": "toy",
        "data_folder": "data/toy",
        "rows_sha256": "0",
    }
    return ModelCard.model_validate({**values, **more})


def outcome(folder: Path, rows: list[dict[str, Any]], known: ModelCard, split: str = "test") -> Outcome:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    found = read_outcome(folder, known)
    assert found is not None
    return found


@given(st.text())
def test_text_is_escaped_wherever_it_stands(text: str) -> None:
    hostile = f"<b>&\"'{text}"
    markup = join_all(tag("p", hostile, title=hostile), table([hostile], [[hostile]]), facts([(hostile, hostile)]))
    assert "<b>" not in markup
    assert Markup("<i></i>") in tag("p", Markup("<i></i>"))


def join_all(*parts: str) -> str:
    return "".join(parts)


def test_labels_are_counted_and_the_surest_mistakes_come_first(tmp_path: Path) -> None:
    rows = [
        {
            "text": f"text {number}",
            "gold": "yes" if number % 3 else "no",
            "label": "yes",
            "probability": 0.5 + number / 200,
        }
        for number in range(90)
    ]
    found = outcome(tmp_path, rows, card({"kind": "classification"}, ["no", "yes"]))
    assert (found.split, found.num_rows, found.num_wrong) == ("test", 90, 30)
    assert found.confusion == [[0, 30], [0, 60]]
    assert [row.support for row in found.per_class] == [30, 60]
    assert [mistake.row for mistake in found.mistakes] == list(range(88, 88 - 3 * MOST_MISTAKES, -3))
    interval = intervals(found.scores)["accuracy"]
    assert interval.low < 2 / 3 < interval.high


def test_a_label_under_another_name_is_read_there(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "topic": 1, "label": "1", "probability": 0.9},
        {"text": "b", "topic": 0, "label": "1", "probability": 0.8},
    ]
    found = outcome(tmp_path, rows, card({"kind": "classification"}, ["0", "1"], label="topic"), "validation")
    assert (found.split, found.num_wrong, found.mistakes[0].gold) == ("validation", 1, "0")


def test_sets_of_labels_are_compared_label_by_label(tmp_path: Path) -> None:
    sure, unsure = {"a": 0.9, "b": 0.2}, {"a": 0.6, "b": 0.4}
    rows = [
        {"text": "x", "topics": ["a"], "labels": ["a"], "probabilities": sure},
        {"text": "y", "topics": ["b"], "labels": ["a"], "probabilities": unsure},
        {"text": "z", "topics": [], "labels": ["a"], "probabilities": sure},
    ]
    found = outcome(tmp_path, rows, card({"kind": "classification", "multi_label": True}, ["a", "b"], label="topics"))
    assert [(each.row, each.gold, each.predicted, each.confidence) for each in found.mistakes] == [
        (3, "none", "a", 0.9),
        (2, "b", "a", 0.6),
    ]
    assert [(row.precision, row.recall) for row in found.per_class] == [(1 / 3, 1.0), (0.0, 0.0)]


def test_numbers_are_drawn_and_the_farthest_come_first(tmp_path: Path) -> None:
    rows = [{"text": str(number), "stars": number, "value": number * 0.9} for number in range(5)]
    found = outcome(tmp_path, rows, card({"kind": "regression"}, [], label="stars"))
    assert [mistake.row for mistake in found.mistakes] == [5, 4, 3, 2, 1]
    page = results(found, None, ids="x")
    assert "Predicted over true values" in page
    assert len(re.findall(r"<use [^>]*fill: var\(--c0\)", page)) == 5
    assert "Largest errors" in page


def test_entities_that_one_line_alone_has_are_framed(tmp_path: Path) -> None:
    rows = [
        {
            "text": list("张三在北京"),
            "gold": ["B-P", "E-P", "O", "B-C", "E-C"],
            "tags": ["B-P", "E-P", "O", "O", "S-C"],
        },
        {"text": list("无"), "gold": ["O"], "tags": ["O"]},
    ]
    tags = ["O", *(f"{prefix}-{kind}" for kind in "PC" for prefix in "BIES")]
    found = outcome(tmp_path, rows, card({"kind": "tagging"}, tags, label="tags", scheme="bioes"))
    (sentence,) = found.sentences
    assert sentence == TaggedMistake(
        1, list("张三在北京"), [Entity("P", 0, 2), Entity("C", 3, 5)], [Entity("P", 0, 2), Entity("C", 4, 5)]
    )
    page = results(found, None, ids="x")
    assert '<mark style="--e:var(--e1)">张三<small>P</small></mark>在<mark class="off"' in page
    assert page.count('class="off"') == 2
    assert "By type of entity" in page


def test_a_task_of_ones_own_has_no_outcome_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"text": "a", "gold": "x", "label": "y"}\n')
    assert read_outcome(tmp_path, card({"kind": "custom", "factory": "a:b"}, ["x"])) is None


def test_long_curves_are_thinned_to_means() -> None:
    points = [(float(x), float(x % 2)) for x in range(10 * MOST_POINTS)]
    thin = thinned(points)
    assert len(thin) == MOST_POINTS
    assert thin[0] == (4.5, 0.5)
    assert thinned(points[:3]) == points[:3]


def test_a_smoothed_curve_begins_at_its_first_point_and_stays_within_the_values() -> None:
    points = [(float(x), float(x % 3)) for x in range(100)]
    smooth = smoothed(points)
    assert smooth[0] == points[0]
    assert all(0 <= y <= 2 for _, y in smooth)
    assert smoothed(points[:5]) == points[:5]


def test_a_picture_takes_its_colours_from_the_page_and_no_names_from_the_user() -> None:
    chart = Chart(
        "Loss",
        [Line("$a^b$ <花呗>", [(0, 1), (1, float("nan")), (2, 0.5)], 3, "dots", (2, 0.5))],
        bands=[(0, 1), (1, 2)],
    )
    picture = figure_of(chart, "x-1")
    legend, _, svg = picture.partition("<svg")
    assert "$a^b$ &lt;花呗&gt;" in legend
    assert "花呗" not in svg
    assert all(part in svg for part in ("currentColor", "var(--c3)", "var(--shade)", 'id="x-1-'))
    assert "#f" not in svg
    assert figure_of(Chart("Empty", [Line("none", [])]), "x") == ""


def test_a_curve_is_drawn_on_the_scale_that_it_is_given() -> None:
    line = Line("loss", [(0, 1), (2, 0.5)])
    alone, shared = (figure_of(Chart("Loss", [line], y_range=y), "x") for y in (None, (0, 30)))
    assert ">30</text>" in shared
    assert ">30</text>" not in alone


@pytest.mark.parametrize("style", ["line", "faint", "dots", "dashed"])
def test_a_single_point_can_be_seen(style: Literal["line", "faint", "dots", "dashed"]) -> None:
    picture = figure_of(Chart("Loss", [Line("loss", [(1, 1)], 2, style)]), "x")
    assert re.search(r"<use [^>]*var\(--c2\)", picture)
