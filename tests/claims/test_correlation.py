"""Correlations against SciPy on each pair of series, and on series whose answer is known."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.claims.correlation import Cell, associate, blocks_of_seeds, cells_of
from benchmark.claims.correlation_table import correlation_table
from benchmark.results.tables import Tables, read_tables
from benchmark.statistics import hypotheses
from benchmark.statistics.coefficients import Level, Measure
from benchmark.statistics.intervals import ends
from tests.statistics.simulate import DISTANCE, OUTCOMES, Floats, falling_walks, tables, write

ROOT = Path(__file__).parents[2]
COMMITTED = sorted(p.parent.relative_to(ROOT) for p in ROOT.glob("results/*/*/ablation.json"))
GAMMAS = [{"method.gamma": gamma} for gamma in (0.3, 0.5, 0.7)]
LEVELS: tuple[Level, ...] = ("differences", "between")
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


def _series(seed: int, runs: int = 4, ties: bool = False) -> tuple[Floats, Floats, Tables]:
    rng = np.random.default_rng(seed)
    signal, distance = rng.standard_normal((2, runs, 9)).cumsum(axis=-1)
    if ties:
        signal, distance = np.floor(signal), np.floor(distance)
    return signal, distance, tables({"signal": signal, DISTANCE: distance}, GAMMAS[:1], seeds=runs)


@pytest.mark.parametrize("measure", ["pearson", "spearman", "kendall"])
def test_raw_is_scipy_run_by_run(measure: Measure) -> None:
    signal, distance, found = _series(1, ties=True)
    got = associate(cells_of(found), "signal", DISTANCE, "raw", measure)
    assert got is not None
    pairs = itertools.product(signal, distance)
    table = np.array([SCIPY[measure](x, y).statistic for x, y in pairs]).reshape(4, 4)
    np.testing.assert_allclose(got.each, table.diagonal(), atol=1e-12)
    assert got.value == pytest.approx(table.diagonal().mean())
    off = ~np.eye(4, dtype=bool)
    assert got.null_mean == pytest.approx(table[off].mean())


@pytest.mark.parametrize("level", ["raw", "differences", "partial"])
def test_p_counts_all_pairings_of_whole_runs(level: Level) -> None:
    signal, distance, found = _series(2)
    got = associate(cells_of(found), "signal", "distance", level)
    assert got is not None
    steps = np.arange(signal.shape[1])

    def rho(x: Floats, y: Floats) -> float:
        if level == "differences":
            return float(stats.spearmanr(np.diff(x), np.diff(y)).statistic)
        xy, xs, ys = (
            float(stats.spearmanr(*p).statistic) for p in ((x, y), (x, steps), (y, steps))
        )
        # The textbook formula of a partial correlation.
        return xy if level == "raw" else (xy - xs * ys) / np.sqrt((1 - xs**2) * (1 - ys**2))

    orders = itertools.permutations(range(4))
    null = [np.mean([rho(x, distance[j]) for x, j in zip(signal, o, strict=True)]) for o in orders]
    assert got.value == pytest.approx(null[0])
    above, below = np.mean(null >= null[0] - 1e-12), np.mean(null <= null[0] + 1e-12)
    assert got.p() == pytest.approx(min(1, 2 * min(above, below)))
    assert (got.p("greater"), got.p("less")) == (pytest.approx(above), pytest.approx(below))
    assert got.least_p() == pytest.approx(2 / 24)


def test_between_is_scipy_step_by_step_and_cell_by_cell() -> None:
    rng = np.random.default_rng(3)
    signal, distance = rng.standard_normal((2, 12, 6))
    found = tables({"signal": signal, DISTANCE: distance}, GAMMAS, seeds=4)
    got = associate(cells_of(found), "signal", "distance", "between")
    table = correlation_table(found)
    steps = table[(table["level"] == "at_step") & (table["role"] == "signal")]
    rhos = np.array(
        [
            [stats.spearmanr(signal[c : c + 4, s], distance[c : c + 4, s])[0] for s in range(6)]
            for c in (0, 4, 8)
        ]
    )
    assert got is not None
    assert got.value == pytest.approx(rhos.mean())
    np.testing.assert_allclose(steps["value"], rhos.mean(axis=0), atol=1e-12)
    assert steps["step"].tolist() == sorted(set(found.evaluations["step"]))
    assert (got.cells, got.runs, got.points) == (3, 12, 6)


def test_differences_are_taken_at_one_interval() -> None:
    signal, distance, found = _series(4)
    # The last evaluation comes early, as where the steps are no multiple of the interval.
    last = found.evaluations["step"] == 900
    found.evaluations.loc[last, "step"] = 850
    got = associate(cells_of(found), "signal", "distance", "differences")
    assert got is not None
    rhos = [
        stats.spearmanr(np.diff(x)[:-1], np.diff(y)[:-1]).statistic
        for x, y in zip(signal, distance, strict=True)
    ]
    assert got.points == 7
    assert got.value == pytest.approx(np.mean(rhos))


def test_training_signal_is_the_mean_of_the_log_since_the_evaluation_before() -> None:
    found = tables({"signal": np.zeros((1, 2)), DISTANCE: np.zeros((1, 2))}, GAMMAS[:1], seeds=1)
    log = pd.DataFrame({"step": [50, 100, 150, 200, 250], "m_global": [1.0, 3, 5, 9, 99]})
    found = replace(found, train=log.assign(run_id="began-000000000000"))
    assert found.points["signal"].tolist() == [2.0, 7.0]


def _walks(seed: int, seeds: int = 5, steps: int = 20, drift: float = 1.5) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    names = ("signal", *OUTCOMES[:2])
    return {name: falling_walks(rng, 3 * seeds, steps, drift) for name in names}


def _row(table: pd.DataFrame, level: str, measure: str = "spearman") -> "pd.Series[float]":
    at = (table["role"] == "signal") & (table["cell"] == "") & (table["outcome"] == DISTANCE)
    return table[at & (table["level"] == level) & (table["measure"] == measure)].iloc[0]


def test_two_independent_falling_walks_correlate_raw_and_only_raw() -> None:
    table = correlation_table(tables(_walks(11, drift=1.0), GAMMAS, seeds=5, apart=True))
    for measure in ("pearson", "spearman", "kendall"):
        raw = _row(table, "raw", measure)
        assert raw["value"] > 0.8
        assert raw["null_mean"] > 0.8  # another run's distance does as well
        assert raw["p"] > 0.05
    for level in ("differences", "partial", "between"):
        row = _row(table, level)
        assert abs(row["value"]) < 0.3
        assert row["p_holm"] > 0.05
        assert row["reading"].startswith("no relation shown")


def test_planted_relation_is_found_at_every_level() -> None:
    curves = _walks(12)
    noise = np.random.default_rng(5).standard_normal(curves["signal"].shape).cumsum(axis=1)
    curves[DISTANCE] = 50 * curves["signal"] + 10 * noise
    table = correlation_table(tables(curves, GAMMAS, seeds=5, apart=True))
    for level in ("differences", "partial", "between"):
        row = _row(table, level)
        assert row["value"] > 0.4
        # Between seeds, five a cell are too few for an interval of its level.
        assert np.isnan(row["low"]) if level == "between" else row["low"] > 0.2
        assert row["p_holm"] < 0.05
        assert row["reading"] == "rise together"


def test_scale_of_a_cell_is_no_relation() -> None:
    # M_global's scale differs between cells, and so does the distance's: pooled raw, rho is 1.
    rng = np.random.default_rng(6)
    offset = np.repeat([0.0, 100, 200], 5)[:, None]
    signal, distance = rng.standard_normal((2, 15, 8)) + offset
    assert stats.spearmanr(signal[:, -1], distance[:, -1]).statistic > 0.8
    got = associate(
        cells_of(tables({"signal": signal, DISTANCE: distance}, GAMMAS, seeds=5)),
        *("signal", "distance", "between"),
    )
    assert got is not None
    assert abs(got.value) < 0.3
    assert got.p() > 0.05


def _alike(rng: np.random.Generator) -> dict[str, Floats]:
    """Three cells of five seeds: signal and distance have nothing to do with each other, but each
    is nearly the same in runs of one seed, as where these see the same images in the same order."""
    of_seeds = rng.standard_normal((2, 1, 5, 6)).cumsum(axis=-1)
    signal, distance = (of_seeds + 0.1 * rng.standard_normal((2, 3, 5, 6))).reshape(2, 15, 6)
    return {"signal": signal, DISTANCE: distance}


def _showing(curves: Mapping[str, Floats], cells: Sequence[Cell]) -> list[Cell]:
    """The cells' runs with other curves: making tables of them takes longer than to judge them."""
    parts = {name: np.split(curve, len(cells)) for name, curve in curves.items()}
    return [
        replace(cell, columns={name: part[i] for name, part in parts.items()})
        for i, cell in enumerate(cells)
    ]


