"""The share that an imperfect classifier counts, and what its interval covers, by simulation."""

import numpy as np
import pytest

from benchmark.statistics.prevalence import Classified, corrected, interval

STUDIES = 4_000


def study(
    share: float, sensitivity: float, specificity: float, known: tuple[int, int], cases: int
) -> tuple[np.ndarray, Classified]:
    """Of so many studies: cases that are called positive, and what is known of the classifier."""
    random = np.random.default_rng(1)
    positives, negatives = known
    classified = Classified(
        positives=positives,
        found=random.binomial(positives, sensitivity, STUDIES),
        negatives=negatives,
        left=random.binomial(negatives, specificity, STUDIES),
    )
    called = share * sensitivity + (1 - share) * (1 - specificity)
    return random.binomial(cases, called, STUDIES), classified


def test_the_correction_by_hand() -> None:
    """Rogan and Gladen's formula: (0.3 + 0.9 - 1) / (0.8 + 0.9 - 1)."""
    known = Classified(positives=50, found=40, negatives=100, left=90)
    assert known.youden() == pytest.approx(0.7)
    assert corrected(60, 200, known) == pytest.approx(0.2 / 0.7)
    assert corrected(0, 200, known) == 0
    assert corrected(200, 200, known) == 1


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("known", [(40, 460), (250, 250)])
@pytest.mark.parametrize("rates", [(0.76, 0.94), (0.93, 0.96), (0.6, 0.7)])
def test_the_interval_covers(
    rates: tuple[float, float], known: tuple[int, int], share: float
) -> None:
    """Never less than it says; near 0 and 1 more."""
    counted, classified = study(share, *rates, known, cases=500)
    low, high = interval(counted, 500, classified)
    assert np.mean((low <= share) & (share <= high)) > 0.95 - 0.012
    assert (low <= high).all()


def test_an_interval_that_forgets_the_classifier_would_be_caught() -> None:
    """As if its errors were known exactly: too many cases of known kind."""
    counted, few = study(0.5, 0.76, 0.94, (40, 460), cases=1500)
    scale = 10_000
    sure = Classified(
        *(np.asarray(n) * scale for n in (few.positives, few.found)),
        *(np.asarray(n) * scale for n in (few.negatives, few.left)),
    )
    low, high = interval(counted, 1500, sure)
    assert np.mean((low <= 0.5) & (high >= 0.5)) < 0.8


def test_fewer_known_cases_make_it_wider() -> None:
    wide = interval(100, 500, Classified(20, 16, 20, 18))
    narrow = interval(100, 500, Classified(2000, 1600, 2000, 1800))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
