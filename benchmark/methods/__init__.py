"""One file per method, each reading like its paper; and what a method logs under its settings."""

from collections.abc import Mapping

from benchmark.column import Column
from benchmark.methods.registry import method_class
from benchmark.methods.settings import LabelledSettings, MethodSettings

LEARNING_RATE = Column("learning rate in force", source="training.lr_decay")


def columns(settings: MethodSettings) -> Mapping[str, Column]:
    """The columns of a training row, the learning rate included, and what they mean."""
    return {**method_class(settings.name).columns, "lr": LEARNING_RATE}


def train_columns(settings: MethodSettings) -> list[str]:
    """Their names."""
    return list(columns(settings))


def heldout_columns(settings: MethodSettings) -> list[str]:
    """The columns that the method itself measures on held-out images at each snapshot."""
    return [f"heldout_{column}" for column in method_class(settings.name).heldout]


def signal(settings: MethodSettings) -> str:
    """The column that the method's paper watches for convergence."""
    return method_class(settings.name).signal


def attributes(settings: MethodSettings) -> tuple[str, ...]:
    """The data attributes that the method uses as labels; empty if it uses none."""
    return settings.attributes if isinstance(settings, LabelledSettings) else ()
