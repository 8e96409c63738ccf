"""Other tools' words for values: what a recipe says in their place, by its keys."""

from __future__ import annotations

from dataclasses import dataclass

from ftcli.spec.foreign.argument import plain
from ftcli.spec.nearest import did_you_mean
from ftcli.spec.torch_names import NO_OPTIMIZERS, NO_SCHEDULES, TORCH_OPTIMIZERS, TORCH_SCHEDULERS


@dataclass(frozen=True, slots=True)
class Value:
    """Words that stand elsewhere where a recipe has these keys, and what is written here for them.

    `here` is TOML, as a recipe or `--set` takes it; empty where there is no such thing. `note` is a sentence.
    """

    words: tuple[str, ...]
    keys: tuple[str, ...]
    here: str = ""
    note: str = ""

    def word(self, written: str) -> str | None:
        """The one of its words that is written so, or in capitals, or after dashes; None if it has none."""
        return next((each for each in self.words if plain(each) == plain(written)), None)


def value(keys: str, words: str, here: str, note: str = "") -> Value:
    """Words that have their like here; spaces part keys, and words."""
    return Value(tuple(words.split()), tuple(keys.split()), here, note)


def no_value(keys: str, words: str, note: str) -> Value:
    """Words for what does not belong here, and why."""
    return Value(tuple(words.split()), tuple(keys.split()), "", note)


