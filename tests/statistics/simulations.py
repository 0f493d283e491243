"""Simulated studies whose truth is known: how often intervals hold it, and tests reject it.

`python -m tests.statistics.simulations` prints the tables of docs/explanation/intervals.md.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.levels import ALPHA, LEVEL
from benchmark.statistics.comparison import (
    Measure,
    interquartile_mean,
    probability_of_improvement,
)
from benchmark.statistics.components import components
from benchmark.statistics.families import holm, step_down
from benchmark.statistics.hypotheses import (
    MOST,
    arrangements,
    change_p,
    permutation_p,
)
from benchmark.statistics.intervals import (
    Indices,
    Interval,
    Stratum,
    contrast,
    jackknife,
    mean,
    mean_rank_correlation,
    rank_correlation,
    share,
)
from benchmark.statistics.looks import look_levels

Floats = NDArray[np.float64]
Rng = np.random.Generator
SEEDS = (3, 5, 10, 24)
FEW = SEEDS[:3]
RHOS = (0.0, 0.3, 0.6, 0.9)
RATIO = 26 / 86  # of the spreads of two methods in the committed tables
RESAMPLES = 400
AT_ONCE = 200  # studies whose arrangements or resamples fit into memory
STEPS = 6  # evaluations of a run


class Scenario(NamedTuple):
    """How seeds differ: normally or skewed, with spreads of the group in question and of others."""

    normal: bool
    sds: tuple[float, float]

    def draw(self, rng: Rng, which: int, *shape: int) -> Floats:
        """Values of mean 0."""
        values = rng.standard_normal(shape) if self.normal else rng.standard_exponential(shape) - 1
        return self.sds[which] * values


SCENARIOS = {
    "normal": Scenario(True, (1, 1)),
    "normal, 86 against 26": Scenario(True, (1, RATIO)),
    "exponential": Scenario(False, (1, 1)),
    "exponential, 86 against 26": Scenario(False, (1, RATIO)),
}


class Coverage(NamedTuple):
    """The share of intervals that hold the truth, and their mean width; NaN where none is given."""

    held: float
    width: float


def coverage(interval: Interval | None, truth: float = 0.0) -> Coverage:
    if interval is None:
        return Coverage(np.nan, np.nan)
    low, high = interval
    return Coverage(float(np.mean((low <= truth) & (truth <= high))), float(np.mean(high - low)))


def _of_measures(measures: Iterable[Measure], truth: float) -> Coverage:
    ends = [each.interval for each in measures]
    if None in ends:
        return Coverage(np.nan, np.nan)
    return coverage(tuple(np.array(ends).T), truth)  # type: ignore[arg-type]


def pair(rng: Rng, scenario: Scenario, n: int, studies: int) -> Stratum:
    """Two groups of one mean."""
    return {place: scenario.draw(rng, 1 - place, studies, n) for place in (0, 1)}


def strata(rng: Rng, scenario: Scenario, n: int, studies: int) -> list[Stratum]:
    """Three of them, of other levels."""
    pairs = [pair(rng, scenario, n, studies) for _ in range(3)]
    return [{place: v + 9 * i for place, v in each.items()} for i, each in enumerate(pairs)]


def levels(rng: Rng, scenario: Scenario, n: int, studies: int) -> list[Stratum]:
    """Four ordered levels of one mean, the first of which has the other spread."""
    return [{i / 3: scenario.draw(rng, int(i > 0), studies, n) for i in range(4)}]


# Intervals: (rng, scenario, seeds, studies) -> coverage.


def welch(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    found = contrast([pair(rng, scenario, n, studies)])
    return coverage(found and found.interval())


def over_strata(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    found = contrast(strata(rng, scenario, n, studies))
    return coverage(found and found.interval())


def slope(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    found = contrast(levels(rng, scenario, n, studies))
    return coverage(found and found.interval())


def one_mean(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    found = mean(scenario.draw(rng, 0, studies, n))
    return coverage(found and found.interval())


def percentile_bootstrap(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    """Not used."""
    means = [each[0] for each in _resampled(rng, scenario, n, studies)]
    return coverage(_percentiles(means[1] - means[0]))


def bootstrap_t(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    """Not used. Infinite where resamples are of one seed alone."""
    (m0, v0, own0, var0), (m1, v1, own1, var1) = _resampled(rng, scenario, n, studies)
    change, error = own1 - own0, np.sqrt(var0 + var1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num((m1 - m0 - change) / np.sqrt(v0 + v1))
    low, high = _percentiles(t)
    return coverage(((change - high * error)[:, 0], (change - low * error)[:, 0]))


def _resampled(rng: Rng, scenario: Scenario, n: int, studies: int) -> list[tuple[Floats, ...]]:
    """For each group its resamples' means and squared errors (studies, RESAMPLES), and its own."""
    found = []
    for values in pair(rng, scenario, n, studies).values():
        drawn = np.asarray(values)[:, rng.integers(0, n, (RESAMPLES, n))]
        own = np.asarray(values)[:, None]
        parts = (drawn.mean(-1), drawn.var(-1, ddof=1) / n, own.mean(-1), own.var(-1, ddof=1) / n)
        found.append(parts)
    return found


