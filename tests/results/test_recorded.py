"""Tables are never the poorer for a machine that has not all of the runs' folders."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmark.errors import BenchError
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.results.schema import FORMAT, table_path
from benchmark.results.source import only_recorded
from benchmark.results.tables import read_tables
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from tests.report.material import (
    EVALUATION,
    JUDGE,
    evaluate,
    fill_all,
    judge_record,
    metrics,
    plan,
)

Files = dict[str, bytes]


def lines(of: Files, name: str) -> list[str]:
    data = of[name]
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()


def files(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def synced(tmp_path: Path) -> Path:
    """An ablation's tables, written while all folders were there."""
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
    assert only_recorded(plan(), runs, tmp_path / "results")
    write_results(plan(), runs, tmp_path / "results")
    after = files(synced)
    assert set(after) == set(before)
    ended = pd.read_csv(synced / "runs.csv").query("state in ['done', 'failed']")["run_id"]
    for name in ("runs", "train", "heldout", "evaluations", "probes"):
        was, now = (lines(each, table_path(synced, name).name) for each in (before, after))
        kept = [line for line in was if line.startswith(("run_id", *ended))]
        assert [line for line in now if line.startswith(("run_id", *ended))] == kept, name


def test_what_is_here_goes_before_what_the_tables_have(synced: Path, tmp_path: Path) -> None:
    path = synced / "runs.csv"
    table = pd.read_csv(path, dtype=str)
    done = table.index[table["state"] == "done"]
    table.loc[done, "weights_sha256"] = "0" * 64
    table.to_csv(path, index=False)
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert "0" * 64 not in path.read_text()


def test_a_run_with_unnamed_data_is_not_taken_over(synced: Path, tmp_path: Path) -> None:
    path = synced / "ablation.json"
    record = json.loads(path.read_text())
    (kept, *_) = only_recorded(plan(), tmp_path / "none", tmp_path / "results")
    for cell in record["cells"]:
        cell["differing"] = [kept]
    path.write_text(json.dumps(record))
    before = files(synced)
    with pytest.raises(BenchError, match=f"do not say what data {kept} had"):
        write_results(plan(), tmp_path / "none", tmp_path / "results")
    assert files(synced) == before


def test_tables_of_another_version_are_not_written_over(synced: Path, tmp_path: Path) -> None:
    path = synced / "ablation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    before = files(synced)
    with pytest.raises(BenchError, match=f"format 1, and .* reads format {FORMAT};"):
        write_results(plan(), tmp_path / "none", tmp_path / "results")
    assert files(synced) == before
    write_results(plan(), tmp_path / "runs", tmp_path / "results")  # nothing is to be kept
    assert json.loads(path.read_text())["format"] == FORMAT


def test_two_versions_of_a_judge_are_two_judges(synced: Path, tmp_path: Path) -> None:
    runs = without(tmp_path, lambda at: at == 0)
    newer = judge_record(digest="f" * 64, made=2e9)
    evaluate(RunDirectory(runs / plan().runs[1].run_id), newer, 300, 0, metrics(1.0, 1.0))
    for _ in range(2):  # the second time from the tables of the first
        write_results(plan(), runs, tmp_path / "results")
        found = read_tables(synced)
        assert [each.digest for each in found.record.judges] == ["f" * 64, judge_record().digest]
        older = found.record.judges[1].name
        assert older.startswith(f"{JUDGE}_")
        assert found.values("distance").dropna().tolist() == [1.0]  # not the older judge's
        assert found.for_judge(older).values("distance").dropna().tolist() == [100.0]
        assert list(found.record.setups[0].floors) == [JUDGE, older]


def test_a_judge_that_the_plan_no_longer_names_keeps_its_rows(synced: Path, tmp_path: Path) -> None:
    changed = EvaluationSettings.model_validate({"every": 100, "judges": {JUDGE: {"samples": 60}}})
    write_results(plan(evaluation=changed), tmp_path / "none", tmp_path / "results")
    found = read_tables(synced)
    new, old = found.record.judges
    assert (new.name, new.digest, old.digest) == (JUDGE, None, judge_record().digest)
    assert set(found.evaluations["judge"]) == {old.name}
    assert found.values("distance").isna().all()
    assert found.for_judge(old.name).values("distance").tolist()[:2] == [100, 110]
    assert list(next(iter(found.ended.values())).evaluation().judges) == [JUDGE, old.name]


def test_another_headline_or_threshold_is_applied_to_what_is_kept(
    synced: Path, tmp_path: Path
) -> None:
    before = files(synced)
    changed = EVALUATION.model_copy(update={"collapse_below": 0.6})
    write_results(plan(evaluation=changed), tmp_path / "none", tmp_path / "results")
    assert pd.read_csv(synced / "runs.csv")["collapsed"].tolist() == [1] * 6
    write_results(plan(), tmp_path / "none", tmp_path / "results")
    assert files(synced) == before
    judges = {"other": EVALUATION.judges[JUDGE].model_copy(update={"samples": 60})}
    two = EVALUATION.model_copy(update={"judges": {**judges, **EVALUATION.judges}})
    write_results(plan(evaluation=two), tmp_path / "none", tmp_path / "results")
    assert pd.read_csv(synced / "runs.csv")["distance"].isna().all()  # the new headline saw none
    assert len(pd.read_csv(synced / "evaluations.csv")) == 27
