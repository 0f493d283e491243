"""The base of every record that is read from a file: no unknown keys, no silent conversions."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field


class Strict(BaseModel):
    """A frozen record; unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def later(value: object) -> Callable[[object], bool]:
    """The `exclude_if` of a field that came when results were committed already.

    `value` is what their runs had without it. At that value the field is left out of a run's
    description, so that no committed hash changes; at any other it is there.
    """
    return lambda found: found == value


# A name that is safe in a path, a URL and a command line.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]


def _name(settings: Any) -> str | None:
    name = settings.get("name") if isinstance(settings, dict) else getattr(settings, "name", None)
    return "external" if isinstance(name, str) and ":" in name else name


# Which of a block's kinds is meant: the one of that `name`, or external where it is an import path.
BY_NAME = Discriminator(_name)