def _percentiles(values: Floats) -> tuple[Floats, Floats]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1, keepdims=True)
    return low, high


def improvement(
    rng: Rng, scenario: Scenario, n: int, studies: int, chance: float = 0.5
) -> Coverage:
    """Exponentials start from 0, so that the wider is the larger."""
    a, b = (scenario.draw(rng, which, studies, n) for which in (0, 1))
    if scenario.normal:
        a = a + stats.norm.ppf(chance) * np.hypot(*scenario.sds)
    else:
        a, b = a + scenario.sds[0], b + scenario.sds[1]
        chance = scenario.sds[0] / sum(scenario.sds)
    found = (probability_of_improvement([{0.0: y, 1.0: x}]) for x, y in zip(a, b, strict=True))
    return _of_measures(found, chance)


def middle(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    values = scenario.draw(rng, 0, studies, n)
    return _of_measures(map(interquartile_mean, values), _middle(scenario))


def _middle(scenario: Scenario) -> float:
    """The interquartile mean: of an exponential, of -log v over v from 1/4 to 3/4."""
    skewed = 1 + (np.log(0.25) - 3 * np.log(0.75)) / 2 - 1
    return 0.0 if scenario.normal else float(scenario.sds[0] * skewed)


def lead(rng: Rng, scenario: Scenario, n: int, studies: int) -> Coverage:
    """By how much the share of variance of one key of three levels leads that of another."""
    of, other = np.array([-1.0, 0, 1])[:, None, None], np.array([-0.5, 0, 0.5])[:, None]
    values = [scenario.draw(rng, int(level > 0), studies, 3, n) for level in range(3)]
    drawn = of + other + np.stack(values, axis=1)
    without = [_lead(np.delete(drawn, i, -1)) for i in range(n)]
    found = jackknife(_lead(drawn), np.stack(without, axis=-1))
    within = (scenario.sds[0] ** 2 + 2 * scenario.sds[1] ** 2) / 3
    return coverage(found and found.interval(), (2 / 3 - 1 / 6) / (2 / 3 + 1 / 6 + within))


def _lead(values: Floats) -> Floats:
    of, other = (values.mean(axis).var(-1) for axis in ((2, 3), (1, 3)))
    return np.asarray((of - other) / values.var((1, 2, 3)))


# Correlations: (rng, rho, seeds, studies) -> coverage.


def last(rng: Rng, rho: float, n: int, studies: int) -> Coverage:
    """At one step."""
    found = rank_correlation(spearman(*correlated(rng, rho, studies, n, 1)), n)
    return coverage(found and found.interval(), population(rho))


def between(rng: Rng, rho: float, n: int, studies: int, lasting: float = 0.5) -> Coverage:
    """The mean over steps, of whose variance so much lasts from step to step."""
    x, y = (
        np.sqrt(lasting) * once + np.sqrt(1 - lasting) * each
        for once, each in zip(
            correlated(rng, rho, studies, n, 1),
            correlated(rng, rho, studies, n, STEPS),
            strict=True,
        )
    )
    without = [spearman(np.delete(x, i, 1), np.delete(y, i, 1)) for i in range(n)]
    found = mean_rank_correlation(spearman(x, y), np.stack(without, axis=-1))
    return coverage(found and found.interval(), population(rho))


def correlated(rng: Rng, rho: float, *shape: int) -> tuple[Floats, Floats]:
    x, noise = rng.standard_normal(shape), rng.standard_normal(shape)
    return x, rho * x + np.sqrt(1 - rho**2) * noise


def spearman(x: Floats, y: Floats) -> Floats:
    """(studies, seeds, steps) -> (studies,): the mean over steps of rho between seeds."""
    a, b = (stats.zscore(stats.rankdata(v, axis=1), axis=1) for v in (x, y))
    return np.asarray((a * b).mean(axis=(1, 2)))


def population(rho: float) -> float:
    """Spearman's rho of normal pairs of this correlation (Pearson 1907)."""
    return float(6 / np.pi * np.arcsin(rho / 2))


def failures(rng: Rng, chance: float, n: int, studies: int) -> Coverage:
    ends = np.array([share(k, n) for k in range(n + 1)])
    low, high = ends[rng.binomial(n, chance, studies)].T
    return coverage((low, high), chance)


# Streams of seeds, crossed as in ablations/lottery.yaml: shares of the variance of three of them,
# the first of which leads the second by STREAM_LEAD; the rest is noise.
STREAM_LEAD = 0.1
STREAMS = {
    "0.1, 0, 0": (0.1, 0.0, 0.0),
    "0.4, 0.3, 0": (0.4, 0.3, 0.0),
    "0.3, 0.2, 0.2": (0.3, 0.2, 0.2),
    "0.5, 0.4, 0.1": (0.5, 0.4, 0.1),
}


def crossing(seeds: int) -> Indices:
    """(streams, runs): two Latin squares."""
    each = range(seeds)
    runs = [(i, j, (i + j + s) % seeds) for i in each for j in each for s in (0, 1)]
    return np.array(runs).T


def of_streams(shares: tuple[float, ...], normal: bool, seeds: int, studies: int) -> Floats:
    """(studies, runs), of effects that are normal or exponential."""
    rng, levels = _rng(seeds), crossing(seeds)
    scenario = Scenario(normal, (1, 1))
    found = np.sqrt(max(0.0, 1 - sum(shares))) * rng.standard_normal((studies, levels.shape[1]))
    for share_, level in zip(shares, levels, strict=True):
        found = found + np.sqrt(share_) * scenario.draw(rng, 0, studies, seeds)[:, level]
    return found


def leads(values: Floats, seeds: int, lead: float) -> tuple[Floats, Floats]:
    """p of "the first stream's lead over the second is at most" this, and "at least"."""
    found = components(crossing(seeds), values)
    assert found is not None
    return found.lead_p(0, 1, lead)


def lead_of_streams(
    shares: tuple[float, ...], normal: bool, seeds: int, studies: int
) -> tuple[Floats, Floats]:
    return leads(of_streams(shares, normal, seeds, studies), seeds, STREAM_LEAD)


def lead_by_f(
    shares: tuple[float, ...], normal: bool, seeds: int, studies: int
) -> tuple[Floats, Floats]:
    """Not used: Satterthwaite's F of the same ratio."""
    found = components(crossing(seeds), of_streams(shares, normal, seeds, studies))
    assert found is not None
    of, over, other, rest = found.squares
    parts = [(1 + STREAM_LEAD) * over, STREAM_LEAD * other, STREAM_LEAD * (2 * seeds - 3) * rest]
    df = [seeds - 1, seeds - 1, found.design.rest]
    below = np.sum(parts, axis=0)
    freedom = below**2 / sum(part**2 / n for part, n in zip(parts, df, strict=True))
    ratio = (1 - STREAM_LEAD) * of / below
    return stats.f.sf(ratio, seeds - 1, freedom), stats.f.cdf(ratio, seeds - 1, freedom)


# Tests at the boundary of what they exclude: (rng, scenario, seeds, studies) -> p (studies,).
MARGIN = 0.7


def at_least(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    return change_p(_moved([pair(rng, scenario, n, studies)]), MARGIN, "greater")


def no_worse(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    return change_p(_moved([pair(rng, scenario, n, studies)]), MARGIN, "less")


def differs(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    return change_p([pair(rng, scenario, n, studies)], 0.0, "two-sided")


def same(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    return equivalence_p(_moved([pair(rng, scenario, n, studies)]), MARGIN)


def equivalence_p(strata: Sequence[Stratum], margin: float) -> Floats:
    """p of "the change is `margin` or more, in either direction" (Schuirmann 1987), by two
    one-sided tests, as claims of "within" make them."""
    return np.maximum(change_p(strata, margin, "less"), change_p(strata, -margin, "greater"))


def at_least_over_strata(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    return change_p(_moved(strata(rng, scenario, n, studies)), MARGIN, "greater")


def rises(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    return change_p(_moved(levels(rng, scenario, n, studies)), MARGIN, "greater")


def permuted_alone(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    """Not used."""
    return permutation_p(_moved([pair(rng, scenario, n, studies)]), MARGIN)[0]


def arms(rng: Rng, scenario: Scenario, n: int, studies: int) -> list[Floats]:
    """A control and three arms (studies, n) that are like it but for their spread."""
    return [scenario.draw(rng, int(i > 0), studies, n) for i in range(4)]


def any_arm(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    """The least corrected p of "an arm has more than the control"."""
    return _least_of_arms(arms(rng, scenario, n, studies))


def any_other_arm(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    """The same of the others, beside one that has far more."""
    control, first, *others = arms(rng, scenario, n, studies)
    return _least_of_arms([control, first + 99, *others], but=1)


def _least_of_arms(groups: list[Floats], but: int = 0) -> Floats:
    p, error = _of_arms(groups)
    part = groups[0].std(axis=-1, ddof=1)[:, None] / np.sqrt(groups[0].shape[-1]) / error
    correlation = part[:, :, None] * part[:, None, :]
    correlation[:, range(p.shape[1]), range(p.shape[1])] = 1
    found = p[:, but:].min(axis=-1)  # which a corrected one is not below
    for i in np.flatnonzero(found <= ALPHA):
        found[i] = step_down(list(p[i]), correlation[i])[but:].min()
    return np.asarray(found)


def _of_arms(groups: list[Floats]) -> tuple[Floats, Floats]:
    """(studies, arms) p and standard errors."""
    pairs = [[{0.0: groups[0], 1.0: arm}] for arm in groups[1:]]
    p = np.stack([change_p(pair, 0.0, "greater") for pair in pairs], axis=-1)
    found = [contrast(pair) for pair in pairs]
    return p, np.stack([each.error for each in found if each], axis=-1)


def any_arm_by_holm(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    """Not used."""
    p, _ = _of_arms(arms(rng, scenario, n, studies))
    return np.array([holm(each).min() for each in p])


def any_arm_by_scipy(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    """Not used: one variance for all arms."""
    return np.array(
        [
            stats.dunnett(*each[1:], control=each[0], alternative="greater", rng=0).pvalue.min()
            for each in zip(*arms(rng, scenario, n, studies), strict=True)
        ]
    )


def any_arm_permuted(rng: Rng, scenario: Scenario, n: int, studies: int) -> Floats:
    """Not used: the greatest of all arms' t, where all seeds change places at once."""
    groups = arms(rng, scenario, n, studies)
    orders = np.array([np.arange(4 * n), *(rng.permutation(4 * n) for _ in range(999))])
    found = []
    for values in np.concatenate(groups, axis=-1):
        of = values[orders].reshape(len(orders), 4, n)
        mean, variance = of.mean(axis=-1), of.var(axis=-1, ddof=1) / n
        t = (mean[:, 1:] - mean[:, :1]) / np.sqrt(variance[:, 1:] + variance[:, :1])
        found.append((t.max(axis=-1) >= t[0].max() - 1e-9).mean())
    return np.array(found)


def _moved(strata: list[Stratum]) -> list[Stratum]:
    """The change is MARGIN."""
    return [{place: v + MARGIN * place for place, v in each.items()} for each in strata]


def found_in_looks(rng: Rng, scenario: Scenario, claims: int, studies: int) -> float:
    """How often a family of untrue claims has one supported at 5 or at 10 seeds."""
    strata = [pair(rng, scenario, 10, studies) for _ in range(claims)]
    ended = np.zeros(studies, bool)
    for seeds, level in zip((5, 10), look_levels((5, 10)), strict=True):
        seen = ({place: np.asarray(v)[:, :seeds] for place, v in each.items()} for each in strata)
        p = np.stack([change_p([each]) for each in seen], axis=-1)
        ended |= p.min(axis=-1) * claims <= level  # Holm's least corrected p
    return float(ended.mean())


def in_parts(simulate: Callable[[int], Floats], studies: int) -> Floats:
    """All studies, so many at a time."""
    parts = [min(AT_ONCE, studies - at) for at in range(0, studies, AT_ONCE)]
    return np.concatenate([np.atleast_1d(simulate(part)) for part in parts])


INTERVALS = {
    "difference of means, Welch": welch,
    "the same by percentile bootstrap (not used)": percentile_bootstrap,
    "the same by bootstrap-t (not used)": bootstrap_t,
    "difference over three strata": over_strata,
    "slope over four levels": slope,
    "mean": one_mean,
    "lead of a share of variance, jackknife": lead,
    "probability of improvement, Newcombe": improvement,
    "interquartile mean": middle,
}
CORRELATIONS = {"rank correlation, Fisher": last, "mean of six steps' rhos, jackknife": between}
TESTS = {
    '"by at least m"': at_least,
    "the same by permutation alone (not used)": permuted_alone,
    '"no worse by m"': no_worse,
    "two-sided": differs,
    "equivalence": same,
    '"by at least m" over three strata': at_least_over_strata,
    '"rises by at least m" over four levels': rises,
}
FAMILIES = {
    "any of three arms against a control": any_arm,
    "any of two arms beside a far better one": any_other_arm,
}
OTHER_FAMILIES = {
    "Holm": any_arm_by_holm,
    "SciPy's Dunnett": any_arm_by_scipy,
    "permuted all at once": any_arm_permuted,
}
LEADS = {
    "lead of a stream, Miller's jackknife": lead_of_streams,
    "the same by Satterthwaite's F (not used)": lead_by_f,
}
ONE_GROUP = (one_mean, middle)  # to which the others' spread is nothing
SLOW = (percentile_bootstrap, bootstrap_t, improvement, middle)
RANDOM = (at_least_over_strata, rises)  # arrangements, at five seeds too
LONG = 100_000


def interval_rows(studies: int) -> Iterator[tuple[str, str, list[Coverage]]]:
    """(method, data, coverage at each of SEEDS); slow ones of fewer studies."""
    for method, simulate in INTERVALS.items():
        count = studies // (50 if simulate in SLOW else 10 if simulate is lead else 1)
        for data, scenario in SCENARIOS.items():
            if simulate not in ONE_GROUP or scenario.sds == (1, 1):
                found = [simulate(_rng(n), scenario, n, count) for n in SEEDS]
                yield method, data, found
    for method, of_rho in CORRELATIONS.items():
        count = studies // (50 if of_rho is between else 5)
        for rho in RHOS:
            yield method, f"rho {rho}", [of_rho(_rng(n), rho, n, count) for n in SEEDS]
    for chance in (0.05, 0.2, 0.5):
        found = [failures(_rng(n), chance, n, studies) for n in SEEDS]
        yield "share of seeds that fail, Clopper-Pearson", f"share {chance}", found


def stream_rows(studies: int) -> Iterator[tuple[str, str, list[float]]]:
    """(method, data, share of intervals that hold the lead of one stream over another)."""
    for method, simulate in LEADS.items():
        for normal in (True, False):
            for name, shares in STREAMS.items():
                found = []
                for n in FEW:
                    p = np.minimum(*simulate(shares, normal, n, studies))
                    found.append(float((p > (1 - LEVEL) / 2).mean()) if p.max() < 1 else np.nan)
                yield method, f"{'normal' if normal else 'exponential'}, shares {name}", found


def rejection_rows(studies: int) -> Iterator[tuple[str, str, list[float]]]:
    """(test, data, share of rejections at each of SEEDS); slow ones of fewer studies."""
    for test, simulate in TESTS.items():
        for data, scenario in SCENARIOS.items():
            found = []
            for n in SEEDS:
                quick = arrangements([[n, n]]) <= MOST and simulate not in RANDOM
                found.append(rejections(simulate, scenario, n, studies // (20 if quick else 100)))
            yield test, data, found


def family_rows(studies: int) -> Iterator[tuple[str, str, list[float]]]:
    """(correction, data, share of families with a false rejection), of five seeds."""
    for test, simulate in FAMILIES.items():
        for data, scenario in SCENARIOS.items():
            yield test, data, [rejections(simulate, scenario, 5, studies // 50)]


def rejections(
    simulate: Callable[[Rng, Scenario, int, int], Floats],
    scenario: Scenario,
    n: int,
    studies: int,
    level: float = ALPHA,
) -> float:
    rng = _rng(n)
    return float((in_parts(lambda part: simulate(rng, scenario, n, part), studies) <= level).mean())


def _rng(n: int) -> Rng:
    return np.random.default_rng(n)


def tables(studies: int) -> Iterator[str]:
    """The lines of both tables in Markdown."""
    head = " | ".join(f"n = {n}" for n in SEEDS)
    rule = "|---" * (2 + len(SEEDS)) + "|"
    yield from (f"| interval | data | {head} |", rule)
    for method, data, coverages in interval_rows(studies):
        cells = (f"{100 * c.held:.1f} ({c.width:.2f})" for c in coverages)
        yield _line(method, data, *("none" if "nan" in cell else cell for cell in cells))
    yield from ("", f"| test | data | {head} |", rule)
    for test, data, shares in rejection_rows(studies):
        yield _line(test, data, *(f"{100 * each:.1f}" for each in shares))


def tables_of_few(studies: int) -> Iterator[str]:
    """The lines of the two tables of streams and of families."""
    of_streams_, of_families = stream_rows(studies // 10), family_rows(studies)
    for name, seeds, rows in (("interval", FEW, of_streams_), ("test", (5,), of_families)):
        head = " | ".join(f"n = {n}" for n in seeds)
        yield from ("", f"| {name} | data | {head} |", "|---" * (2 + len(seeds)) + "|")
        for method, data, shares in rows:
            cells = ("none" if np.isnan(each) else f"{100 * each:.1f}" for each in shares)
            yield _line(method, data, *cells)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for line in itertools.chain(tables(LONG), tables_of_few(LONG)):
        print(line, flush=True)