_OWN_KINDS = {"AdamW", "SGD"}
_OPTIMIZERS = (
    value(
        "optimizer.kind",
        "AdamW adamw_hf adamw_torch adamw_torch_fused adamw_torch_xla adamw_torch_npu_fused adamw_apex_fused",
        'optimizer.kind = "adamw"',
    ),
    value(
        "optimizer.kind",
        "adamw_anyprecision adamw_torch_4bit adamw_torch_8bit adamw_8bit adamw_bnb_8bit paged_adamw paged_adamw_8bit "
        "paged_adamw_32bit",
        'optimizer.kind = "adamw"',
        "Its state is fp32; `distributed.sharding` splits it over processes.",
    ),
    value("optimizer.kind", "SGD", 'optimizer.kind = "sgd"'),
    *(
        value("optimizer.kind", name, f'optimizer = {{ kind = "torch", name = "{name}" }}')
        for name in TORCH_OPTIMIZERS
        if name not in _OWN_KINDS
    ),
    value(
        "optimizer.kind",
        "rmsprop_bnb rmsprop_bnb_8bit rmsprop_bnb_32bit",
        'optimizer = { kind = "torch", name = "RMSprop" }',
        "Its state is fp32.",
    ),
    value(
        "optimizer.kind",
        "ademamix ademamix_8bit paged_ademamix_8bit paged_ademamix_32bit lion lion_8bit lion_32bit paged_lion_8bit "
        "paged_lion_32bit grokadamw stable_adamw",
        'optimizer = { kind = "custom", factory = "module:name" }',
        "Name code of your own, such as the Lion in `recipes/custom/parts.py`.",
    ),
    no_value(
        "optimizer.kind",
        "galore_adamw galore_adamw_8bit galore_adafactor galore_adamw_layerwise galore_adamw_8bit_layerwise "
        "galore_adafactor_layerwise apollo_adamw apollo_adamw_layerwise lomo adalomo",
        "It saves memory for models far larger than encoders.",
    ),
    no_value(
        "optimizer.kind",
        "schedule_free_adamw schedule_free_radam schedule_free_sgd",
        "It scores other weights than it trains; `train.average` has a mean of the weights scored and saved.",
    ),
    *(no_value("optimizer.kind", name, f"{why.capitalize()}.") for name, why in NO_OPTIMIZERS.items()),
)
_SCHEDULES = (
    value("schedule.kind", "linear_with_warmup LinearDecayWithWarmup", 'schedule.kind = "linear"'),
    value("schedule.kind", "cosine_with_warmup CosineDecayWithWarmup", 'schedule.kind = "cosine"'),
    value("schedule.kind", "polynomial_with_warmup PolyDecayWithWarmup", 'schedule.kind = "polynomial"'),
    value(
        "schedule.kind",
        "constant_with_warmup ConstScheduleWithWarmup",
        'schedule.kind = "constant"',
        "The warm-up is `schedule.warmup`, whatever the kind.",
    ),
    value(
        "schedule.kind",
        "cosine_with_restarts",
        'schedule = { kind = "torch", name = "CosineAnnealingWarmRestarts", options = { T_0 = 500 } }',
        '`T_0` is the steps from one restart to the next. With one cycle, its default, it is "cosine".',
    ),
    value(
        "schedule.kind",
        "cosine_with_min_lr cosine_warmup_with_min_lr",
        'schedule = { kind = "torch", name = "CosineAnnealingLR", options = { T_max = 1000, eta_min = 0.1 } }',
        "`T_max` is the steps after the warm-up, `eta_min` a fraction of the peak.",
    ),
    value(
        "schedule.kind",
        "warmup_stable_decay",
        'schedule = { kind = "polynomial", power = 0.3 }',
        "The smaller the power, the longer the rate stays near its peak; no part of it is quite flat.",
    ),
    *(
        value(
            "schedule.kind",
            name,
            f'schedule = {{ kind = "torch", name = "{name}" }}',
            "What it is called with is `schedule.options`.",
        )
        for name in TORCH_SCHEDULERS
    ),
    no_value(
        "schedule.kind",
        "inverse_sqrt",
        "It falls without regard to where the run ends; what is here falls to the run's end, or stays.",
    ),
    no_value(
        "schedule.kind",
        "reduce_lr_on_plateau greedy",
        f"{NO_SCHEDULES['ReduceLROnPlateau'].capitalize()}; `evaluate.patience` ends a run that gains no more.",
    ),
    *(no_value("schedule.kind", name, f"{why.capitalize()}.") for name, why in NO_SCHEDULES.items() if name[0] != "_"),
)
_PRECISIONS = (
    value("precision.kind", "no none O0 float32 32", 'precision.kind = "fp32"'),
    value("precision.kind", "float16 half 16-mixed", 'precision.kind = "fp16"'),
    value("precision.kind", "bfloat16 bf16-mixed", 'precision.kind = "bf16"'),
    value("precision.kind", "O1 amp", 'precision.kind = "auto"', '"bf16" or "fp16", where that is fast.'),
    no_value(
        "precision.kind",
        "O2 O3 fp16_full bf16_full pure_fp16 pure_bf16",
        'It is left out on purpose: weights stay fp32. Under "fp16" and "bf16" the forward pass is what is rounded.',
    ),
    no_value("precision.kind", "fp8 int8", "Training has no 8 bits."),
)
_SPLITS = "distributed.strategy distributed.sharding"
_STRATEGIES = (
    value("distributed.strategy", "no MULTI_CPU MULTI_GPU DistributedDataParallel", 'distributed.strategy = "ddp"'),
    value(_SPLITS, "NO_SHARD zero0 stage0", 'distributed.strategy = "ddp"'),
    value("distributed.strategy", "fsdp2", 'distributed.strategy = "fsdp"'),
    value(
        "distributed.strategy",
        "deepspeed zero",
        'distributed.strategy = "fsdp"',
        "ZeRO's stages 1 to 3 are `distributed.sharding`.",
    ),
    value(_SPLITS, "zero1", 'distributed = { strategy = "fsdp", sharding = "stage1" }'),
    value(_SPLITS, "zero2 SHARD_GRAD_OP", 'distributed = { strategy = "fsdp", sharding = "stage2" }'),
    value(_SPLITS, "zero3 FULL_SHARD", 'distributed = { strategy = "fsdp", sharding = "stage3" }'),
    value(
        _SPLITS,
        "HYBRID_SHARD",
        'distributed = { strategy = "fsdp", sharding = "stage3", sharding_degree = 8 }',
        "The degree is how many processes share a copy.",
    ),
    value(
        _SPLITS,
        "HYBRID_SHARD_ZERO2",
        'distributed = { strategy = "fsdp", sharding = "stage2", sharding_degree = 8 }',
        "The degree is how many processes share a copy.",
    ),
    value(_SPLITS, "offload", 'distributed = { strategy = "fsdp", offload = true }'),
    no_value("distributed.strategy", "MEGATRON_LM tp pp", "A layer is whole on each device while it computes."),
)
_DEVICES = (
    value("run.device", "gpu", 'run.device = "cuda"'),
    value(
        "run.device",
        " ".join(f"cuda:{number} gpu:{number}" for number in range(16)),
        'run.device = "cuda"',
        "Which one is for `CUDA_VISIBLE_DEVICES` to say.",
    ),
    no_value("run.device", "mps xpu npu tpu hpu", "Only CPUs, and GPUs under CUDA, are tested and known."),
)
_CADENCES = (
    *(
        each
        for key in ("evaluate.every", "checkpoint.every", "log.every", "evaluate.delay")
        for each in (
            value(key, "epoch epochs", f"{key} = {{ epochs = 1.0 }}"),
            value(key, "step steps", f"{key} = 500", "A number counts steps."),
        )
    ),
    *(value(key, "no none off", f'{key} = "never"') for key in ("evaluate.every", "checkpoint.every", "log.every")),
    value("evaluate.delay", "no none never", 'evaluate.delay = "off"'),
    value("checkpoint.every", "best", 'checkpoint.every = "never"', "The best and the last are always saved."),
)
VALUES = (*_OPTIMIZERS, *_SCHEDULES, *_PRECISIONS, *_STRATEGIES, *_DEVICES, *_CADENCES)


def values_of(word: str, key: str | None = None) -> list[Value]:
    """What a word means, however it is written, in place of a key's value, or of any's."""
    return [each for each in VALUES if each.word(word) and (key is None or key in each.keys)]


def hint_for_value(word: str, key: str) -> str | None:
    """What to say to somebody who writes another tool's word as the value of a key; None if no tool has it."""
    for each in values_of(word, key):
        said = did_you_mean(each.here) if each.here else f"`{word}` has no place here."
        return f"{said} {each.note}".rstrip()
    return None


def in_place_of(words: str, key: str) -> str:
    """What is written here for words, for a sentence: `run.device = "cuda"` for `gpu`."""
    found = [(word, each.here) for word in words.split() for each in values_of(word, key)]
    return ", ".join(f"{f'`{here}`' if here else 'nothing'} for `{word}`" for word, here in found)
