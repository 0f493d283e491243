"""The settings common to all methods. No torch here."""

from typing import Annotated, Literal

from pydantic import Field

from benchmark.strict import Names, Strict

Width = Annotated[int, Field(ge=1, le=4096)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Beta = Annotated[
    Rate,
    Field(
        description="Of Adam: how slowly its mean of the gradients (beta_1) or of their squares "
        "(beta_2) forgets."
    ),
]
Prior = Annotated[
    Literal["uniform", "normal"],
    Field(description="What codes are drawn from: uniform in [-1, 1], or standard normal."),
]
Attributes = Annotated[Names, Field(min_length=1)]


class MethodSettings(Strict):
    """The keys that every `method` block of an ablation file may have; a method adds its own."""

    name: str
    """A method of the package, or the import path of a class, as in `package.module:Class`."""


class LabelledSettings(MethodSettings):
    """The settings of a method that learns from labels."""

    attributes: Attributes
    """Data attributes used as labels, in this order, as in [Smiling, Eyeglasses]."""
