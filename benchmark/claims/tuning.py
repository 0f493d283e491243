"""What a tuned ablation's search says about its arms: the best of a number of tries."""

from collections.abc import Mapping

from benchmark.results.tuning import TuningRecord
from benchmark.statistics.best_of import expected_best
from benchmark.statistics.intervals import Floats


def best_of(record: TuningRecord) -> Mapping[str, Floats]:
    """By arm, the expected validation distance of the best of 1, 2, ... settings.

    Only for arms whose runs have all ended. A setting that failed or collapsed counts as the worst
    surviving one in any arm; if none survived, there is nothing to show.
    """
    ended = [arm for arm in record.arms if arm.winner is not None]
    survived = [
        each.distance
        for arm in ended
        for each in arm.settings
        if each.survived and each.distance is not None
    ]
    if not survived:
        return {}
    worst = max(survived)
    return {
        arm.arm: expected_best(
            [
                each.distance if each.survived and each.distance is not None else worst
                for each in arm.settings
            ]
        )
        for arm in ended
    }
