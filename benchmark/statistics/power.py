"""Power before the runs: the probability that a number of seeds supports a true claim.

Spreads are those of a pilot or of earlier tables, over seeds. Those from few seeds are rough: five
seeds determine a standard deviation to within a factor of 0.6 to 2.9.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import special

from benchmark.levels import ALPHA
from benchmark.statistics.hypotheses import MOST, TIE, least_p, least_pairing_p, orders
from benchmark.statistics.intervals import LEAST_SEEDS, of_moments, weights

Aim = Literal["greater", "less", "within"]
DRAWS = 20_000
ENOUGH = 0.8


def change_power(
    spreads: Sequence[Mapping[float, float]],
    seeds: int,
    effect: float,
    margin: float = 0.0,
    aim: Aim = "greater",
    alpha: float = ALPHA,
) -> float:
    """The probability of a p of at most `alpha`, if the change is `effect`.

    `spreads` has a level's standard deviation where `contrast` takes its values. "within" is both
    sides at once (Schuirmann 1987). Simulated from normal values, with a fixed seed; 0 if the least
    p is above the level, NaN if the pilot shows no spread.
    """
    if least_p([[seeds] * len(each) for each in spreads]) > alpha:
        return 0.0
    place, spread = np.array([item for each in spreads for item in each.items()], np.float64).T
    if not spread.any():
        return math.nan
    rng, shape = np.random.default_rng(0), (DRAWS, len(place))
    means = (place * effect + spread / math.sqrt(seeds) * rng.standard_normal(shape)).T
    variances = (spread**2 * rng.chisquare(seeds - 1, shape)).T / (seeds - 1)
    counts = [seeds] * len(place)
    found = of_moments(weights([list(each) for each in spreads], counts), means, variances, counts)
    if aim == "within":
        p = np.maximum(found.p_below(margin), found.p_above(-margin))
    else:
        p = found.p_above(margin) if aim == "greater" else found.p_below(margin)
    return float((p <= alpha).mean())


def mean_power(spread: float, seeds: int, effect: float, alpha: float = ALPHA) -> float:
    """The same for the mean of one value per seed that exceeds its margin by `effect`."""
    if seeds < LEAST_SEEDS or not spread:
        return 0.0 if seeds < LEAST_SEEDS else math.nan
    df, away = seeds - 1, effect / spread * math.sqrt(seeds)
    return float(1 - special.nctdtr(df, away, special.stdtrit(df, 1 - alpha)))


def correlation_power(
    rho: float,
    seeds: int,
    margin: float = 0.0,
    aim: Aim = "greater",
    alpha: float = ALPHA,
) -> float:
    """The same for a rank correlation between seeds, by `rank_correlation`'s z.

    For "within" `rho` is the true one, 0 as a rule, and the claim is |rho| < `margin`.
    """
    if seeds < 4 or 1 / min(math.factorial(seeds), MOST) > alpha:
        return 0.0
    error = math.sqrt((1 + rho**2 / 2) / (seeds - 3))
    z, least = math.atanh(rho) / error, math.atanh(margin) / error
    needed = float(special.ndtri(1 - alpha))
    if aim == "within":
        chance = special.ndtr(least - needed - z) - special.ndtr(needed - least - z)
    else:
        sign = 1 if aim == "greater" else -1
        chance = special.ndtr(sign * (z - least) - needed)
    return max(0.0, float(chance))


def pairing_power(gain: float, spread: float, seeds: int, alpha: float = ALPHA) -> float:
    """The same for `pairing_p` of one block, if matched pairs exceed mismatched ones by `gain` and
    each pair deviates by `spread` from what its signal and outcome have with all others.

    Simulated for up to six seeds; for more, the sums over pairings are taken as normal.
    """
    if least_pairing_p([seeds], "greater") > alpha:
        return 0.0
    if seeds > 6:
        error = math.hypot(spread * math.sqrt(seeds - 1), gain)
        return float(special.ndtr((seeds - 1) * gain / error - special.ndtri(1 - alpha)))
    tried = orders(seeds)
    pairs = spread * np.random.default_rng(0).standard_normal((DRAWS // 10, seeds, seeds))
    pairs += gain * np.eye(seeds)
    sums = pairs[:, np.arange(seeds), tried].sum(axis=-1)
    return float(((sums >= sums[:, :1] - TIE).mean(axis=-1) <= alpha).mean())


def clean_seeds(share: float, alpha: float = ALPHA) -> int:
    """The seeds that must run without failure to show that less than this share fails."""
    return math.ceil(round(math.log(alpha) / math.log1p(-share), 9))


def seeds_for(chance: Callable[[int], float], most: int = 2_000) -> int | None:
    """The least number of seeds with 80 % power; None if `most` seeds lack it."""
    low, high = 1, LEAST_SEEDS
    while not chance(high) >= ENOUGH:  # a NaN too
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= ENOUGH else (middle, high)
    return high
