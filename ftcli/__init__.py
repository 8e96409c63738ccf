"""Fine-tune transformer encoders from a TOML recipe, on plain PyTorch."""

__version__ = "0.1.0"
