"""Tables are never the poorer for a machine that has not all of the runs' folders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmark.ablation.registration import register
from benchmark.errors import BenchError
from benchmark.results.source import only_published
from benchmark.results.writer import write_results
from tests.report.material import fill_all, plan

Files = dict[str, bytes]


def files(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def synced(tmp_path: Path) -> Path:
    """An ablation's tables, written while all folders were there."""
    register(tmp_path / "runs", plan())
    return write_results(fill_all(tmp_path / "runs"), tmp_path / "runs", tmp_path / "results")


def without(tmp_path: Path, leave_out: Callable[[int], bool]) -> Path:
    """A runs folder that lacks some of them."""
    some = tmp_path / "some"
    for at, planned in enumerate(plan().runs):
        source = tmp_path / "runs" / planned.run_id
        if source.exists() and not leave_out(at):
            shutil.copytree(source, some / planned.run_id)
    some.mkdir(exist_ok=True)
    return some


@pytest.mark.parametrize(
    "leave_out", [lambda at: True, lambda at: at % 2 == 0], ids=["none is here", "half are here"]
)
def test_the_same_bytes_whichever_folders_are_here(
    synced: Path, tmp_path: Path, leave_out: Callable[[int], bool]
) -> None:
    before = files(synced)
    runs = without(tmp_path, leave_out)
    assert only_published(plan(), runs, tmp_path / "results")
    write_results(plan(), runs, tmp_path / "results")
    after = files(synced)
    assert set(after) == set(before)
    ended = pd.read_csv(synced / "runs.csv").query("state in ['done', 'failed']")["run_id"]
    for name in ("runs", "train", "evaluations", "repeats", "probes"):
        was, now = (each[f"{name}.csv"].decode().splitlines() for each in (before, after))
        kept = [line for line in was if line.startswith(("run_id", *ended))]
        assert [line for line in now if line.startswith(("run_id", *ended))] == kept, name


def test_what_is_here_goes_before_what_was_published(synced: Path, tmp_path: Path) -> None:
    path = synced / "runs.csv"
    table = pd.read_csv(path, dtype=str)
    done = table.index[table["state"] == "done"]
    table.loc[done, "weights_sha256"] = "0" * 64
    table.to_csv(path, index=False)
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert "0" * 64 not in path.read_text()


def test_claims_stand_as_the_first_runs_found_them(synced: Path, tmp_path: Path) -> None:
    path = synced / "ablation.json"
    record = json.loads(path.read_text())
    assert record["claims_at_start"] == record["claims_sha256"]
    path.write_text(json.dumps({**record, "claims_at_start": "1" * 64}))
    write_results(plan(), without(tmp_path, lambda at: True), tmp_path / "results")
    assert json.loads(path.read_text())["claims_at_start"] == "1" * 64


def test_a_run_with_an_unnamed_judge_is_not_taken_over(synced: Path, tmp_path: Path) -> None:
    path = synced / "ablation.json"
    record = json.loads(path.read_text())
    (kept, *_) = only_published(plan(), tmp_path / "none", tmp_path / "results")
    for cell in record["cells"]:
        cell["differing"] = [kept]
    path.write_text(json.dumps(record))
    before = files(synced)
    with pytest.raises(BenchError, match=f"do not say what judged {kept}"):
        write_results(plan(), tmp_path / "none", tmp_path / "results")
    assert files(synced) == before


def test_tables_of_another_version_are_not_written_over(synced: Path, tmp_path: Path) -> None:
    path = synced / "ablation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    before = files(synced)
    with pytest.raises(BenchError, match="format 1, and this version of bench reads format 2"):
        write_results(plan(), tmp_path / "none", tmp_path / "results")
    assert files(synced) == before
    write_results(plan(), tmp_path / "runs", tmp_path / "results")  # nothing is to be kept
    assert json.loads(path.read_text())["format"] == 2
