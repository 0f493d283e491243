"""What is worked out for many cells at once is what each draw and each cell gives by itself."""

import numpy as np
import pytest
from scipy import linalg, stats

from benchmark.claims.correlation import associate, associate_each, cells_of
from benchmark.claims.variance import decompose
from benchmark.statistics.coefficients import Level, rho_of_drawn
from benchmark.statistics.permutations import order_ways, redraw_ways, redraws, shuffles
from benchmark.statistics.resampling import (
    bootstrap_interval,
    bootstrap_interval_of_sums,
    pairing_p,
    pairing_ps,
    permutation_p,
)
from tests.statistics.simulate import DISTANCE, Floats, tables

# Cells whose ways are listed, one alone, and one that is too large to list them.
SIZES = (3, 5, 8, 1, 5)


def test_ways_put_together_are_the_draws() -> None:
    starts, orders = np.cumsum([0, *SIZES]), shuffles(SIZES, 50)
    for ways in order_ways(SIZES, 50):
        for cell, way in zip(ways.cells, ways.drawn, strict=True):
            own, mine = np.arange(SIZES[cell]), slice(starts[cell], starts[cell + 1])
            np.testing.assert_array_equal(ways.runs[way[0]], own)
            np.testing.assert_array_equal(ways.runs[way[1:]], orders[:, mine] - starts[cell])
    assert sorted(cell for ways in order_ways(SIZES, 50) for cell in ways.cells) == [*range(5)]


def test_drawn_ways_put_together_are_the_draws() -> None:
    sizes = (3, 5, 8, 2, 5)
    starts, drawn = np.cumsum([0, *sizes]), redraws(sizes, 50)
    for ways in redraw_ways(sizes, 50):
        for cell, way in zip(ways.cells, ways.drawn, strict=True):
            mine = np.sort(drawn[:, starts[cell] : starts[cell + 1]], axis=1) - starts[cell]
            np.testing.assert_array_equal(ways.runs[way], mine)


