"""bench compare and bench correlate: what they say, write and exit with."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.claims.comparison import compare_sides, read_side, sentence, verdict
from benchmark.claims.evidence import TABLES, write_evidence
from benchmark.cli import bench
from benchmark.errors import InputError
from benchmark.results.schema import JudgeEntry, table_path
from tests.report.material import fill, plan
from tests.statistics.simulate import DISTANCE, Floats, tables, write

GAMMAS = [{"method.gamma": 0.3}, {"method.gamma": 0.7}]


def _ends(seed: int, shift: float = 0.0, runs: int = 10) -> Floats:
    return 100 + shift + np.random.default_rng(seed).standard_normal((runs, 1))


def _folder(
    path: Path, ends: Floats, seeds: int = 5, data: str = "a" * 64, **changes: Mapping[str, Any]
) -> Path:
    """Its judge has these changes: of settings, network, parameters or versions."""
    found = tables({"signal": ends, DISTANCE: ends, "recall": -ends}, GAMMAS, seeds=seeds)
    found.runs["weights_sha256"] = [f"{value[0]:.6f}" for value in ends]
    record = found.record.headline.model_dump(mode="json")
    for part, values in changes.items():
        record[part] |= values
    judge = JudgeEntry.model_validate(record)
    setup = found.record.setups[0].model_copy(update={"references": {judge.name: data}})
    judged = found.record.model_copy(update={"judges": [judge], "setups": [setup]})
    return write(path, replace(found, record=judged))


def _verdict(a: Path | str, b: Path | str) -> str:
    return verdict(compare_sides(read_side(str(a)), read_side(str(b))))


def test_better_worse_and_no_difference(tmp_path: Path) -> None:
    base = _folder(tmp_path / "a", _ends(1))
    lower, higher = (_folder(tmp_path / str(s), _ends(2, s)) for s in (-20, 20))
    assert _verdict(base, lower) == "better"
    assert _verdict(base, higher) == "worse"
    assert _verdict(base, _folder(tmp_path / "b", _ends(3))) == "no difference shown"
    table = compare_sides(read_side(str(base)), read_side(str(higher)))
    said = sentence(table, "BEGAN", "EBGAN")
    assert said.startswith("EBGAN is worse than BEGAN: distance 19.8 higher, 95 % ")
    assert said.endswith("10 against 10 runs.")
    # Every seed of B is worse: the chance that one is better is 0, and surely below a half. Both
    # cells have the same seeds, so over them it has no interval.
    assert (table["better"].iloc[0], table["better_low"].iloc[1]) == (0, 0)
    assert table["better_high"].iloc[1] < 0.5
    assert np.isnan(table["better_high"].iloc[0])
    assert table["least_p"].iloc[0] == pytest.approx(2 / 252)
    first = table.iloc[0]
    assert first["cell"] == "all cells"
    means = [pytest.approx(float(_ends(1).mean())), pytest.approx(float(_ends(2, 20).mean()))]
    assert [first["a"], first["b"]] == means
    # The higher recall, the better: here it is minus the distance.
    assert set(table.loc[table["outcome"] == "recall", "verdict"]) == {"worse"}


def test_the_means_over_all_cells_differ_by_the_change(tmp_path: Path) -> None:
    """Cells of other seeds, of unequal number on one side."""
    sides = []
    for name, state in (("a", {}), ("b", {2: "failed", 3: "failed"})):
        ends = _ends(len(sides)) + np.repeat([0.0, 50], 5)[:, None] * (name == "b")
        made = tables({"signal": ends, DISTANCE: ends}, GAMMAS, seeds=5, apart=True, state=state)
        sides.append(read_side(str(write(tmp_path / name, made))))
    row = compare_sides(*sides).iloc[0]
    assert row["cell"] == "all cells"
    assert row["b"] - row["a"] == pytest.approx(row["difference"])


def test_what_follows_the_folder_may_hold_colons(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "a:b", _ends(1))
    runs = pd.read_csv(folder / "runs.csv", dtype=str)
    ids = {runs["run_id"].iloc[0]: "lsgan:LSGAN-0123456789ab"}
    for name in ("runs", "train", "heldout", "evaluations"):
        path = table_path(folder, name)
        table = pd.read_csv(path, dtype=str)
        table.assign(run_id=table["run_id"].replace(ids)).to_csv(path, index=False)
    side = read_side(f"{folder}:lsgan:LSGAN-0123456789ab")
    assert list(side.tables.runs["run_id"]) == ["lsgan:LSGAN-0123456789ab"]
    assert list(read_side(f"{folder}:gamma=0.7").tables.runs["seed"]) == [0, 1, 2, 3, 4]
    assert len(read_side(str(folder)).tables.runs) == 10
    with pytest.raises(InputError, match="no cell or run 'lsgan:other'"):
        read_side(f"{folder}:lsgan:other")


def test_a_runs_own_folder_is_a_side(tmp_path: Path) -> None:
    first, second, third = plan().runs[:3]
    a, b = (fill(tmp_path / "runs", each).path for each in (first, second))
    assert _verdict(a, b) == "cannot tell at n = 1"
    assert read_side(str(b)).tables.values("distance").tolist() == [110]
    (fill(tmp_path / "runs", third).path / "evaluation.json").unlink()
    with pytest.raises(InputError, match=r"no evaluation\.json"):
        read_side(str(tmp_path / "runs" / third.run_id))


def test_same_weights_differ_in_nothing(tmp_path: Path) -> None:
    a, b = (_folder(tmp_path / name, _ends(1)) for name in "ab")
    assert _verdict(a, b) == "no difference shown"


def test_three_seeds_cannot_tell_one_cell_from_another(tmp_path: Path) -> None:
    ends = np.concatenate([_ends(1, runs=3), _ends(2, 500, runs=3)])
    folder = _folder(tmp_path / "a", ends, seeds=3)
    cells = f"{folder}:gamma=0.3", f"{folder}:gamma=0.7"
    assert _verdict(*cells) == "cannot tell at n = 3"
    run = f"{folder}:began-000000000000", f"{folder}:began-000000000005"
    assert _verdict(*run) == "cannot tell at n = 1"


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("versions", {"kid": "2"}),
        ("settings", {"samples": 500}),
        ("network", {"weights_sha256": "f" * 64}),
        ("parameters", {"kid_subsets": 50}),
    ],
)
def test_another_judge_is_not_comparable(
    part: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    a, b = _folder(tmp_path / "a", _ends(1)), _folder(tmp_path / "b", _ends(2), **{part: changes})
    with pytest.raises(InputError, match=f"judged differently: .*{next(iter(changes))}"):
        _verdict(a, b)


def test_other_faces_are_compared_on_demand_alone(tmp_path: Path) -> None:
    a, b = _folder(tmp_path / "a", _ends(1)), _folder(tmp_path / "b", _ends(2, 500), data="f" * 64)
    with pytest.raises(InputError, match="judged differently: reference data"):
        _verdict(a, b)
    sides = read_side(str(a)), read_side(str(b))
    assert verdict(compare_sides(*sides, other_faces=True)) == "worse"
    other = _folder(tmp_path / "c", _ends(2), data="f" * 64, settings={"samples": 500})
    with pytest.raises(InputError, match="judged differently: samples"):
        compare_sides(sides[0], read_side(str(other)), other_faces=True)
    cli = CliRunner()
    assert cli.invoke(bench, ["compare", str(a), str(b), "--other-faces"]).exit_code == 3


def test_other_cells_and_no_tables_are_bad_input(tmp_path: Path) -> None:
    a = _folder(tmp_path / "a", _ends(1))
    with pytest.raises(InputError, match=r"the cells are: gamma=0\.3, gamma=0\.7"):
        read_side(f"{a}:gamma=0.4")
    with pytest.raises(InputError, match="no tables here"):
        read_side(str(tmp_path / "nowhere"))


def test_exit_codes_and_json(tmp_path: Path) -> None:
    a, same, worse = (
        str(_folder(tmp_path / name, _ends(seed, shift)))
        for name, seed, shift in (("a", 1, 0), ("b", 3, 0), ("c", 2, 20))
    )
    runner = CliRunner()
    assert runner.invoke(bench, ["compare", a, same]).exit_code == 0
    found = runner.invoke(bench, ["compare", a, worse, "--json"])
    assert found.exit_code == 3
    assert json.loads(found.output)[0]["verdict"] == "worse"
    assert runner.invoke(bench, ["compare", worse, a]).exit_code == 4
    codes = [
        runner.invoke(bench, ["compare", *ab, "--fail-if-worse"]).exit_code
        for ab in ((a, worse), (worse, a), (a, same))
    ]
    assert codes == [3, 0, 0]
    lines = runner.invoke(bench, ["compare", a, worse]).output.splitlines()
    assert lines[0].startswith(f"{worse} is worse than {a}: distance")
    assert lines[2].split("\t") == ["outcome", "A", "B", "B - A (95 %)", "verdict"]
    assert len(lines) == 3 + 2  # distance and recall, all cells together
    full = runner.invoke(bench, ["compare", a, worse, "--full"]).output
    assert "gamma=0.3" in full
    failed = runner.invoke(bench, ["compare", a, str(tmp_path / "none")])
    assert isinstance(failed.exception, InputError)
    assert failed.exception.exit_code == 2


def test_correlate_writes_and_prints_the_tables(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "a", _ends(1))
    found = CliRunner().invoke(bench, ["correlate", str(folder), "--json"])
    assert found.exit_code == 0, found.exception
    assert set(json.loads(found.output)) == set(TABLES)
    assert all((folder / f"{name}.csv").is_file() for name in TABLES)


def test_correlate_shows_what_answers_and_all_with_full(tmp_path: Path) -> None:
    """The signal against the distance over all cells, and not kid, one cell, or k."""
    names = ["signal", "distance", "kid", "k"]
    rng = np.random.default_rng(1)
    outcomes = {name: rng.standard_normal((10, 6)) for name in names}
    folder = write(tmp_path / "a", tables(outcomes, GAMMAS, seeds=5))
    plain = CliRunner().invoke(bench, ["correlate", str(folder)]).output
    full = CliRunner().invoke(bench, ["correlate", str(folder), "--full"]).output
    assert _rows(plain, "correlations")
    assert _rows(plain, "variance")
    assert {row[2] for row in _rows(plain, "correlations")} == {"distance"}
    assert {row[0] for row in _rows(plain, "variance")} == {"distance"}
    assert "kid" not in plain
    assert set(plain.splitlines()) < set(full.splitlines())
    assert "kid" in {row[2] for row in _rows(full, "correlations")}


def _rows(printed: str, name: str) -> list[list[str]]:
    """The rows of one printed table, without its title and heads."""
    (part,) = [part for part in printed.split("# ") if part.startswith(f"{name} (")]
    return [line.split("\t") for line in part.splitlines()[2:]]


@pytest.mark.parametrize("state", [{}, {0: "failed"}, dict.fromkeys(range(10), "queued")])
@pytest.mark.parametrize("seeds", [5, 1])
def test_evidence_copes_with_whatever_there_is(
    state: dict[int, str], seeds: int, tmp_path: Path
) -> None:
    runs = 2 * seeds
    state = {run: ended for run, ended in state.items() if run < runs}
    ends = _ends(1, runs=runs)
    claim = {"kind": "failures"}
    claims = [{"id": "stable", "says": "It is", "source": "a test", "test": claim}]
    found = tables({"signal": ends}, GAMMAS, seeds=seeds, state=state, claims=claims)
    written = write_evidence(write(tmp_path / "short", found))
    assert len(written["claims"]) == 1
