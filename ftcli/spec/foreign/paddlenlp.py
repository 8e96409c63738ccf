"""PaddleNLP's Trainer: what it has beside the names that it shares with transformers."""

from __future__ import annotations

from ftcli.spec.foreign.argument import by_command, in_recipe, no_place
from ftcli.spec.foreign.trainer import TRAINER
from ftcli.spec.foreign.values import in_place_of

PADDLENLP = (
    *TRAINER,
    in_recipe("device", "run.device", f"{in_place_of('gpu', 'run.device')}; xpu and npu have no place here."),
    by_command(
        "do_export", "ftcli export --ckpt RUN/best --format onnx", "With the answers compared to the checkpoint's."
    ),
    in_recipe("minimum_eval_times", "evaluate.at_least"),
    in_recipe("recompute", "train.recompute"),
    in_recipe("scale_loss", "precision.loss_scale", "By default 65,536, not 32,768; it adapts itself."),
    in_recipe("sharding", "distributed.strategy distributed.sharding distributed.offload", 'With `strategy = "fsdp"`.'),
    in_recipe("sharding_degree", "distributed.sharding_degree", '"all" for -1.'),
    in_recipe("ema ExponentialMovingAverage", "train.average", "The mean is evaluated, saved and exported."),
    no_place("visualdl", "Curves are drawn in `RUN/report.html`, and by TensorBoard where `log.tensorboard` is set."),
    no_place(
        "serving",
        "Answering over a network is a server's work: give it what `ftcli export` writes. `ftcli predict` reads "
        "rows from a pipe as they come.",
    ),
)
