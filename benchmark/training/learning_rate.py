"""The learning rate through a run: halved on a stall, on a schedule, or never."""

from typing import Any

from benchmark.strict import Strict
from benchmark.training.settings import ScheduleDecay, StallDecay, TrainingSettings


class RateState(Strict):
    """What a checkpoint keeps of the learning rate."""

    lr: float
    decays: tuple[int, ...] = ()
    best: float | None = None
    # Step of the best window, or of the last decay if that came later.
    since: int = 0
    window: tuple[float, ...] = ()


class LearningRate:
    """Follows the method's convergence signal; `observe` is called with every row of metrics."""

    def __init__(self, settings: TrainingSettings, state: RateState | None = None) -> None:
        self._decay = settings.lr_decay
        self.state = state or RateState(lr=settings.lr)

    def observe(self, step: int, signal: float) -> bool:
        """Take in the signal's mean over the last row; True if the rate was just lowered."""
        if isinstance(self._decay, StallDecay):
            return self._on_stall(self._decay, step, signal)
        if isinstance(self._decay, ScheduleDecay) and step % self._decay.every == 0:
            self._lower(step, self._decay.factor)
            return True
        return False

    def _on_stall(self, decay: StallDecay, step: int, signal: float) -> bool:
        self._change(window=(*self.state.window, signal))
        if step % decay.window:
            return False
        mean = sum(self.state.window) / len(self.state.window)
        self._change(window=())
        best = self.state.best
        # A critic's estimate may be negative: the share is of the size.
        if best is None or mean < best - decay.least * abs(best):
            self._change(best=mean, since=step)
            return False
        lowered = self.state.lr * decay.factor
        if step - self.state.since < decay.patience or lowered < decay.floor:
            return False
        self._lower(step, decay.factor)
        self._change(since=step)
        return True

    def _lower(self, step: int, factor: float) -> None:
        self._change(lr=self.state.lr * factor, decays=(*self.state.decays, step))

    def _change(self, **changes: Any) -> None:
        self.state = self.state.model_copy(update=changes)
