from benchmark.training.learning_rate import LearningRate
from benchmark.training.settings import TrainingSettings


def rate(**decay: object) -> LearningRate:
    settings = {"steps": 100, "lr": 0.1, "log_every": 1, "checkpoint_every": 10, "lr_decay": decay}
    return LearningRate(TrainingSettings.model_validate(settings))


def test_a_falling_signal_keeps_the_rate() -> None:
    falling = rate(on="stall", window=2, patience=4)
    assert not any(falling.observe(step, 1 / step) for step in range(1, 41))
    assert falling.state.lr == 0.1


def test_a_stall_lowers_the_rate_once_a_patience() -> None:
    flat = rate(on="stall", window=2, patience=4, floor=0.02)
    lowered = [step for step in range(1, 41) if flat.observe(step, 1.0)]
    # First window ends at 2; four steps without progress later, and again; then the floor holds.
    assert lowered == [6, 10]
    assert list(flat.state.decays) == lowered
    assert flat.state.lr == 0.1 * 0.5 * 0.5


def test_progress_smaller_than_least_is_a_stall() -> None:
    slow = rate(on="stall", window=2, patience=4, least=0.5)
    assert any(slow.observe(step, 1 - step / 1000) for step in range(1, 41))


def test_schedule_and_never() -> None:
    schedule, never = rate(on="schedule", every=10, factor=0.1), rate(on="never")
    assert [step for step in range(1, 31) if schedule.observe(step, 1.0)] == [10, 20, 30]
    assert not any(never.observe(step, 1.0) for step in range(1, 31))
