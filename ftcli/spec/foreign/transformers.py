"""transformers' Trainer and TrainingArguments: what they have beside the names that PaddleNLP shares."""

from __future__ import annotations

from ftcli.spec.foreign.argument import always, by_command, in_recipe, no_place
from ftcli.spec.foreign.trainer import TRAINER

TRANSFORMERS = (
    *TRAINER,
    in_recipe("use_cpu", "run.device", '`device = "cpu"`.'),
    in_recipe("processing_class", "model.tokenizer", "Only where it is not the model's own."),
    in_recipe("compute_loss_func", "task.loss", "One loss for each item: the step divides once, by all items."),
    in_recipe("label_smoothing_factor", "task.label_smoothing"),
    in_recipe(
        "optim_args",
        "optimizer.options",
        'Of `kind = "torch"` and "custom"; what "adamw" and "sgd" take has keys of its own.',
    ),
    in_recipe(
        "lr_scheduler_kwargs",
        "schedule.options schedule.power schedule.end",
        '`options` of `kind = "torch"`, the others of "polynomial".',
    ),
    in_recipe("auto_find_batch_size", "batch.micro_size", '"auto", the default: halved at need, the step stays whole.'),
    in_recipe(
        "train_sampling_strategy group_by_length",
        "batch.window",
        "A step's rows are sorted by length anyway; `window` sorts over several steps. Rows always come shuffled.",
    ),
    in_recipe("full_determinism", "train.deterministic"),
    in_recipe("torch_compile", "train.compile", "Only where a trial shows that it pays."),
    in_recipe("eval_strategy", "evaluate.every", 'Steps, `{ epochs = 1 }` (the default) or "never".'),
    in_recipe("eval_on_start", "evaluate.at_start"),
    in_recipe("ddp_backend", "distributed.backend"),
    in_recipe("ddp_timeout", "distributed.timeout_seconds", "It is silence that counts, not one exchange."),
    by_command(
        "push_to_hub hub_model_id",
        "ftcli export --ckpt RUN/best --push USER/NAME",
        "Once, when you say so. A new repository is private.",
    ),
    always("average_tokens_across_devices", "The loss is divided once, by the items of the step over all processes."),
    always("enable_jit_checkpoint", "SIGTERM, SIGUSR1 and Ctrl-C save before the run stops."),
    always("logging_nan_inf_filter", "A loss that is no number is hidden nowhere: it stops the run, and is explained."),
    always("skip_memory_metrics", "The peak of memory is told when the run ends."),
    always("ddp_find_unused_parameters ddp_static_graph", "DDP is set up anew for what each stage trains."),
    always("ddp_broadcast_buffers", "Buffers are not sent: every process has the same."),
    in_recipe("activation_checkpointing gradient_checkpointing", "train.recompute"),
    no_place(
        "activation_checkpointing_kwargs gradient_checkpointing_kwargs",
        "Layers are computed again in the one way that goes with frozen ones.",
    ),
    in_recipe("data_seed", "batch.seed", "It draws the order of rows; dropout and new weights stay with `run.seed`."),
    in_recipe("eval_delay", "evaluate.delay", "In steps, or `{ epochs = 1 }`."),
    in_recipe(
        "fsdp fsdp_config deepspeed",
        "distributed.strategy distributed.sharding distributed.offload",
        "ZeRO's stages 1 to 3 are `sharding`; layers are the units that are gathered.",
    ),
    by_command(
        "hyperparameter_search hp_space n_trials model_init",
        "ftcli sweep RECIPE --search 'KEY=LOW..HIGH' --trials N",
        "Each trial is a run of its own, from the file's weights and `run.seed`.",
    ),
    no_place("preprocess_logits_for_metrics", "Metrics get what the task concludes, which is already small."),
    no_place(
        "bf16_full_eval fp16_full_eval",
        "Scores are computed in fp32, so that training, `eval`, `predict` and transformers agree.",
    ),
    no_place("tf32", "GPUs that have TF32 have bf16, which is faster; fp32 is the real one here."),
    no_place("torch_compile_backend torch_compile_mode", "`train.compile` takes torch's defaults."),
    no_place("use_liger_kernel liger_kernel_config", "These kernels are for language models that generate."),
    no_place("use_cache", "Encoders generate nothing, so there are no keys and values to keep."),
    no_place("neftune_noise_alpha", "Noise on embeddings is for tuning by instructions; see `task.r_drop`."),
    no_place("optim_target_modules", "GaLore and APOLLO are for models far larger than encoders."),
    no_place("torch_empty_cache_steps", "Memory is kept for reuse; what runs out of it is taken in smaller pieces."),
    no_place(
        "eval_accumulation_steps eval_do_concat_batches batch_eval_metrics", "Scores go to the CPU batch by batch."
    ),
    no_place("eval_use_gather_object", "Processes exchange numbers only."),
    no_place("include_for_metrics", "A metric is given what was found and what is true, of the whole split."),
    no_place("include_num_input_tokens_seen", "Steps tell tokens per second and the share of padding."),
    no_place("log_level log_level_replica", "There is one level of words; `--debug` adds tracebacks to errors."),
    no_place(
        "project trackio_space_id trackio_bucket_id trackio_static_space_id",
        "Trackers are yours: in Python, `scalars_of(event)` gives their numbers.",
    ),
    no_place("save_only_model", "Every checkpoint can be resumed; `ftcli export` writes the weights alone."),
    no_place("restore_callback_states_from_checkpoint", "There are no callbacks that a checkpoint would hold."),
    no_place("hub_token", "`hf auth login` keeps it, outside of recipes and runs."),
    no_place(
        "hub_strategy hub_always_push hub_private_repo hub_revision",
        "Nothing is uploaded while a run goes on, and new repositories are private.",
    ),
    no_place(
        "accelerator_config accelerate",
        "Accelerate is not used: what its questionnaire settles is in the recipe, or torchrun's.",
    ),
    no_place(
        "parallelism_config",
        "What a layer computes of a row is split over no devices; weights are, by `distributed.sharding`.",
    ),
    always("save_safetensors", "A checkpoint is safetensors and JSON; nothing in it is pickled."),
    no_place("fp16_backend half_precision_backend", "Half precision has one backend, torch's own autocast."),
    no_place("use_mps_device", "Apple's GPUs are not used: `run.device` is the CPU, or a GPU under CUDA."),
    no_place("length_column_name", "Lengths are counted when rows are tokenised."),
    no_place(
        "dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor "
        "dataloader_multiprocessing_context dataloader_in_order",
        "Rows are tokenised once, before the run, and read from a memory-mapped file: there is no loader to tune.",
    ),
    no_place("ddp_bucket_cap_mb", "torch's own size is taken."),
    no_place("debug", "A loss that overflows is stopped and explained by rows and layers; TPUs are not known here."),
)