def test_redraws_are_those_of_scipys_bootstrap() -> None:
    values = np.random.default_rng(1).standard_normal(13)
    theirs = stats.bootstrap(
        (values[:5], values[5:]),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=1000,
        batch=500,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    weights = np.repeat([1 / 5, -1 / 8], [5, 8])
    got = bootstrap_interval(lambda index: (values[index] * weights).sum(axis=-1), [5, 8])
    assert got == pytest.approx((theirs.low, theirs.high))


def test_p_of_many_cells_is_that_of_their_runs() -> None:
    rng = np.random.default_rng(2)
    found = [rng.standard_normal((n, n)) + 0.3 * np.eye(n) for n in SIZES]
    whole, places = linalg.block_diag(*found), np.arange(sum(SIZES))
    one_by_one = permutation_p(
        lambda index: whole[places, index].mean(axis=-1), [[1] * n for n in SIZES]
    )
    assert 0.001 < one_by_one < 0.9
    assert pairing_p(found) == one_by_one
    assert pairing_p([found[3], found[3]]) == 1.0


def test_a_mean_that_is_nothing_but_rounding_is_no_side() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17, and as many orders lie above 0 as below."""
    table = np.zeros((3, 3))
    np.fill_diagonal(table, [0.1, 0.2, -0.3])
    assert np.trace(table) != 0
    for found in ([table], [table, table]):
        assert pairing_p(found) == 1.0
    assert pairing_ps(table[None]) == 1.0


@pytest.mark.parametrize("n", [2, 5, 8])
def test_p_of_each_table_is_its_own(n: int) -> None:
    found = np.random.default_rng(n).standard_normal((3, n, n))
    places = np.arange(n)

    def alone_p(table: Floats) -> float:
        return permutation_p(lambda index: table[places, index].mean(axis=-1), [[1] * n])

    alone = [alone_p(table) for table in found]
    np.testing.assert_array_equal(pairing_ps(found), alone)


def test_interval_of_sums_is_that_of_the_draws() -> None:
    sizes, values = [5, 8, 5], np.random.default_rng(3).standard_normal(18)
    starts = np.cumsum([0, *sizes])
    expected = bootstrap_interval(lambda index: values[index].sum(axis=-1), sizes)
    got = bootstrap_interval_of_sums(
        lambda ways: np.stack([values[starts[c] + ways.runs].sum(axis=-1) for c in ways.cells]),
        sizes,
        lambda sums: sums,
    )
    assert got == pytest.approx(expected)


def test_rho_of_drawn_runs_is_scipys() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 4, (2, 3, 5, 2)).astype(float)
    y[2] = 1.0  # a tie of all: no rho, which counts as 0
    drawn = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 2, 0], [5, 0, 0, 0, 0]])
    got = rho_of_drawn(x, y, drawn.astype(float))
    for at, times in enumerate(drawn):
        runs = np.repeat(np.arange(5), times)
        for cell in range(2):
            for step in range(2):
                a, b = x[cell, runs, step], y[cell, runs, step]
                rho = stats.spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else 0.0
                assert got[at, cell, step] == pytest.approx(rho)
    assert not got[:, 2].any()


@pytest.mark.parametrize("level", ["differences", "partial", "between"])
def test_each_cell_is_what_it_is_alone(level: Level) -> None:
    # Cells of several shapes: one has lost a run, one its first evaluation of the outcome.
    rng = np.random.default_rng(5)
    curves = {"signal": rng.random((12, 6)), DISTANCE: rng.random((12, 6))}
    curves[DISTANCE][4:8, 0] = np.nan
    gammas = [{"method.gamma": gamma} for gamma in (0.3, 0.5, 0.7)]
    cells = cells_of(tables(curves, gammas, seeds=4, state={11: "failed"}))
    assert [len(cell.run_ids) for cell in cells] == [4, 4, 3]
    for cell, got in zip(cells, associate_each(cells, "signal", DISTANCE, level), strict=True):
        alone = associate([cell], "signal", DISTANCE, level)
        assert got is not None
        assert alone is not None
        for name in ("value", "null_mean", "p", "least_p", "points", "runs", "seeds", "run_ids"):
            np.testing.assert_equal(getattr(got, name), getattr(alone, name))
        np.testing.assert_array_equal(got.each, alone.each)


def test_all_cells_together_are_the_mean_of_each() -> None:
    rng = np.random.default_rng(6)
    curves = {"signal": rng.random((12, 6)), DISTANCE: rng.random((12, 6))}
    gammas = [{"method.gamma": gamma} for gamma in (0.3, 0.5, 0.7)]
    cells = cells_of(tables(curves, gammas, seeds=4, state={5: "failed"}))
    whole = associate(cells, "signal", DISTANCE, "between")
    each = associate_each(cells, "signal", DISTANCE, "between")
    assert whole is not None
    weighted = sum(one.value * one.runs for one in each if one is not None)
    assert whole.value == pytest.approx(weighted / 11)
    assert whole.run_ids == tuple(run for cell in cells for run in cell.run_ids)


def _share(values: Floats, factors: list[Floats], at: int) -> float:
    """What a factor adds to the others, by the least squares of numpy, over the total."""

    def left(kept: list[Floats]) -> float:
        columns = [np.ones((len(values), 1)), *(np.eye(int(f.max()) + 1)[f] for f in kept)]
        design = np.concatenate(columns, axis=1)
        fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
        return float(((values - fitted) ** 2).sum())

    total = ((values - values.mean()) ** 2).sum()
    return (left(factors[:at] + factors[at + 1 :]) - left(factors)) / float(total)


def test_shares_of_three_keys_with_gaps_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(7)
    grid = [(g, h, z) for g in range(4) for h in range(3) for z in range(2)]
    keys = ("method.gamma", "method.h", "method.z")
    points = [dict(zip(keys, point, strict=True)) for point in grid]
    ends = rng.standard_normal((48, 1)) + np.repeat([g for g, _, _ in grid], 2)[:, None]
    lost = [0, 1, 7, 30, 31]
    found = decompose(
        tables(
            {"signal": ends, DISTANCE: ends}, points, seeds=2, state=dict.fromkeys(lost, "failed")
        ),
        "distance",
    )
    assert found is not None
    kept = np.delete(np.arange(48), lost)
    factors = [np.repeat(f, 2)[kept] for f in np.array(grid).T]
    expected = [_share(ends[kept, 0], factors, at) for at in range(3)]
    assert found.factors == keys
    np.testing.assert_allclose(found.shares, expected)
