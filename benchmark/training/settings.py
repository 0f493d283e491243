"""The `training` block of an ablation file. No torch here."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from benchmark.strict import Strict

Steps = Annotated[int, Field(ge=1, le=100_000_000)]
Precision = Literal["float32", "tf32", "bfloat16"]


class StallDecay(Strict):
    """Halve the learning rate when the method's convergence signal stalls (BEGAN, section 4.1).

    The paper does not define a stall. Here: the signal's mean over `window` steps has not fallen
    below `1 - least` times its best such mean for `patience` steps. After a decay the step count
    restarts; the best mean is kept.
    """

    on: Literal["stall"]
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What the rate is multiplied by."""
    window: Steps = 500
    """Steps over which the signal is averaged."""
    patience: Steps = 5000
    """Steps without a new best mean that count as a stall; a multiple of window."""
    least: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Relative amount by which a new best mean must lie below the old one."""
    floor: Annotated[float, Field(ge=0)] = 1.0e-5
    """The rate is never lowered below this; the paper's range ends at 5e-5."""

    @model_validator(mode="after")
    def _patience_spans_windows(self) -> Self:
        if self.patience % self.window:
            raise ValueError(f"patience must be a multiple of window ({self.window})")
        return self


class ScheduleDecay(Strict):
    """Multiply the learning rate by `factor` every `every` steps, whatever the losses do."""

    on: Literal["schedule"]
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What the rate is multiplied by."""
    every: Steps
    """Steps between two decays."""


class NoDecay(Strict):
    """Keep the learning rate constant."""

    on: Literal["never"]


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Stream = Literal["initialisation", "order", "latents"]
STREAMS: tuple[Stream, ...] = get_args(Stream)


def _absent(value: object) -> bool:
    return value is None


class StreamSeeds(Strict):
    """Seeds of individual streams of a run's randomness; streams not named use `seed`.

    Training draws from these three and from nothing else. Judges draw by the run's `seed`.
    """

    # Omitted from the description if not given: `seed`, which is in it, then applies.
    initialisation: Annotated[Seed | None, Field(exclude_if=_absent)] = None
    """Seed of the networks' initial weights."""
    order: Annotated[Seed | None, Field(exclude_if=_absent)] = None
    """Seed of the images' order, and of their rotations where these are redrawn at every visit."""
    latents: Annotated[Seed | None, Field(exclude_if=_absent)] = None
    """Seed of the codes, and of whatever else a method draws: noise, mixtures of images."""

    def of(self, stream: Stream) -> int | None:
        """The seed given for a stream."""
        found: int | None = getattr(self, stream)
        return found

    @property
    def whole(self) -> bool:
        """Whether no stream has its own seed."""
        return self == StreamSeeds()


LearningRateDecay = Annotated[StallDecay | ScheduleDecay | NoDecay, Field(discriminator="on")]


class TrainingSettings(Strict):
    """The budget and the optimiser; the defaults are BEGAN's (section 4.1)."""

    steps: Steps
    """Updates from the first to the last."""
    batch: Annotated[int, Field(ge=2, le=65_536)] = 16
    """Batch size: images per step."""
    lr: Annotated[float, Field(gt=0, le=1)] = 1.0e-4
    """Learning rate at the start, of both players: Adam's, RMSprop's in WGAN, SGD's in LAPGAN."""
    lr_decay: LearningRateDecay = StallDecay(on="stall")
    """When the learning rate falls."""
    log_every: Steps = 50
    """A row of training metrics (means over the steps since the last row) is written every
    `log_every` steps."""
    checkpoint_every: Steps = 500
    """Steps between two checkpoints; a multiple of log_every."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of one run. Their number affects the last bits of results, so it is part of the
    description."""
    precision: Precision = "float32"
    """Number format of the networks' computation in training: tf32 needs an NVIDIA GPU; bfloat16 is
    slow on a CPU without AMX. Weights, losses, k and evaluation are float32 in all three."""
    seeds: Annotated[StreamSeeds, Field(exclude_if=lambda seeds: seeds.whole)] = StreamSeeds()
    """Seeds of individual streams that should differ from the run's seed."""

    @model_validator(mode="after")
    def _rows_end_together(self) -> Self:
        # So that a checkpoint need not store a partly accumulated mean.
        if self.checkpoint_every % self.log_every:
            raise ValueError(f"checkpoint_every must be a multiple of log_every ({self.log_every})")
        decay = self.lr_decay
        period = decay.window if isinstance(decay, StallDecay) else None
        period = decay.every if isinstance(decay, ScheduleDecay) else period
        if period is not None and period % self.log_every:
            raise ValueError(
                f"the period of lr_decay must be a multiple of log_every ({self.log_every})"
            )
        return self
