"""The base of every record that is read from a file: no unknown keys, no silent conversions."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen record; unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
