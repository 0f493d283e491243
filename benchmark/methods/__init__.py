"""One file a method; each reads like its paper. What they log is known here without torch."""

from typing import Any

from benchmark.methods.settings import ExternalSettings, MethodSettings


def _columns(settings: MethodSettings) -> Any:
    """Whatever carries `train_columns`, `watch_columns` and `signal` of this method."""
    if isinstance(settings, ExternalSettings):
        from benchmark.imports import load_class

        return load_class(settings.name)
    return settings


def signal(settings: MethodSettings) -> str:
    """The column that the method's paper watches for convergence."""
    return str(_columns(settings).signal)


def train_columns(settings: MethodSettings) -> list[str]:
    """The columns of a training row of this method, the learning rate included."""
    return [*_columns(settings).train_columns, "lr"]


def heldout_columns(settings: MethodSettings) -> list[str]:
    """The columns of an evaluation row that the method itself gives, over held-out images."""
    return [f"heldout_{column}" for column in _columns(settings).watch_columns]
