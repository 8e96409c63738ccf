"""What the Trainers of transformers and PaddleNLP have in common: the second took its names from the first.

Names that transformers has dropped since are here, too: scripts still have them.
"""

from __future__ import annotations

from ftcli.spec.foreign.argument import always, by_command, in_recipe, no_place
from ftcli.spec.foreign.values import in_place_of

TRAINER = (
    in_recipe("output_dir", "run.dir", "`{name}` and `{time}` in it are filled in; `--run-dir` wins over it."),
    in_recipe("run_name", "run.name"),
    in_recipe("seed", "run.seed", "The order of rows, dropout and new weights each draw from it on their own."),
    in_recipe("no_cuda", "run.device", '`device = "cpu"`.'),
    in_recipe("train_dataset", "data.train data.name", "A file of your own, or a built-in data set."),
    in_recipe(
        "eval_dataset",
        "data.validation data.holdout data.also",
        "A file of your own, or a share of the training rows; the further sets of a dict are `also`.",
    ),
    in_recipe("train_file", "data.train"),
    in_recipe("validation_file", "data.validation"),
    in_recipe("test_file", "data.test"),
    in_recipe("dataset dataset_name", "data.name", "A built-in data set, or a data card: the hub's ids are not known."),
    in_recipe("max_seq_length", "data.max_length", "Of tagged sentences the rest is read in further windows."),
    in_recipe("label_names", "data.columns.label"),
    in_recipe("criterion", "task.loss", "One loss for each item, not their mean: the step divides once, by all items."),
    in_recipe(
        "model model_name_or_path", "model.path", "A hub id or a folder; `model.head` is what stands on the encoder."
    ),
    in_recipe("tokenizer", "model.tokenizer", "Only where it is not the model's own."),
    in_recipe("optimizers", "optimizer.kind schedule.kind"),
    in_recipe("optim", "optimizer.kind", 'By default "adamw", fused; "torch" takes any of torch by its name.'),
    in_recipe("learning_rate", "optimizer.lr", "By default 2e-5, not 5e-5."),
    in_recipe("weight_decay", "optimizer.weight_decay", "By default 0.01, not 0. Biases and normalisation are spared."),
    in_recipe("adam_beta1", "optimizer.beta1"),
    in_recipe("adam_beta2", "optimizer.beta2"),
    in_recipe("adam_epsilon", "optimizer.epsilon"),
    in_recipe(
        "lr_scheduler_type",
        "schedule.kind",
        f'{in_place_of("constant_with_warmup", "schedule.kind")}; "torch" takes any of torch by its name.',
    ),
    in_recipe("warmup_ratio", "schedule.warmup", "Below 1 it is a fraction of all steps."),
    in_recipe("warmup_steps", "schedule.warmup", "From 1 on it counts steps."),
    in_recipe(
        "per_device_train_batch_size",
        "batch.size batch.micro_size",
        "`size` is the rows of a whole step: theirs × devices × accumulation. `micro_size` is what a device takes at "
        "once, and may be left to ftcli.",
    ),
    in_recipe(
        "gradient_accumulation_steps",
        "batch.accumulation",
        "It cuts the rows of `batch.size`, and adds none: multiply `batch.size` by it.",
    ),
    in_recipe("bf16", "precision.kind", '`kind = "bf16"`; by default "auto", which is bf16 where that is fast.'),
    in_recipe("fp16", "precision.kind", '`kind = "fp16"`; the loss is scaled as needed.'),
    in_recipe(
        "fp16_opt_level",
        "precision.kind",
        f"{in_place_of('O0 O1', 'precision.kind')}. O2 is left out on purpose: weights stay fp32.",
    ),
    in_recipe("num_train_epochs", "train.epochs", "Fractions are fine."),
    in_recipe("max_steps", "train.steps", 'A number wins over `train.epochs`; "off" is -1.'),
    in_recipe("max_grad_norm", "train.max_grad_norm", '"off" is 0.'),
    in_recipe("evaluation_strategy", "evaluate.every", 'Steps, `{ epochs = 1 }` (the default) or "never".'),
    in_recipe("eval_steps", "evaluate.every", "Its default is an epoch, whatever `log.every` is."),
    in_recipe("metric_for_best_model", "evaluate.best", "Without `eval_` before it."),
    in_recipe("per_device_eval_batch_size", "evaluate.batch_size", "The rows that each process scores at once."),
    in_recipe("prediction_loss_only", "evaluate.metrics", '`metrics = []`, with `best = "loss"`.'),
    in_recipe("compute_metrics", "evaluate.factory evaluate.metrics", "The usual ones are built in."),
    in_recipe("save_strategy", "checkpoint.every", 'Steps, `{ epochs = 1 }` (the default) or "never".'),
    in_recipe("save_steps", "checkpoint.every"),
    in_recipe("save_total_limit", "checkpoint.keep", "The best and the last come on top."),
    in_recipe("logging_strategy", "log.every", 'Steps, `{ epochs = 1 }` or "never".'),
    in_recipe("logging_steps", "log.every"),
    in_recipe(
        "report_to",
        "log.tensorboard",
        "There is also `RUN/report.html`. VisualDL and other trackers take numbers from the events, in Python.",
    ),
    by_command("args do_train", "ftcli train RECIPE", "The recipe is what the arguments are."),
    by_command("do_eval", "ftcli eval --ckpt RUN/best", "While a run goes on, `evaluate.every` says when."),
    by_command(
        "do_predict",
        "ftcli predict --ckpt RUN/best --input FILE",
        "The test split is predicted by itself when the run ends.",
    ),
    by_command(
        "resume_from_checkpoint",
        "ftcli resume RUN",
        "From the newest sound checkpoint; `ftcli train RECIPE --init-from CKPT` takes the weights alone.",
    ),
    by_command(
        "local_rank", "torchrun --nproc-per-node N -m ftcli train RECIPE", "torchrun tells every process its own."
    ),
    always("data_collator pad_to_max_length", "Rows are padded to the longest of their micro-batch."),
    always("remove_unused_columns", "Of a row only the fields that `data.columns` names are read."),
    always("load_best_model_at_end", "`RUN/best` is the best checkpoint, and the test split is predicted with it."),
    in_recipe("greater_is_better", "evaluate.better", '"higher" or "lower"; of loss, `mse` and `mae` it is known.'),
    always("ignore_data_skip", "A resumed run goes on at its next row without reading those before: none to skip."),
    always("logging_first_step", "The first step is logged, whatever `log.every` is, unless that is never."),
    always("logging_dir", "Curves lie in the run folder: `RUN/report.html`, `RUN/tensorboard`."),
    always("disable_tqdm", "A screen is drawn on a terminal; elsewhere there is a plain line for each event."),
    in_recipe("dataloader_drop_last", "batch.drop_last"),
    in_recipe("EarlyStoppingCallback early_stopping_patience", "evaluate.patience", "It counts evaluations."),
    no_place("early_stopping_threshold", "Any gain over the best is one, however small."),
    in_recipe(
        "log_on_each_node save_on_each_node",
        "distributed.storage",
        '`storage = "local"`: each machine has files of its own, and keeps the whole run.',
    ),
    no_place(
        "overwrite_output_dir", "No run destroys another: name a new folder with `--run-dir`, or delete the old one."
    ),
    no_place(
        "callbacks", "In Python a run is a generator of events: what a callback does stands in the loop over them."
    ),
    no_place("dataloader_num_workers", "Rows are tokenised once, before the run, and read from a memory-mapped file."),
    no_place(
        "peft peft_config LoraConfig lora lora_r lora_rank lora_alpha lora_dropout lora_path lora_target_modules",
        "There are no adapters: an encoder is trained whole, or in part by `freeze.patterns`.",
    ),
    no_place("past_index", "Encoders read a row at once, and hand no state from one step to the next."),
)
