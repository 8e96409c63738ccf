"""A page in one file that asks for nothing else: style and pictures stand in it, and no other thing may be loaded."""

from __future__ import annotations

from importlib.resources import files

from ftcli.flows.reporting.curves import Scales, curves, evaluations
from ftcli.flows.reporting.html import Markup, join, tag
from ftcli.flows.reporting.outcomes import Outcome
from ftcli.flows.reporting.results import results
from ftcli.flows.reporting.story import Story
from ftcli.flows.reporting.summary import environment, head, recipe, stages, time_and_memory

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, *body: str) -> str:
    """The whole page."""
    style = files(__package__ or "").joinpath("page.css").read_text(encoding="utf-8")
    top = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    return f"<!doctype html>\n{tag('html', top, tag('body', *body), lang='en')}\n"


def body_of(story: Story, outcome: Outcome | None, *, ids: str, scales: Scales) -> Markup:
    """All there is to say of a run; its curves are drawn on these scales."""
    return join(
        (
            head(story),
            curves(story, ids=ids, scales=scales),
            results(outcome, story.scored(outcome.split), ids=ids) if outcome else Markup(),
            evaluations(story),
            stages(story),
            time_and_memory(story),
            recipe(story),
            environment(story),
        )
    )
