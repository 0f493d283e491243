"""Tables that a larger scale has superseded: their verdicts stay, the rest is in the history."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.cli import bench
from benchmark.errors import BenchError, InputError
from benchmark.report.document import Table, tables
from benchmark.report.markdown import build
from benchmark.report.overview import compose
from benchmark.report.retired import Scale, read_retired, retire
from benchmark.results.tables import read_all, read_tables
from tests.report import evidence

SHORT, LONG = "short, 300 steps", "longer, 3,000 steps"


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def committed(folder: Path, longer: Path) -> Path:
    """A checkout with the tables of one ablation at two scales; the folder of the smaller."""
    top = folder.parents[2]
    git(top, "init", "-q")
    commit(top)
    return folder


def commit(top: Path) -> None:
    git(top, "add", "results")
    git(top, "commit", "-qm", "Add tables")


def test_the_report_compares_the_scales_as_before(committed: Path) -> None:
    results, top = committed.parents[1], committed.parents[2]

    def shown() -> dict[str, Table]:
        document = compose(read_all(results))
        found = {table.name: table for table in tables(document.opening)}
        return {name: found[f"scales_{name}_baselines"] for name in ("claims", "cells")}

    before, commit = shown(), git(top, "rev-parse", "HEAD")
    assert retire(committed) == committed.parent / "retired" / "short.json"
    assert not committed.exists()
    after = shown()
    for name, table in after.items():
        pd.testing.assert_frame_equal(table.frame, before[name].frame)
        assert f"; full tables of short in commit {commit[:12]}." in table.caption
    document = compose(read_all(results))
    assert [section.folder.name for section in document.sections] == ["longer"]


def test_what_the_larger_scale_lacks_is_still_shown(committed: Path) -> None:
    larger = committed.parent / "longer"
    runs = pd.read_csv(larger / "runs.csv")
    runs.loc[runs["variant"] == "BEGAN", "distance"] = float("nan")
    runs.to_csv(larger / "runs.csv", index=False)
    evidence.write(larger, verdict="not run")
    commit(committed.parents[2])
    retire(committed)
    found = {table.name: table for table in tables(compose(read_all(committed.parents[1])).opening)}
    (claim,) = found["scales_claims_baselines"].frame.to_dict("records")
    assert claim == {
        "claim": "BEGAN is better",
        SHORT: "**refuted**: 95.12 [80, 110.5]",
        LONG: "not run",
        "change": "—",
    }
    cells = found["scales_cells_baselines"].frame.set_index("cell")
    assert list(cells.index) == ["EBGAN-PT", "BEGAN", "*real against real*"]
    assert cells.loc["BEGAN", SHORT] != "—"
    assert list(cells.loc["BEGAN", ["rank, short", LONG, "rank, longer"]]) == ["—"] * 3
    assert list(cells.loc["EBGAN-PT", ["rank, short", "rank, longer"]]) == ["1", "1"]


def test_samples_of_these_runs_alone_go(committed: Path) -> None:
    results, larger = committed.parents[1], committed.parent / "longer"
    runs = pd.read_csv(larger / "runs.csv")
    gone = runs["run_id"].iloc[0]
    runs["run_id"] = runs["run_id"].replace(gone, "began-of-another")
    runs.to_csv(larger / "runs.csv", index=False)
    commit(committed.parents[2])
    samples = {path.stem for path in (results / "samples").iterdir()}
    retire(committed)
    assert samples - {path.stem for path in (results / "samples").iterdir()} == {gone}


@pytest.mark.parametrize("change", ["edited", "untracked", "ignored"])
def test_nothing_goes_that_the_history_lacks(committed: Path, change: str) -> None:
    if change == "edited":
        (committed / "claims.csv").write_text((committed / "claims.csv").read_text() + "\n")
    else:
        (committed / "seen.txt").write_text("by me")
    if change == "ignored":
        (committed.parents[2] / ".gitignore").write_text("*.txt\n")
    with pytest.raises(BenchError, match=r"short: not all is committed and would be lost:\n"):
        retire(committed)
    assert read_tables(committed).done.shape[0]


def test_outside_a_checkout_nothing_goes(committed: Path) -> None:
    shutil.rmtree(committed.parents[2] / ".git")
    with pytest.raises(BenchError, match="not in a git history"):
        retire(committed)
    assert committed.is_dir()


def test_the_largest_scale_stays(committed: Path) -> None:
    for folder in (committed.parent / "longer", committed):
        with pytest.raises(InputError, match="the ablation has no tables with more steps"):
            retire(folder)
        shutil.rmtree(committed.parent / "longer", ignore_errors=True)
    assert committed.is_dir()


def test_new_tables_stand_for_retired_ones(committed: Path) -> None:
    results, kept = committed.parents[1], committed.with_name("kept")
    shutil.copytree(committed, kept)
    commit(committed.parents[2])
    retire(committed)
    assert [scale.title for scale in read_retired(results)] == [SHORT]
    kept.rename(committed)
    assert read_retired(results) == []


def test_a_damaged_file_is_named(committed: Path) -> None:
    path = retire(committed)
    kept = Scale.model_validate_json(path.read_bytes())
    path.write_text(kept.model_dump_json().replace('"format":1', '"format":2'))
    with pytest.raises(BenchError, match=r"short.json: cannot be read \(1 fault\); `bench retire`"):
        build(committed.parents[1], committed.parents[2] / "REPORT.md")


def test_the_command_says_where_the_verdicts_are(committed: Path) -> None:
    done = CliRunner().invoke(bench, ["retire", str(committed)])
    assert done.exit_code == 0, done.output
    assert "retired/short.json" in done.output.replace("\n", "")
