"""ftcli's side of the benchmarks, through its Python API."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from ftcli.flows.data import place_for, prepared_for
from ftcli.flows.train import train
from ftcli.modeling.places import resolve_path
from ftcli.runtime.activity import finish
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.recipe import load_recipe
from ftcli.spec.run import RunSpec
from ftcli.train.assemble import assemble, load_parts
from ftcli.train.events import EpochDone, RunStarted
from ftcli.train.run import Run
from tests.benchmarks.speed.clock import now
from tests.benchmarks.speed.material import Material

TRAINED_LAYERS = 2
"""What is trained where the rest is frozen: so many upper layers, and the head."""


def spec_of(material: Material, *settings: str) -> RunSpec:
    """The recipe, changed by settings."""
    return load_recipe(material.recipe, settings).spec


def config_of(material: Material) -> Any:
    """The encoder's shape, as transformers tells it."""
    kind: Any = AutoConfig  # typed in part
    return kind.from_pretrained(resolve_path(material.model))


def frozen_patterns(material: Material) -> tuple[str, ...]:
    """What matches the embeddings and all layers of the encoder but the upper ones."""
    numbers = "|".join(map(str, range(config_of(material).num_hidden_layers - TRAINED_LAYERS)))
    return (r"^bert\.embeddings\.", rf"^bert\.encoder\.layer\.({numbers})\.")


def train_seconds(spec: RunSpec, folder: Path) -> float:
    """Seconds from a run's beginning, its model built, to its last step, filling of caches included.

    The run folder, and the checkpoint that every run ends with, are made and removed beside.
    """
    started = ended = 0.0
    with closing(train(spec, run_dir=str(folder))) as events:
        for event in events:
            if isinstance(event, RunStarted):
                started = now()
            elif isinstance(event, EpochDone):
                ended = now()
    shutil.rmtree(folder)
    return ended - started


def forget_prefixes(material: Material) -> None:
    """Remove every prefix cache, so that the next run begins with a cold one."""
    for folder in material.data_root.glob("*/prefix"):
        shutil.rmtree(folder)


def live_run(spec: RunSpec, folder: Path) -> Run:
    """A run as it is before its first step."""
    prepared = finish(prepared_for(place_for(spec)))
    return finish(assemble(load_parts(spec, world=World(), prepared=prepared), run_dir=RunDir(folder)))
