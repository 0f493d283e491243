"""One run, described in full: what is hashed, stored, trained and reproduced."""

import hashlib
import json
from typing import Annotated, Self

from pydantic import Field

from benchmark.data.settings import DataSettings
from benchmark.methods.registry import ChosenMethod
from benchmark.strict import Strict
from benchmark.training.settings import TrainingSettings


class RunSpec(Strict):
    """The frozen, fully resolved description of one run: its training, and nothing else.

    A run is a function of its RunSpec and of its data's fingerprint. The hash is taken over every
    resolved value: never over a difference from the defaults, never over where the data lies, and
    never over what judges the run.
    """

    method: ChosenMethod
    data: DataSettings
    training: TrainingSettings
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, every value resolved."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`; raises pydantic.ValidationError on anything else."""
        return cls.model_validate_json(text)

    @property
    def run_id(self) -> str:
        """The method's name and 12 hexadecimal digits of the description's SHA-256.

        It names a folder, so an import path's colon, which not every file system and tool takes, is
        a full stop.
        """
        digest = hashlib.sha256(self.to_json().encode()).hexdigest()
        return f"{self.method.name.replace(':', '.')}-{digest[:12]}"
