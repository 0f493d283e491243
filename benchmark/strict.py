"""The base of every record that is read from a file: no unknown keys, no silent conversions."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field


class Strict(BaseModel):
    """A frozen record; unknown keys and wrong types are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


# A name that is safe in a path, a URL and a command line.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]


def dotted(block: dict[str, Any], above: str = "") -> dict[str, Any]:
    """The values of nested blocks by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        at = f"{above}{key}"
        found |= dotted(value, f"{at}.") if isinstance(value, dict) else {at: value}
    return found


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


# On a tuple's field: files have lists.
LISTED = BeforeValidator(_as_tuple)
Names = Annotated[tuple[str, ...], LISTED]


def _name(settings: Any) -> str | None:
    name = settings.get("name") if isinstance(settings, dict) else getattr(settings, "name", None)
    return "external" if isinstance(name, str) and ":" in name else name


# Selects a block's kind: the one with that `name`, or external if it is an import path.
BY_NAME = Discriminator(_name)
