"""A tuned sweep: the search first, then its winners beside the arms' own; cut short, it goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.ablation.plan import Plan
from benchmark.errors import EXIT_INTERRUPTED, InputError
from benchmark.results.tables import read_tables
from benchmark.runs.directory import RunDirectory
from benchmark.sweep.dry_run import what_would_run
from benchmark.sweep.output import QuietOutput
from benchmark.sweep.run import Places, Work, run_plan
from benchmark.sweep.status import Watch
from tests.ablation.tuned import BEGAN, EBGAN, train_own, train_search, tuned_plan


class NoView:
    """In MLflow's place."""

    def __init__(self, *ignored: Any) -> None: ...

    def sync_if_due(self) -> None: ...

    def close(self) -> None: ...

    def publish(self, folder: Path) -> None: ...


@dataclass
class Sweep:
    """`bench run` with an executor that trains by hand, and notes what it was asked for."""

    root: Path
    plan: Plan
    places: Places
    ends: dict[str, list[float | str]]
    asked: list[list[str]] = field(default_factory=list)
    stops: bool = False  # in its first round
    heard: StringIO = field(default_factory=StringIO)

    def go(self) -> int:
        output = QuietOutput(Console(file=self.heard, width=200))
        return run_plan(self.plan, self.places, self.start, Work("cpu"), output)

    def start(
        self,
        arguments: Sequence[str],
        tick: Callable[[], None],
        pending: Callable[..., bool],
        trains: bool,
    ) -> "Sweep":
        assert trains
        self.pending = pending
        return self

    @property
    def stopped(self) -> bool:
        return self.stops

    def stop(self) -> None: ...

    def run(self, runs: Sequence[RunDirectory]) -> dict[str, int]:
        wanted = [run.run_id for run in runs if self.pending(run)]
        self.asked.append(wanted)
        assert self.plan.search is not None
        if {run.run_id for run in runs} == {each.run_id for each in self.plan.search.runs}:
            train_search(self.root, self.plan, self.ends)
        elif not self.stops:
            train_own(self.root, self.plan.with_tuned({"BEGAN": 2, "EBGAN": 3}))
        return {}


@pytest.fixture
def sweep(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.setattr("benchmark.sweep.run._View", NoView)
    # What is made of the tables is tested elsewhere (tests/report/test_tuning.py).
    for name in ("write_evidence", "build"):
        monkeypatch.setattr(f"benchmark.sweep.run.{name}", lambda *ignored: None)
    # Its data are there, whatever its records say of those that it was trained on.
    monkeypatch.setattr("benchmark.sweep.run._check_data", lambda *ignored: None)
    # No judge of a network runs here: what is judged is what its folder says.
    monkeypatch.setattr("benchmark.sweep.run.pending_of", lambda evaluation: lambda run: [])
    plan = tuned_plan(tmp_path, "{samples: 1000}", "{samples: 60}")
    places = Places(
        tmp_path / "runs", cache, tmp_path / "results", tmp_path / "REPORT.md", None, ""
    )
    return Sweep(tmp_path, plan, places, {"BEGAN": BEGAN, "EBGAN": EBGAN})


def test_the_search_comes_first_and_its_winners_run_beside_the_arms_own(sweep: Sweep) -> None:
    assert sweep.go() == 0
    search, rest = sweep.asked
    assert sweep.plan.search is not None
    assert sorted(search) == sorted(run.run_id for run in sweep.plan.search.runs)
    whole = sweep.plan.with_tuned({"BEGAN": 2, "EBGAN": 3})
    assert sorted(rest) == sorted(run.run_id for run in whole.runs)
    tables = read_tables(sweep.places.results / sweep.plan.place)
    assert set(tables.runs["cell"]) == {"BEGAN", "BEGAN tuned", "EBGAN", "EBGAN tuned"}
    assert (tables.runs["state"] == "done").all()
    sweep.go()  # once more: nothing is left to do
    assert sweep.asked[2:] == [[], []]


def test_a_stop_during_the_search_goes_on_from_there(sweep: Sweep) -> None:
    sweep.stops, sweep.ends = True, {"BEGAN": BEGAN}
    assert sweep.go() == EXIT_INTERRUPTED
    assert len(sweep.asked) == 1  # nothing was begun after it
    assert sweep.places.results.joinpath("tuned/short/search/runs.csv").exists()
    sweep.stops, sweep.ends = False, {"BEGAN": BEGAN, "EBGAN": EBGAN}
    assert sweep.go() == 0
    assert sweep.plan.search is not None
    left = [run.run_id for run in sweep.plan.search.runs if run.point["variant"] == "EBGAN"]
    assert sorted(sweep.asked[1]) == sorted(left)


def test_an_arm_without_its_whole_search_is_named_and_the_others_go_on(sweep: Sweep) -> None:
    sweep.ends = {"BEGAN": BEGAN, "EBGAN": EBGAN[:2]}
    assert sweep.go() == 1
    assert (
        "EBGAN: not every run of its search has ended; run this again to tune it"
        in sweep.heard.getvalue()
    )
    tables = read_tables(sweep.places.results / sweep.plan.place)
    assert set(tables.runs["cell"]) == {"BEGAN", "BEGAN tuned", "EBGAN"}


def test_a_dry_run_and_the_status_show_search_and_winners(sweep: Sweep) -> None:
    steps = what_would_run(sweep.plan, sweep.places)
    assert [each.action for each in steps] == ["train"] * 12
    train_search(sweep.root, sweep.plan, sweep.ends)
    steps = what_would_run(sweep.plan, sweep.places)
    trained = [each.planned.label for each in steps if each.action == "train"]
    assert len(trained) == 8
    assert "EBGAN tuned seed=1" in trained
    watch = Watch(sweep.places.runs, sweep.plan.with_tuned({"BEGAN": 2}))
    states = [each.state for each in watch.look().statuses]
    assert (len(states), states.count("done"), states.count("failed")) == (14, 6, 2)


def test_a_search_that_would_lose_finished_runs_is_refused_before_it_starts(sweep: Sweep) -> None:
    assert sweep.go() == 0
    sweep.plan = tuned_plan(sweep.root, "count: 4", "count: 3")
    with pytest.raises(InputError, match=r"tuned/short/search: 2 finished runs there"):
        sweep.go()
    assert len(sweep.asked) == 2
