"""What a recipe may call of torch by name, known without loading it."""

from __future__ import annotations

TORCH_OPTIMIZERS = (
    *("Adagrad", "ASGD", "Adadelta", "Adafactor", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop"),
    *("Rprop", "SGD"),
)
"""The optimizers of torch that `optimizer.name` may be, an example first."""
TORCH_SCHEDULERS = (
    *("CosineAnnealingWarmRestarts", "ConstantLR", "CosineAnnealingLR", "CyclicLR", "ExponentialLR", "LinearLR"),
    *("MultiStepLR", "OneCycleLR", "PolynomialLR", "StepLR"),
)
"""The schedulers of torch that `schedule.name` may be, an example first."""
NO_OPTIMIZERS = {
    "LBFGS": "it computes the loss several times in a step",
    "Muon": "it is for matrices alone, and the biases and norms of an encoder are vectors",
    "SparseAdam": "it is for sparse gradients, and encoders have dense ones",
}
"""Those that it may not be, and why."""
_OF_FUNCTIONS = "it is made of functions, which a recipe can't hold"
_OF_SCHEDULERS = "it is made of other schedulers, which a recipe can't hold"
NO_SCHEDULES = {
    "_LRScheduler": "it is what others are made of",
    "ReduceLROnPlateau": "its rate follows from scores, so it is no function of the step",
    "LambdaLR": _OF_FUNCTIONS,
    "MultiplicativeLR": _OF_FUNCTIONS,
    "SequentialLR": _OF_SCHEDULERS,
    "ChainedScheduler": _OF_SCHEDULERS,
}
"""Likewise of schedulers."""
