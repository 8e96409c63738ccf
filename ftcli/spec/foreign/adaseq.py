"""AdaSeq's configuration, its command line, and its grid search. A name in a file is its whole path."""

from __future__ import annotations

from ftcli.spec.foreign.argument import always, by_command, in_recipe, no_place
from ftcli.spec.foreign.values import in_place_of

ADASEQ = (
    in_recipe(
        "experiment.exp_dir",
        "run.dir",
        '`dir = "experiments/{name}/{time}"` makes the same folders.',
    ),
    in_recipe("experiment.exp_name run_name", "run.name", "It is `{name}` in `run.dir`."),
    in_recipe("experiment.seed seed", "run.seed"),
    in_recipe("device", "run.device", f"{in_place_of('gpu', 'run.device')}."),
    in_recipe("task dataset.task", "task.kind", '"tagging"; relations and types of given spans have no task here.'),
    in_recipe(
        "dataset.name dataset.path",
        "data.name",
        "A built-in data set, `resume` for one, or a data card. Ids of ModelScope and the Hugging Face hub are not "
        "known: give the files' URLs.",
    ),
    in_recipe("dataset.data_file.train", "data.train", "A path or a URL."),
    in_recipe("dataset.data_file.valid dataset.data_file.dev", "data.validation"),
    in_recipe("dataset.data_file.test", "data.test"),
    in_recipe(
        "dataset.data_type",
        "data.format.kind data.format.factory",
        '"conll"; `json_tags` of words and `json_spans` of texts are "jsonl"; others need your own reader.',
    ),
    in_recipe("dataset.delimiter", "data.format.delimiter"),
    in_recipe("dataset.text_key", "data.columns.text"),
    in_recipe("dataset.tags_key dataset.transform.key dataset.labels.key", "data.columns.label"),
    in_recipe("dataset.transform dataset.transform.name", "data.format.factory", "Code of your own that reads a file."),
    in_recipe("dataset.transform.scheme", "data.tags.scheme", "By default it is found out."),
    in_recipe("dataset.labels dataset.labels.type", "data.labels", 'Types of entities, without B- and I-; or "auto".'),
    in_recipe("preprocessor.tag_scheme", "data.tags.to"),
    in_recipe("preprocessor.max_length", "data.max_length", "Longer sentences are read in windows; nothing is cut."),
    in_recipe("preprocessor.model_dir", "model.tokenizer", "Only where it is not the model's own."),
    in_recipe("model.type", "task.kind model.head", "What is learned, and what scores it."),
    in_recipe(
        "model.embedder model.embedder.model_name_or_path",
        "model.path",
        "A hub id, a folder, or a checkpoint of ftcli, of which the encoder is taken. What ModelScope "
        "has is downloaded first.",
    ),
    in_recipe("model.encoder model.encoder.type", "model.head_factory", "A BiLSTM is in `recipes/custom/bilstm.py`."),
    in_recipe("model.dropout", "model.head_dropout", "`model.dropout` here is all rates inside the encoder, too."),
    in_recipe("model.use_crf", "model.head", '`head = "crf"`.'),
    in_recipe("train.optimizer.type", "optimizer.kind", '"torch" takes any of torch by its name.'),
    in_recipe("train.optimizer.lr", "optimizer.lr"),
    in_recipe(
        "train.optimizer.param_groups train.optimizer.param_group",
        "optimizer.groups",
        "The first match wins; each must match a parameter.",
    ),
    in_recipe("train.optimizer.param_groups.regex train.optimizer.param_group.regex", "optimizer.groups.match"),
    in_recipe("train.optimizer.param_groups.lr train.optimizer.param_group.lr", "optimizer.groups.lr"),
    in_recipe("train.optimizer.options", "batch.accumulation train.max_grad_norm", "Each has a key of its own."),
    in_recipe(
        "train.optimizer.options.cumulative_iters",
        "batch.accumulation",
        "It cuts the rows of `batch.size`, and adds none: multiply `batch.size` by it.",
    ),
    in_recipe(
        "train.optimizer.options.grad_clip train.optimizer.options.grad_clip.max_norm",
        "train.max_grad_norm",
        "By default 1; AdaSeq clips only if asked to.",
    ),
    in_recipe(
        "train.lr_scheduler.type",
        "schedule.kind",
        'LinearLR from 1 to 0 is "linear", no schedule "constant"; "torch" takes any of torch by its name.',
    ),
    in_recipe(
        "train.lr_scheduler.options",
        "schedule.options schedule.power schedule.end",
        '`options` of `kind = "torch"`, the others of "polynomial".',
    ),
    in_recipe(
        "train.lr_scheduler.start_factor",
        "schedule.options schedule.warmup",
        'An option of LinearLR, with `kind = "torch"`; every kind climbs from 0 in `warmup`.',
    ),
    in_recipe(
        "train.lr_scheduler.end_factor",
        "schedule.options schedule.end",
        'An option of LinearLR, with `kind = "torch"`; or `end` of "polynomial", with `power = 1`.',
    ),
    in_recipe(
        "train.lr_scheduler.total_iters",
        "schedule.options",
        'An option of LinearLR, with `kind = "torch"`, in steps and not epochs; other kinds span the whole run.',
    ),
    in_recipe(
        "train.dataloader.batch_size_per_gpu",
        "batch.size batch.micro_size",
        "`size` is the rows of a whole step: theirs × devices × `cumulative_iters`. `micro_size` is what a device "
        "takes at once.",
    ),
    in_recipe("use_fp16", "precision.kind", '`kind = "fp16"`, or "auto", the default.'),
    in_recipe("train.max_epochs", "train.epochs"),
    in_recipe("EvaluationHook", "evaluate.every"),
    in_recipe("evaluation.metrics evaluation.metrics.type ner-metric", "evaluate.metrics", "`f1_strict` and its kin."),
    in_recipe("BestCkptSaverHook train.hooks.metric_key", "evaluate.best"),
    in_recipe("evaluation.dataloader.batch_size_per_gpu", "evaluate.batch_size"),
    in_recipe("CheckpointHook", "checkpoint.every", "How many stay is `checkpoint.keep`."),
    in_recipe("train.hooks.interval", "checkpoint.every log.every", "Of a CheckpointHook, of a TextLoggerHook."),
    in_recipe("train.hooks.by_epoch", "checkpoint.every", "`{ epochs = 1 }` counts epochs, a number steps."),
    in_recipe("TextLoggerHook", "log.every"),
    in_recipe("TensorboardHook", "log.tensorboard"),
    by_command("config_path", "ftcli train RECIPE"),
    by_command("work_dir", "ftcli train RECIPE --run-dir DIR"),
    by_command(
        "checkpoint_path", "ftcli train RECIPE --init-from CKPT", "What stopped goes on with `ftcli resume RUN`."
    ),
    by_command(
        "local_rank nproc_per_node nnodes node_rank master_addr master_port",
        "torchrun --nproc-per-node N -m ftcli train RECIPE",
        "The others are torchrun's, too.",
    ),
    by_command(
        "dataset.data_file", "ftcli prepare DATASET --source ARCHIVE", "A folder, an archive or a URL, for a card."
    ),
    by_command(
        "ner-dumper evaluation.metrics.dump_format",
        "ftcli predict --ckpt RUN/best --input FILE --output-format conll",
        "The test split is written when a run ends: `RUN/predictions/test.txt`.",
    ),
    by_command(
        "collect", "ftcli report RUN RUN --output FILE", "Runs side by side; `ftcli sweep` tells means over its seeds."
    ),
    always(
        "preprocessor preprocessor.type data_collator", "They follow from `task.kind`; rows are padded to the longest."
    ),
    always("train.hooks.restore_best", "The test split is predicted with the best checkpoint."),
    always(
        "train.hooks train.hooks.type IterTimerHook", "What hooks do has tables of its own; steps tell their speed."
    ),
    always("evaluation.metrics.model_type", "A checkpoint knows its task."),
    always(
        "parallel parallel.type parallel.find_unused_parameters",
        "Under torchrun: `distributed.strategy`, anew in each stage.",
    ),
    no_place(
        "model.word_dropout",
        "Numbers within the model are dropped (`model.dropout`); inputs stay, so that frozen layers can be cached.",
    ),
    by_command(
        "tune",
        "ftcli sweep RECIPE --grid KEY=VALUES --seeds N",
        "A grid over keys of the recipe, or --search; and seeds.",
    ),
    no_place(
        "modelscope",
        "Models come from the Hugging Face hub or a folder: download what ModelScope has, and name the folder.",
    ),
    no_place("force", "No run destroys another: name a new folder with `--run-dir`, or delete the old one."),
    no_place("dataset.access_token", "Data comes from files and plain URLs; no secret belongs in a recipe."),
    no_place("preprocessor.is_word2vec", "The encoder is a transformer, which has embeddings of its own."),
    no_place("preprocessor.tokenizer_kwargs", "The tokenizer is taken as its folder has it."),
    no_place("model.embedder.type", "The kind of an encoder stands in its config.json."),
    no_place("model.decoder", "Tags are decoded by the head: the likeliest of each word, or a CRF's best sequence."),
    no_place("train.trainer", "There is one loop, for every task."),
    no_place(
        "train.dataloader.workers_per_gpu evaluation.dataloader.workers_per_gpu evaluation.dataloader.shuffle",
        "Rows are tokenised once, before the run, and read from a memory-mapped file; in scoring their order is kept.",
    ),
    no_place("train.hooks.save_file_name train.hooks.save_optimizer", "A checkpoint is a folder that can be resumed."),
    no_place("kill gpu config_env", "Starting, placing and ending processes is the shell's, or your scheduler's."),
)
