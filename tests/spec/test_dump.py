"""A resolved recipe reads back as the spec it was written from."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.spec.document import parse_document
from ftcli.spec.dump import dump_recipe, toml_value
from ftcli.spec.recipe import resolve_layers
from ftcli.spec.run import RunSpec

ODD = [
    "",
    "off",
    '"',
    "'",
    "\\",
    "\\u0041",
    "a\nb",
    "\r",
    "\t",
    "\x00",
    "\x1f",
    "\x7f",
    "\x85",
    "\u2028",
    "🦉支付",
    "#x",
    "[a]",
]
texts = st.one_of(st.text(max_size=8), st.sampled_from(ODD), st.lists(st.sampled_from(ODD), max_size=3).map("".join))
counts = st.integers(1, 10**12)
shares = st.floats(0, 1, exclude_max=True)
rates = st.floats(0, 1e300)
patterns = st.lists(st.sampled_from(["^a\\.b", "x|y", "'", '"', "\\\\", "[\\]]", "🦉", "\n"]), max_size=3)
cadences = st.one_of(counts, st.just("never"), st.builds(lambda n: {"epochs": n}, st.floats(1e-6, 1e6)))


def table(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


formats = table(
    kind=st.sampled_from(["auto", "jsonl", "csv", "tsv"]),
    delimiter=st.sampled_from([",", "\t", "\x7f", "'", '"', "\\"]),
    quotes=st.sampled_from(["auto", "standard", "literal"]),
    encoding=texts,
)
columns = st.fixed_dictionaries({"text": texts}, optional={"pair": texts, "label": texts})
lengths = st.integers(4, 4096)
data = st.one_of(
    st.fixed_dictionaries({"name": texts}, optional={"max_length": lengths, "root": texts}),
    st.fixed_dictionaries(
        {"train": texts, "columns": columns},
        optional={
            "validation": texts,
            "test": texts,
            "format": formats,
            "labels": st.one_of(st.just("auto"), st.lists(texts, max_size=3)),
            "max_length": lengths,
        },
    ),
    st.fixed_dictionaries({"train": texts, "columns": columns, "holdout": shares}),
)
points = st.one_of(
    st.builds(lambda n: {"epoch": n}, rates),
    st.builds(lambda n: {"step": n}, st.integers(0, 10**9)),
    st.builds(lambda n: {"fraction": n}, st.floats(0, 1)),
)
stages = st.fixed_dictionaries({"at": points}, optional={"unfreeze": patterns, "freeze": patterns})
groups = st.fixed_dictionaries(
    {"match": st.sampled_from(["classifier", "^'x", '"', "\\."])},
    optional={"lr": st.one_of(rates, st.just("inherit")), "weight_decay": st.one_of(rates, st.just("inherit"))},
)
shared: dict[str, st.SearchStrategy[Any]] = {
    "lr": rates,
    "weight_decay": rates,
    "decay_biases_and_norms": st.booleans(),
    "layer_decay": st.floats(0, 1, exclude_min=True),
    "groups": st.lists(groups, max_size=2),
}
optimizers = st.one_of(
    table(kind=st.just("adamw"), beta1=shares, beta2=shares, epsilon=st.floats(0, 1, exclude_min=True), **shared),
    st.fixed_dictionaries({"kind": st.just("sgd")}, optional={"momentum": shares, **shared}),
)
schedules = st.one_of(
    table(kind=st.just("linear"), warmup=rates),
    st.fixed_dictionaries({"kind": st.sampled_from(["cosine", "constant"])}, optional={"warmup": rates}),
    st.fixed_dictionaries(
        {"kind": st.just("polynomial")},
        optional={"warmup": rates, "power": st.floats(0, 9, exclude_min=True), "end": st.floats(0, 1)},
    ),
)
batches = st.one_of(
    table(size=st.integers(8, 10**6), window=counts, micro_size=st.one_of(st.just("auto"), st.integers(1, 8))),
    table(size=st.integers(8, 10**6), max_tokens=st.one_of(st.just("off"), st.integers(4096, 10**9))),
    table(size=st.integers(8, 10**6), accumulation=st.one_of(st.just("off"), st.integers(1, 8))),
)
evaluations = st.one_of(
    table(every=cadences, batch_size=counts, at_start=st.booleans(), best=st.sampled_from(["f1", "mcc", "loss"])),
    st.fixed_dictionaries(
        {"metrics": st.lists(st.sampled_from(["f1", "roc_auc"])), "best": st.just("loss")},
        optional={"train_metrics": st.booleans()},
    ),
)
specs = st.fixed_dictionaries(
    {
        "data": data,
        "model": st.fixed_dictionaries(
            {"path": texts},
            optional={
                "tokenizer": texts,
                "head": st.sampled_from(["auto", "mean"]),
                "dropout": st.one_of(shares, st.just("auto")),
            },
        ),
    },
    optional={
        "run": table(
            name=st.sampled_from(["run", "a.b-c", "支付"]),
            dir=texts,
            seed=st.integers(0, 2**31 - 1),
            device=st.sampled_from(["auto", "cpu", "cuda"]),
        ),
        "task": table(kind=st.just("classification")),
        "freeze": table(patterns=patterns, stages=st.lists(stages, max_size=3)),
        "optimizer": optimizers,
        "schedule": schedules,
        "batch": batches,
        "precision": table(kind=st.sampled_from(["auto", "fp32", "bf16", "fp16"])),
        "train": table(
            epochs=st.floats(1e-6, 1e6),
            steps=st.one_of(counts, st.just("off")),
            max_grad_norm=st.one_of(st.floats(1e-6, 1e6), st.just("off")),
        ),
        "evaluate": evaluations,
        "checkpoint": table(every=cadences, keep=counts),
        "log": table(every=cadences),
        "distributed": table(backend=st.sampled_from(["auto", "gloo", "nccl"])),
    },
).map(RunSpec.model_validate)


def reload(text: str) -> RunSpec:
    return resolve_layers([parse_document(text, "recipe.toml")]).spec


@settings(deadline=None, max_examples=200)
@given(specs)
def test_a_dumped_spec_reads_back_equal(spec: RunSpec) -> None:
    text = dump_recipe(spec)
    assert reload(text) == spec
    assert dump_recipe(reload(text)) == text


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b-c", "d_1"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_a_value_is_written_as_toml_reads_it(value: object) -> None:
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == value


def test_the_dump_says_every_value_in_force_kind_first() -> None:
    text = dump_recipe(
        RunSpec.model_validate({"data": {"name": "demo"}, "model": {"path": "m"}, "optimizer": {"kind": "sgd"}})
    )
    written = tomllib.loads(text)
    assert set(written) == set(RunSpec.model_fields)
    assert next(iter(written["optimizer"])) == "kind"
    assert written["checkpoint"] == {"every": {"epochs": 1.0}, "keep": 2}


def test_stop_after_belongs_to_one_invocation_and_is_not_written() -> None:
    plain = {"data": {"name": "demo"}, "model": {"path": "m"}}
    spec = RunSpec.model_validate({**plain, "train": {"stop_after": 3, "steps": 9}})
    assert "stop_after" not in dump_recipe(spec)
    assert reload(dump_recipe(spec)) == RunSpec.model_validate({**plain, "train": {"steps": 9}})
