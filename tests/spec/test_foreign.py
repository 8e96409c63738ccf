"""Other tools' names: none is forgotten, and what is said to stand here for one is there."""

from __future__ import annotations

import dataclasses
import re

import pytest
import transformers
from accelerate.commands.config.config_args import ClusterConfig

from ftcli.spec.card import DataCard
from ftcli.spec.foreign.argument import Argument
from ftcli.spec.foreign.names import TOOLS, meanings_of
from ftcli.spec.reference import every_key
from ftcli.spec.run import RunSpec
from ftcli.spec.suggestion import meant

PADDLENLP = """
    output_dir overwrite_output_dir do_train do_eval do_predict do_export evaluation_strategy prediction_loss_only
    per_device_train_batch_size per_device_eval_batch_size gradient_accumulation_steps learning_rate weight_decay
    adam_beta1 adam_beta2 adam_epsilon max_grad_norm num_train_epochs max_steps lr_scheduler_type warmup_ratio
    warmup_steps log_on_each_node logging_dir logging_strategy logging_first_step logging_steps save_strategy save_steps
    save_total_limit save_on_each_node no_cuda seed bf16 fp16 fp16_opt_level scale_loss sharding sharding_degree
    recompute minimum_eval_times local_rank dataloader_drop_last eval_steps dataloader_num_workers past_index run_name
    device disable_tqdm remove_unused_columns label_names load_best_model_at_end metric_for_best_model
    greater_is_better ignore_data_skip optim report_to resume_from_checkpoint
"""
"""All TrainingArguments of the documentation of PaddleNLP's Trainer."""

TRAINER = """
    model criterion args data_collator train_dataset eval_dataset tokenizer compute_metrics callbacks optimizers dataset
    max_seq_length
"""
"""What the same documentation calls a Trainer with, and the data's own arguments of its example."""

ADASEQ = """
    experiment.exp_dir experiment.exp_name experiment.seed run_name dataset.data_file.train dataset.data_file.valid
    dataset.data_file.dev dataset.data_file.test dataset.data_type task preprocessor.type preprocessor.model_dir
    preprocessor.max_length data_collator model.type model.embedder.model_name_or_path model.dropout model.use_crf
    model.embedder model.encoder train.max_epochs train.dataloader.batch_size_per_gpu train.optimizer.type
    train.optimizer.lr train.optimizer.param_group.regex train.optimizer.param_group.lr train.lr_scheduler.type
    train.lr_scheduler.start_factor train.lr_scheduler.end_factor train.lr_scheduler.total_iters
    evaluation.dataloader.batch_size_per_gpu evaluation.metrics evaluation.metrics.type evaluation.metrics.model_type
    evaluation.metrics.dump_format ner-metric ner-dumper train.hooks train.hooks.type train.hooks.interval
    train.hooks.by_epoch TensorboardHook CheckpointHook train.optimizer.options train.optimizer.options.cumulative_iters
    train.optimizer.param_group
    dataset.task dataset.name dataset.path dataset.data_file dataset.transform dataset.transform.name
    dataset.transform.key dataset.transform.scheme dataset.labels dataset.labels.type dataset.labels.key
    dataset.access_token dataset.delimiter dataset.text_key dataset.tags_key preprocessor.is_word2vec
    preprocessor.tokenizer_kwargs model.embedder.type model.encoder.type model.decoder train.trainer
    train.dataloader.workers_per_gpu train.optimizer.options.grad_clip.max_norm train.optimizer.param_groups
    train.optimizer.param_groups.regex train.optimizer.param_groups.lr train.lr_scheduler.options
    evaluation.dataloader.workers_per_gpu evaluation.dataloader.shuffle EvaluationHook BestCkptSaverHook TextLoggerHook
    IterTimerHook train.hooks.save_file_name train.hooks.metric_key train.hooks.save_optimizer train.hooks.restore_best
    parallel.type parallel.find_unused_parameters config_path work_dir device force checkpoint_path seed local_rank
    use_fp16 nproc_per_node nnodes node_rank master_addr master_port tune collect kill
"""
"""The keys of its tutorial on data of one's own, then those of the documents that it points to."""

