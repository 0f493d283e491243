"""One run, described in full: what is hashed, stored, trained and reproduced."""

import hashlib
import json
from typing import Self

from benchmark.data.settings import DataSettings
from benchmark.methods.registry import ChosenMethod
from benchmark.strict import Strict
from benchmark.training.settings import STREAMS, Seed, Stream, StreamSeeds, TrainingSettings


class RunSpec(Strict):
    """The frozen, fully resolved description of one run: its training, and nothing else.

    A run is a function of its RunSpec and of its data's fingerprint. The hash is taken over every
    resolved value: never over a difference from the defaults, never over where the data lies, and
    never over what judges the run.
    """

    method: ChosenMethod
    data: DataSettings
    training: TrainingSettings
    seed: Seed

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, every value resolved."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Inverse of `to_json`; raises pydantic.ValidationError on anything else."""
        return cls.model_validate_json(text)

    def seed_of(self, stream: Stream) -> int:
        """The seed of a stream of training's randomness: the run's `seed` unless set separately."""
        own = self.training.seeds.of(stream)
        return self.seed if own is None else own

    def trains_as(self) -> Self:
        """The same with every stream's seed explicit: equal if the weights are."""
        seeds = StreamSeeds(**{stream: self.seed_of(stream) for stream in STREAMS})
        training = self.training.model_copy(update={"seeds": seeds})
        return self.model_copy(update={"training": training, "seed": 0})

    @property
    def run_id(self) -> str:
        """The method's name and 12 hexadecimal digits of the description's SHA-256.

        It names a folder, so an import path's colon, which not every file system and tool takes, is
        a full stop.
        """
        digest = hashlib.sha256(self.to_json().encode()).hexdigest()
        return f"{self.method.name.replace(':', '.')}-{digest[:12]}"
