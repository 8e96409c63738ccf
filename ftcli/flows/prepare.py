"""`ftcli prepare`: get a data set, check it, and say what it looks like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftcli.data.catalog import builtin_names
from ftcli.data.dataset import Prepared
from ftcli.data.findings import Finding, worst_first
from ftcli.data.profile import Profile, with_token_lengths
from ftcli.data.report import read_profile, write_report
from ftcli.errors import RecipeError, UsageError
from ftcli.flows.data import DataPlace, place_for, place_named, prepared_for
from ftcli.flows.recipes import open_recipe
from ftcli.runtime.activity import Working
from ftcli.spec.card import Split
from ftcli.spec.choices import card_task
from ftcli.spec.document import read_document
from ftcli.spec.recipe import Recipe
from ftcli.spec.run import RunSpec

if TYPE_CHECKING:
    from ftcli.data.tokens import TokenizedSplit
    from ftcli.data.tokenstore import TokenStore


_UNCUT = 1 << 24
"""Tokens that no sentence has."""


@dataclass(frozen=True, slots=True)
class PreparedReport:
    """A prepared data set and what it looks like. `was_there` tells that nothing had to be done."""

    prepared: Prepared
    profile: Profile
    was_there: bool


@dataclass(frozen=True, slots=True)
class Target:
    """What `ftcli prepare` was pointed at; the recipe if it was one."""

    place: DataPlace
    recipe: Recipe | None = None


def resolve_target(target: str, settings: tuple[str, ...] = (), *, root: str | None = None) -> Target:
    """Find out what TARGET means: a built-in name, a recipe, or a data card. `root` is where its prepared form goes.

    Raises:
        RecipeError: it is none of them, or has problems.
        UsageError: settings for something that is no recipe.
    """
    if target.endswith(".toml") and not _is_card(Path(target)):
        recipe = open_recipe(Path(target), settings)
        try:
            return Target(place_for(recipe.spec, root=root), recipe)
        except RecipeError as error:
            raise recipe.pinpoint(error) from None
    if settings:
        raise UsageError("`--set` changes a recipe, and this is none", hint=f"ftcli prepare RECIPE --set {settings[0]}")
    if not target.endswith(".toml") and target not in builtin_names() and Path(target).exists():
        hint = f'name it in a recipe (data.train = "{target}") and prepare that; where it holds the files of a built-in'
        hint += f" data set: ftcli prepare NAME --source {target}, NAME one of {', '.join(builtin_names())}"
        raise UsageError(f"{target} is neither a built-in data set nor a recipe or data card", hint=hint)
    return Target(place_named(target, Path(root or "data")))


def _is_card(path: Path) -> bool:
    """A card has its columns at the top; a recipe has tables only."""
    data = read_document(path).data
    return "columns" in data or "generator" in data


def prepare_target(
    target: Target, *, source: str | None = None, max_bad_rows: int = 0, force: bool = False
) -> Working[PreparedReport]:
    """Prepare the target's data and, for a recipe, its token store.

    Args:
        target: What to prepare.
        source: A folder, archive, file or URL to take the files from.
        max_bad_rows: How many rows may be left out because they can't be used.
        force: Prepare again what is there already, and download it again.

    Raises:
        DataError: the data can't be had, or a row can't be used.
        RecipeError: the recipe's tokenizer can't be loaded.
    """
    place = target.place
    before = (place.folder / "dataset.json").stat().st_mtime_ns if place.is_prepared else None
    prepared = yield from prepared_for(place, source=source, max_bad_rows=max_bad_rows, force=force)
    profile = read_profile(prepared)
    if target.recipe is not None:
        profile = yield from _tokenized(prepared, profile, target.recipe.spec)
        write_report(prepared.folder, profile, facts=prepared.facts)
    after = (place.folder / "dataset.json").stat().st_mtime_ns
    return PreparedReport(prepared, profile, was_there=before == after)


def _tokenized(prepared: Prepared, profile: Profile, spec: RunSpec) -> Working[Profile]:
    # Imported late: preparing without a recipe needs neither torch nor transformers.
    from ftcli.data.doctor.reading import find_cuts, find_lost_entities
    from ftcli.data.tokenstore import tokenize
    from ftcli.modeling.tokenizer import load_tokenizer, tokenizer_path
    from ftcli.train.encoding import row_encoder

    tokenizer = load_tokenizer(tokenizer_path(spec.model))
    columns, length = prepared.facts.columns, spec.data.max_length
    encoder = row_encoder(tokenizer, task=spec.task, columns=columns, max_length=length)
    store = yield from tokenize(prepared, encode=encoder.encode, fingerprint=encoder.fingerprint)
    lengths: dict[Split, dict[int, int]] = {split: store.splits[split].length_counts for split in prepared.facts.splits}
    unknown: dict[Split, tuple[int, int]] = {
        split: (store.splits[split].num_unknown, store.splits[split].num_pieces) for split in prepared.facts.splits
    }
    profile = with_token_lengths(profile, lengths=lengths, max_length=length, unknown=unknown)
    if card_task(spec.task) == "tagging":
        whole = row_encoder(tokenizer, task=spec.task, columns=columns, max_length=_UNCUT)
        cuts = find_lost_entities(prepared, encode=whole.encode, max_length=length)
    else:
        cuts = find_cuts(profile.splits, lengths)
    found = worst_first((*cuts, *_recipe_findings(profile, store, spec)))
    return profile.model_copy(update={"recipe_findings": found, "tokenizer": tokenizer.fingerprint})


def _recipe_findings(profile: Profile, store: TokenStore, spec: RunSpec) -> Iterator[Finding]:
    from ftcli.data.doctor.reading import find_padding, find_unknown
    from ftcli.data.plan import SAMPLED_GROUPS, Cut, EpochPlan, padding_share
    from ftcli.runtime.world import World
    from ftcli.train.feed import choose_cut

    splits: dict[Split, TokenizedSplit] = {split: store.splits[split] for split in profile.splits}
    yield from find_unknown(profile.splits)
    world, train = World(), splits["train"]
    cut = choose_cut(spec.batch, world)
    epoch = EpochPlan.of(train.row_lengths, spec.batch, seed=spec.run.seed, epoch=0)
    padding, unsorted = (
        padding_share(epoch, train, how, world.size, groups=SAMPLED_GROUPS) for how in (cut, Cut(rows=spec.batch.size))
    )
    steps = f"{SAMPLED_GROUPS} of {len(epoch):,} steps" if len(epoch) > SAMPLED_GROUPS else ""
    yield from find_padding(padding, unsorted=unsorted, how=str(cut), sample=steps)
