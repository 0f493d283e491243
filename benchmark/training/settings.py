"""What the `training` block of an ablation file may say. No torch here."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from benchmark.strict import Strict

Steps = Annotated[int, Field(ge=1, le=100_000_000)]


class StallDecay(Strict):
    """Halve the learning rate when the method's convergence signal stalls (BEGAN, section 4.1).

    The paper does not define a stall. Here: the signal's mean over `window` steps has not fallen
    below `1 - least` times its best such mean for `patience` steps. After a decay the count of
    steps starts again, the best mean stays.
    """

    on: Literal["stall"]
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    window: Steps = 500
    patience: Steps = 5000
    least: Annotated[float, Field(ge=0, lt=1)] = 0.01
    # The paper's range ends at 5e-5; below this floor the rate stays.
    floor: Annotated[float, Field(ge=0)] = 1.0e-5

    @model_validator(mode="after")
    def _patience_spans_windows(self) -> Self:
        if self.patience % self.window:
            raise ValueError(f"patience must be a multiple of window ({self.window})")
        return self


class ScheduleDecay(Strict):
    """Multiply the learning rate by `factor` every `every` steps, whatever the losses do."""

    on: Literal["schedule"]
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    every: Steps


class NoDecay(Strict):
    """Keep the learning rate."""

    on: Literal["never"]


LearningRateDecay = Annotated[StallDecay | ScheduleDecay | NoDecay, Field(discriminator="on")]


class TrainingSettings(Strict):
    """The budget and the optimiser; the defaults are BEGAN's (section 4.1)."""

    steps: Steps
    batch: Annotated[int, Field(ge=2, le=65_536)] = 16
    lr: Annotated[float, Field(gt=0, le=1)] = 1.0e-4
    lr_decay: LearningRateDecay = StallDecay(on="stall")
    # A row of training metrics (means over the steps since the last row) every so many steps.
    log_every: Steps = 50
    checkpoint_every: Steps = 500
    # CPU threads of one run. Their number changes the bits, so it belongs to the run's description.
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    # A collapsed run (see evaluation.collapse_below) trains on, or ends there as failed.
    on_collapse: Literal["continue", "stop"] = "continue"

    @model_validator(mode="after")
    def _rows_end_together(self) -> Self:
        # So that no half-filled mean needs saving in a checkpoint.
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
