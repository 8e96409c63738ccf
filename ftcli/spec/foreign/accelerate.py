"""Accelerate's configuration: the answers to the questions of `accelerate config`."""

from __future__ import annotations

from ftcli.spec.foreign.argument import always, by_command, in_recipe, no_place
from ftcli.spec.foreign.values import in_place_of

ACCELERATE = (
    in_recipe("use_cpu", "run.device", '`device = "cpu"`.'),
    in_recipe(
        "mixed_precision",
        "precision.kind",
        f'{in_place_of("no", "precision.kind")}; "auto", the default, is bf16 where that is fast.',
    ),
    in_recipe(
        "gradient_accumulation_steps",
        "batch.accumulation",
        "It cuts the rows of `batch.size`, and adds none: multiply `batch.size` by it.",
    ),
    in_recipe("gradient_clipping", "train.max_grad_norm"),
    in_recipe("dynamo_config dynamo_backend", "train.compile", "Only where a trial shows that it pays."),
    in_recipe("fsdp_activation_checkpointing", "train.recompute"),
    in_recipe(
        "distributed_type",
        "distributed.strategy",
        f"{in_place_of('MULTI_GPU DEEPSPEED', 'distributed.strategy')}, as for `FSDP`.",
    ),
    in_recipe(
        "fsdp_config deepspeed_config",
        "distributed.strategy distributed.sharding distributed.offload",
        "ZeRO's stages 1 to 3 are `sharding`; layers are the units that are gathered.",
    ),
    in_recipe(
        "zero_stage", "distributed.sharding", '"stage1", "stage2" or "stage3", with `strategy = "fsdp"`; 0 is "ddp".'
    ),
    in_recipe(
        "fsdp_sharding_strategy fsdp_reshard_after_forward",
        "distributed.sharding distributed.sharding_degree",
        "`ftcli explain FULL_SHARD` tells what that is here; true is `FULL_SHARD`, and false `SHARD_GRAD_OP`.",
    ),
    in_recipe(
        "offload_optimizer_device offload_param_device fsdp_offload_params",
        "distributed.offload",
        "Weights, gradients and the optimizer's state together.",
    ),
    by_command(
        "num_processes num_machines machine_rank main_process_ip main_process_port rdzv_backend",
        "torchrun --nproc-per-node N -m ftcli train RECIPE",
        "The others are torchrun's, too; `num_processes` is all of them, N those of one machine.",
    ),
    always("zero3_init_flag zero3_save_16bit_model", "Split weights are loaded and saved whole, in fp32."),
    always(
        "fsdp_auto_wrap_policy fsdp_transformer_layer_cls_to_wrap fsdp_min_num_params",
        "Each layer of the encoder is gathered by itself.",
    ),
    always("same_network", "Processes find the network interface by which they reach each other."),
    no_place("enable_cpu_affinity", "Which cores a process runs on is the shell's to say: `numactl`."),
    no_place("gpu_ids", "Which GPUs a run sees is the shell's to say: `CUDA_VISIBLE_DEVICES`."),
    no_place("compute_environment command_file commands", "Starting machines is your scheduler's work."),
    no_place("main_training_function", "What is run is `ftcli train`, from a shell or as a module."),
    no_place("debug", "There is no checking of exchanges to turn on; `--debug` adds tracebacks to errors."),
    no_place("fp8_config", "There are bf16 and fp16, and no 8 bits in training: see `precision.kind`."),
    no_place("parallelism_config megatron_lm_config", "What a layer computes of a row is split over no devices."),
    no_place("mpirun_config", "Processes are started by torchrun, which starts them again, too."),
    no_place(
        "downcast_bf16 tpu_name tpu_zone tpu_use_cluster tpu_use_sudo tpu_vm tpu_env",
        "Only CPUs, and GPUs under CUDA, are tested and known.",
    ),
)
