"""One run, described in full: what is hashed, stored, trained and re-made."""

import hashlib
import json
from typing import Annotated, Self

from pydantic import Field, model_validator

from benchmark.data.settings import DataSettings
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods.settings import MethodSettings
from benchmark.strict import Strict
from benchmark.training.settings import TrainingSettings


class RunSpec(Strict):
    """The frozen, fully resolved description of one run.

    A run is a function of its RunSpec and of its data's fingerprint. The hash is taken over every
    resolved value, never over a difference from the defaults, and never over where the data lies.
    The one exception are fields that came later; see `strict.later`.
    """

    method: MethodSettings
    data: DataSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, every value resolved."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`; raises pydantic.ValidationError on anything else."""
        return cls.model_validate_json(text)

    @property
    def reference_data(self) -> DataSettings:
        """The data that samples are compared with: the trained view's unless another was named."""
        view = self.evaluation.reference_view
        return self.data if view is None else self.data.model_copy(update={"view": view})

    @model_validator(mode="after")
    def _has_views(self) -> Self:
        if self.evaluation.reference_view is not None and not hasattr(self.data, "view"):
            raise ValueError(
                f"evaluation.reference_view: the data {self.data.name!r} have no views"
            )
        return self

    @property
    def run_id(self) -> str:
        """The method's name and 12 hexadecimal digits of the description's SHA-256.

        It names a folder, so an import path's colon, which not every file system and tool takes, is
        a full stop.
        """
        digest = hashlib.sha256(self.to_json().encode()).hexdigest()
        return f"{self.method.name.replace(':', '.')}-{digest[:12]}"
