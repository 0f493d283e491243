"""began-bench: a reproducibility and ablation harness for BEGAN and EBGAN on faces."""

__version__ = "0.1.0"