FIELDS = " ".join(field.name for field in dataclasses.fields(transformers.TrainingArguments))
OLDER = "fp16_backend half_precision_backend use_mps_device save_safetensors"
"""What transformers has dropped since, and scripts still have."""
ACCELERATE = (
    " ".join(field.name for field in dataclasses.fields(ClusterConfig))
    + """
    zero_stage gradient_accumulation_steps gradient_clipping offload_optimizer_device offload_param_device
    zero3_init_flag zero3_save_16bit_model fsdp_sharding_strategy fsdp_reshard_after_forward fsdp_offload_params
    fsdp_activation_checkpointing dynamo_backend
"""
)
"""What its questionnaire settles, and what the tables of these answers hold."""
BESIDE = {"paddlenlp": " visualdl ema serving", "adaseq": " modelscope", "transformers": f" accelerate {OLDER}"}
NAMES = {
    "paddlenlp": PADDLENLP + TRAINER + BESIDE["paddlenlp"],
    "adaseq": ADASEQ + BESIDE["adaseq"],
    "transformers": FIELDS + BESIDE["transformers"],
    "accelerate": ACCELERATE,
}
KEYS = {entry.key for entry in every_key()}
ARGUMENTS = list(dict.fromkeys(each for tool in TOOLS.values() for each in tool.arguments))
each_argument = pytest.mark.parametrize("argument", ARGUMENTS, ids=[f"{a.names[0]}-{a.place}" for a in ARGUMENTS])


def test_the_list_of_paddlenlp_is_whole() -> None:
    assert len(set(PADDLENLP.split())) == len(PADDLENLP.split()) == 58


@pytest.mark.parametrize("tool", TOOLS)
def test_every_name_of_a_tool_is_answered(tool: str) -> None:
    told = {name for each in TOOLS[tool].arguments for name in each.names}
    assert set(NAMES[tool].split()) - told == set()


@each_argument
def test_what_stands_for_a_name_is_there(argument: Argument) -> None:
    assert set(argument.keys) <= KEYS
    assert bool(argument.here) == (argument.place in {"recipe", "command"})
    assert argument.here or argument.note
    assert not argument.note or argument.note.endswith(".")


@each_argument
def test_a_note_names_only_keys_that_a_recipe_has(argument: Argument) -> None:
    named = re.findall(r"`(\w+(?:\.\w+)+)`", argument.note)
    assert {key for key in named if key.split(".")[0] in RunSpec.model_fields} <= KEYS


@pytest.mark.parametrize("tool", TOOLS)
def test_a_name_has_one_place(tool: str) -> None:
    names = [name for each in TOOLS[tool].arguments for name in each.names]
    assert sorted(set(names)) == sorted(names)


def test_a_name_is_known_with_all_who_have_it() -> None:
    (found,) = meanings_of("learning_rate")
    assert (found.owners, found.argument.keys) == ("PaddleNLP and transformers", ("optimizer.lr",))


def test_the_end_of_a_path_will_do_where_nobody_has_just_that_name() -> None:
    assert {each.name for each in meanings_of("batch_size_per_gpu")} == {
        "train.dataloader.batch_size_per_gpu",
        "evaluation.dataloader.batch_size_per_gpu",
    }
    assert [each.name for each in meanings_of("run_name")] == ["run_name", "run_name"]  # theirs is a key, AdaSeq's too
    assert meanings_of("nothing") == []


@pytest.mark.parametrize("written", ["LEARNING_RATE", "--learning_rate", "--learning-rate", "Learning-Rate"])
def test_a_name_may_be_written_as_on_a_command_line_or_in_capitals(written: str) -> None:
    assert meanings_of(written) == meanings_of("learning_rate")