@pytest.mark.parametrize("level", ["differences", "between"])
def test_runs_that_share_a_seed_are_no_further_seeds(
    level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dealt cell by cell, unrelated series would be called related far too often."""
    monkeypatch.setattr(hypotheses, "MOST", 1_000)  # of deals at random
    rng, ps = np.random.default_rng(9), {True: [], False: []}
    runs = {apart: cells_of(tables(_alike(rng), GAMMAS, seeds=5, apart=apart)) for apart in ps}
    for _ in range(60):
        curves = _alike(rng)
        for apart, found in ps.items():
            got = associate(_showing(curves, runs[apart]), "signal", DISTANCE, level)
            assert got is not None
            found.append(got.p())
            assert got.least_p() == pytest.approx(2 / (1_000 if apart else 120))
    alike, apart_p = (np.mean(np.array(ps[each]) < 0.05) for each in (False, True))
    assert alike <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert apart_p > 0.2


def test_a_seed_is_one_value_however_many_cells_it_is_in() -> None:
    """Within runs: Student's t of the means over a seed's runs, by hand."""
    curves = _alike(np.random.default_rng(10))
    got = associate(cells_of(tables(curves, GAMMAS, seeds=5)), "signal", DISTANCE, "differences")
    assert got is not None
    rhos = [
        stats.spearmanr(np.diff(x), np.diff(y)).statistic
        for x, y in zip(curves["signal"], curves[DISTANCE], strict=True)
    ]
    of_seeds = np.reshape(rhos, (3, 5)).mean(axis=0)
    np.testing.assert_allclose(got.each, of_seeds)
    expected = stats.ttest_1samp(of_seeds, 0).confidence_interval()
    assert ends(got.estimate) == pytest.approx((expected.low, expected.high))


def test_between_seeds_each_is_left_out_of_every_cell() -> None:
    """The jackknife of ten seeds of two cells, by hand."""
    rng = np.random.default_rng(4)
    signal, distance = rng.standard_normal((2, 20, 3))

    def rho(kept: list[int]) -> float:
        found = [
            stats.spearmanr(signal[c + np.array(kept), s], distance[c + np.array(kept), s])[0]
            for c in (0, 10)
            for s in range(3)
        ]
        return float(np.mean(found))

    cells = cells_of(tables({"signal": signal, DISTANCE: distance}, GAMMAS[:2], seeds=10))
    got = associate(cells, "signal", DISTANCE, "between")
    assert got is not None
    assert got.estimate is not None
    whole = rho(list(range(10)))
    without = np.array([rho([k for k in range(10) if k != i]) for i in range(10)])
    value = whole - 9 * (without.mean() - whole)
    assert np.tanh(got.estimate.value) == pytest.approx(value)
    error = np.sqrt(9 * without.var()) / (1 - value**2)
    assert got.estimate.error == pytest.approx(error)
    nine = cells_of(tables({"signal": signal[:18], DISTANCE: distance[:18]}, GAMMAS[:2], seeds=9))
    few = associate(nine, "signal", DISTANCE, "between")
    assert few is not None
    assert few.estimate is None


def test_cells_that_share_a_seed_are_one_block() -> None:
    assert blocks_of_seeds([(0, 1), (5, 6), (1, 2), (0, 1)]) == [[5, 6], [0, 1, 2]]


def test_the_same_networks_count_once() -> None:
    rng = np.random.default_rng(5)
    signal, distance = rng.standard_normal((2, 4, 9)).cumsum(axis=-1)
    curves = {"signal": signal, DISTANCE: distance}
    twice = {name: np.concatenate([curve, curve]) for name, curve in curves.items()}
    once = tables(curves, GAMMAS[:1], seeds=4)
    found = tables(twice, GAMMAS[:2], seeds=4)
    hashes = [f"{seed:064x}" for seed in range(4)]
    found.runs["weights_sha256"] = [*hashes, *hashes]
    got, alone = (associate(cells_of(t), "signal", DISTANCE, "between") for t in (found, once))
    assert got is not None
    assert alone is not None
    assert (got.value, got.p(), got.runs) == (alone.value, alone.p(), 4)
    found.runs["weights_sha256"] = ""  # of runs without weights nothing is known
    assert len(cells_of(found)) == 2


def test_methods_are_never_pooled() -> None:
    found = tables(_walks(13), GAMMAS, seeds=5)
    runs = found.runs.assign(method=["ebgan"] * 5 + ["began"] * 10)
    runs.loc[:4, "signal"] = "k"  # a signal of its own, which the training log has not
    table = correlation_table(replace(found, runs=runs))
    own = table[table["role"] == "signal"]
    assert set(own["method"]) == {"began"}
    assert own[(own["cell"] == "") & (own["level"] == "raw")]["runs"].eq(10).all()
    assert set(table["method"]) == {"began", "ebgan"}  # ebgan has its baseline of steps


def test_unfinished_runs_are_left_out_and_one_seed_says_nothing() -> None:
    found = tables(_walks(14), GAMMAS, seeds=5, state={0: "failed", 7: "running", 8: "queued"})
    row = _row(correlation_table(found), "between")
    assert row["runs"] == 12
    # Cell by cell the first run has failed, two are not done, and all are: no two have the same.
    assert row["seeds"] == "1 2 3 4; 0 1 4; 0 1 2 3 4"
    lone = correlation_table(tables(_walks(15, seeds=1), GAMMAS, seeds=1))
    assert not (lone["level"] == "between").any()
    within = lone[(lone["level"] == "differences") & (lone["role"] == "signal")]
    within = within[within["cell"] == ""]
    assert (within["p"] == 1).all()
    assert within["low"].isna().all()
    assert within["reading"].str.startswith("cannot tell").all()


def test_series_that_follow_the_step_exactly_leave_nothing_to_relate() -> None:
    line = np.tile(np.linspace(9, 1, 6), (4, 1))
    curves = {"signal": line, DISTANCE: np.random.default_rng(0).standard_normal((4, 6))}
    table = correlation_table(tables(curves, GAMMAS[:1], seeds=4))
    row = _row(table, "partial")
    assert np.isnan(row["value"])
    assert row["reading"].startswith("undefined")


@pytest.mark.parametrize(("runs", "interval"), [(1, False), (2, False), (3, True)])
def test_runs_without_a_rho_are_not_counted(runs: int, interval: bool) -> None:
    """In the others the signal follows the step exactly; a rho of 0 would be made up."""
    signal, distance = np.random.default_rng(3).standard_normal((2, 8, 6))
    signal[runs:] = np.linspace(9, 1, 6)
    found = tables({"signal": signal, DISTANCE: distance}, GAMMAS[:2], seeds=4)
    alone = tables({"signal": signal[:runs], DISTANCE: distance[:runs]}, GAMMAS[:1], seeds=runs)
    got, expected = (
        associate(cells_of(each), "signal", DISTANCE, "partial") for each in (found, alone)
    )
    assert got is not None
    assert expected is not None
    np.testing.assert_allclose(got.each, expected.each)
    assert got.value == pytest.approx(expected.value)
    assert (got.cells, got.runs, got.run_ids) == (1, runs, expected.run_ids)
    assert got.seeds == (tuple(range(runs)),)
    assert got.null_mean == pytest.approx(expected.null_mean, nan_ok=True)
    assert (got.p(), got.least_p()) == (expected.p(), expected.least_p())
    assert (got.estimate is not None) == interval


def test_a_seed_keeps_its_place_where_another_cell_has_its_rho() -> None:
    """Cells with the same seeds are permuted alike, and a rho that is missing favours nothing."""
    signal, distance = np.random.default_rng(3).standard_normal((2, 8, 6))
    signal[0] = np.linspace(9, 1, 6)  # seed 0 of the first cell
    found = tables({"signal": signal, DISTANCE: distance}, GAMMAS[:2], seeds=4)
    got = associate(cells_of(found), "signal", DISTANCE, "partial")
    assert got is not None
    assert (got.cells, got.runs, got.seeds) == (2, 7, ((0, 1, 2, 3),))
    assert got.least_p() == pytest.approx(2 / 24)
    assert len(got.each) == 4
    assert len(got.blocks) == 1
    apart = [associate(cells_of(found)[i : i + 1], "signal", DISTANCE, "partial") for i in (0, 1)]
    first, second = (each.blocks[0] for each in apart if each)
    assert got.blocks[0].trace() == pytest.approx(first.trace() + second.trace())
    assert got.value == pytest.approx(got.each.mean())


def test_steps_at_which_all_seeds_tie_are_not_counted() -> None:
    signal, distance = np.random.default_rng(3).standard_normal((2, 20, 4))
    signal[:10, :2] = 0.0  # of the first cell: at its first two steps
    found = tables({"signal": signal, DISTANCE: distance}, GAMMAS[:2], seeds=10)
    got = associate(cells_of(found), "signal", DISTANCE, "between")
    rhos = [
        np.mean([stats.spearmanr(signal[c : c + 10, s], distance[c : c + 10, s])[0] for s in of])
        for c, of in ((0, (2, 3)), (10, range(4)))
    ]
    assert got is not None
    assert got.value == pytest.approx(np.mean(rhos))
    signal[:10] = 0.0
    gone = tables({"signal": signal, DISTANCE: distance}, GAMMAS[:2], seeds=10)
    got = associate(cells_of(gone), "signal", DISTANCE, "between")
    alone = associate(cells_of(gone)[1:], "signal", DISTANCE, "between")
    assert got is not None
    assert alone is not None
    assert got.value == pytest.approx(alone.value)
    assert (got.cells, got.runs) == (1, 10)
    assert ends(got.estimate) == pytest.approx(ends(alone.estimate))


def test_one_seed_that_differs_has_no_interval() -> None:
    signal, distance = np.random.default_rng(3).standard_normal((2, 10, 4))
    signal[1:] = 0.0
    cells = cells_of(tables({"signal": signal, DISTANCE: distance}, GAMMAS[:1], seeds=10))
    got = associate(cells, "signal", DISTANCE, "between")
    assert got is not None
    assert np.isfinite(got.value)
    assert got.estimate is None


@pytest.mark.parametrize("folder", COMMITTED, ids=str)
def test_committed_tables_are_read(folder: Path) -> None:
    found = read_tables(ROOT / folder)
    assert len(found.runs) > 0
    assert found.points["distance"].notna().all()


def test_files_give_what_frames_give(tmp_path: Path) -> None:
    found = tables(_walks(16, steps=6), GAMMAS, seeds=5, state={3: "failed"})
    read = read_tables(write(tmp_path / "short", found))
    pd.testing.assert_frame_equal(correlation_table(read), correlation_table(found))
