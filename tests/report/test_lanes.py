"""The report says which runs were trained as lanes, and nothing of lanes where none was."""

import json
from pathlib import Path

from benchmark.report.captions import set_up
from benchmark.report.tables import run_table
from benchmark.results.tables import read_record, read_tables
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from tests.report.material import plan, record


def test_runs_with_company_at_any_of_their_starts_are_named(tmp_path: Path) -> None:
    made = plan()
    first, second, third, *_ = made.runs
    for planned, company in (
        (first, {"lanes": 3}),
        (second, {"earlier": [record(second), record(second, lanes=2)]}),
        (third, {}),
    ):
        run = RunDirectory.create(tmp_path / "runs", planned.spec)
        run.write_provenance(record(planned, **company))
    folder = write_results(made, tmp_path / "runs", tmp_path / "results")
    assert read_record(folder).lanes == {first.run_id: 3, second.run_id: 2}


def test_the_report_says_it_in_words_and_by_run(folder: Path) -> None:
    before = read_tables(folder)
    assert "lanes" not in set_up(before.record)
    assert "lanes" not in run_table(before).frame
    path = folder / "ablation.json"
    ids = list(before.runs["run_id"])
    path.write_text(json.dumps({**json.loads(path.read_text()), "lanes": {ids[0]: 3, ids[4]: 2}}))
    results = read_tables(folder)
    assert "; 2 runs trained as lanes, up to 3 in one process; overrides" in set_up(results.record)
    table = run_table(results).frame
    assert dict(zip(table["run"], table["lanes"], strict=True)) == {
        f"`{run_id}`": {ids[0]: "3", ids[4]: "2"}.get(run_id, "1") for run_id in ids
    }
