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