def test_a_name_of_capitals_or_with_a_dash_is_found_as_it_is_and_otherwise() -> None:
    assert meanings_of("evaluationhook") == meanings_of("EvaluationHook") != []
    assert meanings_of("--ner_metric") == meanings_of("ner-metric") != []
    assert meanings_of("MAX_EPOCHS") == meanings_of("max_epochs") != []
    assert meanings_of("--") == meanings_of("") == []


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("optim_args", {"optimizer.options"}),
        ("lr_scheduler_kwargs", {"schedule.options", "schedule.power", "schedule.end"}),
        ("train.lr_scheduler.options", {"schedule.options", "schedule.power", "schedule.end"}),
        ("train.lr_scheduler.start_factor", {"schedule.options", "schedule.warmup"}),
        ("train.lr_scheduler.end_factor", {"schedule.options", "schedule.end"}),
        ("train.lr_scheduler.total_iters", {"schedule.options"}),
        ("mixed_precision", {"precision.kind"}),
        ("zero_stage", {"distributed.sharding"}),
        ("ema", {"train.average"}),
    ],
)
def test_a_name_leads_to_all_keys_that_do_its_work(name: str, keys: set[str]) -> None:
    (found,) = meanings_of(name)
    assert set(found.argument.keys) == keys


@pytest.mark.parametrize("name", ["optim_args", "lr_scheduler_kwargs", "train.lr_scheduler.type"])
def test_what_torch_has_by_name_is_told(name: str) -> None:
    (found,) = meanings_of(name)
    assert '"torch"' in found.argument.note


def test_what_was_built_since_is_not_denied() -> None:
    (collect,), (parallelism, *_) = meanings_of("collect"), meanings_of("parallelism_config")
    assert "`ftcli sweep` tells means over its seeds" in collect.argument.note
    assert "weights are, by `distributed.sharding`" in parallelism.argument.note


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        (("schedule", "lr_scheduler_kwargs"), "did you mean `schedule.options` or `schedule.power` or "),
        (("schedule", "start_factor"), "did you mean `schedule.options` or `schedule.warmup`? AdaSeq calls it "),
        (("schedule", "options"), '`options` goes with `kind` = "torch"; leave it out'),
        (("optimizer", "options"), '`options` goes with `kind` = "torch" or "custom"; leave it out'),
        (("train", "LEARNING_RATE"), "did you mean `optimizer.lr`? "),
        (
            ("train", "learning_rate"),
            "did you mean `optimizer.lr`? PaddleNLP and transformers call it `learning_rate`.",
        ),
        (("learning_rate",), "did you mean `optimizer.lr`? PaddleNLP"),
        (("train", "num_train_epochs"), "did you mean `train.epochs`? "),
        (("train", "num_train_epoch"), "did you mean `train.epochs`? "),
        (("batch", "per_device_train_batch_size"), "did you mean `batch.size` or `batch.micro_size`? "),
        (("train", "weight_decay"), "`weight_decay` belongs in [optimizer]"),
        (("train", "max_epochs"), "did you mean `train.epochs`? AdaSeq calls it `train.max_epochs`."),
        (("schedule", "type"), "did you mean `schedule.kind`? AdaSeq calls it `train.lr_scheduler.type`."),
        (("optimizer", "type"), "did you mean `optimizer.kind`? "),
        (("model", "embedder"), "did you mean `model.path`? "),
        (("training_args",), "keys here: run, data, "),
        (("experiment",), "`experiment` is a table of AdaSeq: ftcli explain --from adaseq tells"),
        (
            ("checkpoint", "resume_from_checkpoint"),
            "`resume_from_checkpoint` of PaddleNLP and transformers is a command",
        ),
        (("train", "sharding"), "`sharding` belongs in [distributed]"),
        (("model", "word_dropout"), "`model.word_dropout` of AdaSeq has no place here. "),
        (("train", "tf32"), "`tf32` of transformers has no place here. "),
        (("log", "disable_tqdm"), "`disable_tqdm` of PaddleNLP and transformers has no key here. "),
    ],
)
def test_another_tools_name_in_a_recipe_leads_to_what_stands_here_for_it(key: tuple[str, ...], hint: str) -> None:
    assert (meant(key, RunSpec) or "").startswith(hint)


def test_a_data_card_has_nothing_to_do_with_other_tools() -> None:
    assert (meant(("learning_rate",), DataCard) or "").startswith("keys here: ")
