"""What is finished leaves the tables only where somebody asks for it."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.ablation.plan import Plan, load
from benchmark.cli import bench
from benchmark.commands.options import written
from benchmark.errors import InputError
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.results.images import ImagesRow, add_images
from benchmark.results.tables import read_tables
from benchmark.results.writer import write_results
from benchmark.runs.directory import RunDirectory
from benchmark.sweep.run import Places, refuse_overwriting
from tests.report.material import BEGAN, JUDGE, fill, plan, spec

GAMMA = Path(__file__).parents[2] / "ablations" / "gamma.yaml"
Edit = Callable[[Plan], Plan]


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def other_settings(plan: Plan) -> Plan:
    longer = (
        replace(each, spec=spec(BEGAN, each.spec.seed, training={"steps": 400}))
        for each in plan.runs[:3]
    )
    return replace(plan, runs=tuple(longer))


EDITS: dict[str, tuple[Edit, str]] = {
    "fewer seeds": (
        lambda plan: replace(plan, runs=(*plan.runs[:2], *plan.runs[3:])),
        "a finished",
    ),
    "an arm less": (lambda plan: replace(plan, runs=plan.runs[:3]), "3 finished runs"),
    "other settings": (other_settings, "6 finished runs"),
}


@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("here", [True, False], ids=["runs here", "tables alone"])
def test_tables_that_would_lose_a_finished_run_are_refused(
    edit: Edit, said: str, here: bool, folder: Path, tmp_path: Path
) -> None:
    before, runs = files(folder), tmp_path / ("runs" if here else "none")
    with pytest.raises(InputError) as caught:
        write_results(edit(plan()), runs, tmp_path / "results")
    assert said in str(caught.value)
    assert "--replace" in str(caught.value)
    assert files(folder) == before
    write_results(edit(plan()), runs, tmp_path / "results", replace=True)
    left = {each.run_id for each in edit(plan()).runs}
    assert set(pd.read_csv(folder / "runs.csv")["run_id"]) == left
    assert {path.stem for path in folder.parents[1].glob("samples/*.webp")} <= left


def test_a_sweep_is_refused_before_it_trains(folder: Path, tmp_path: Path) -> None:
    less = EDITS["an arm less"][0](plan())
    places = Places(
        tmp_path / "none", tmp_path, tmp_path / "results", tmp_path / "REPORT.md", None, ""
    )
    refuse_overwriting(plan(), places, replace=False)
    refuse_overwriting(less, places, replace=True)
    with pytest.raises(InputError, match="3 finished runs there"):
        refuse_overwriting(less, places, replace=False)
    for name in ("results/details.md", "results/baselines/short/details.md", "REPORT.md"):
        (tmp_path / name).write_text("My own words.")
        with pytest.raises(InputError, match=f"{name}: was not written by `bench report`"):
            refuse_overwriting(plan(), places, replace=True)
        (tmp_path / name).unlink()


def test_a_run_that_has_not_ended_may_go(tmp_path: Path) -> None:
    write_results(plan(), tmp_path / "runs", tmp_path / "results")  # all of them queued
    less = replace(plan(), runs=plan().runs[:3])
    folder = write_results(less, tmp_path / "runs", tmp_path / "results")
    assert len(pd.read_csv(folder / "runs.csv")) == 3


def test_a_copied_file_of_the_same_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(GAMMA.parents[1] / "results" / "gamma", tmp_path / "results" / "gamma")
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        GAMMA.read_text().replace("[0.3, 0.5, 0.7]", "[0.2, 0.4]").partition("claims:")[0]
    )
    before = files(tmp_path)
    done = CliRunner().invoke(bench, ["run", "mine.yaml", "--profile", "small", "--dry-run"])
    assert isinstance(done.exception, InputError)
    assert "15 finished runs there" in str(done.exception)
    assert "mine.yaml has other runs" in str(done.exception)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        ((), "gamma/short"),
        (("training.steps=2000",), "gamma/short+training.steps=2000"),
        (("training.steps=3000",), "gamma/short"),  # as the profile has it
        (("seeds=[0, 1]",), "gamma/short"),  # some of the file's own
        (("seeds=[7]",), "gamma/short+seeds=_7_-"),
        (("evaluation.repeats=0",), "gamma/short"),  # the same runs, judged in another way
        (("training.steps=9", "method.n=8"), "gamma/short+training.steps=9+method.n=8"),
    ],
)
def test_other_runs_by_set_have_a_folder_of_their_own(
    overrides: tuple[str, ...], place: str
) -> None:
    made = load(GAMMA, "short", overrides)
    assert made.place.as_posix().partition("-")[0] == place.partition("-")[0]
    aside = Path("out") if "+" in place else Path()
    assert written(made, None) == (aside / "results", aside / "REPORT.md")
    assert written(made, Path("there"), Path("that.md")) == (Path("there"), Path("that.md"))


def test_the_folder_of_any_override_can_be_made(tmp_path: Path) -> None:
    lr = "training.lr=1.0e-3 #"
    overrides = (f"{lr} ../{'x' * 300}/token=secret12", f"{lr} a", f"{lr}a")
    names = [load(GAMMA, "short", (each,)).place.name for each in overrides]
    assert len(set(names)) == 3
    for name in names:
        assert "secret12" not in name
        assert len(name) < 120
        (tmp_path / name).mkdir()


def test_two_overrides_share_no_tables(tmp_path: Path) -> None:
    plans = [load(GAMMA, "short", (f"training.steps={n}",)) for n in (2000, 2001)]
    folders = [write_results(each, tmp_path / "runs", tmp_path / "results") for each in plans]
    assert len({*folders}) == 2
    assert [read_tables(each).title for each in folders] == [
        f"gamma, profile short, in gamma/short+training.steps={n}" for n in (2000, 2001)
    ]


def test_a_copy_of_results_is_told_by_its_folder(folder: Path) -> None:
    copy = shutil.copytree(folder, folder.parents[1] / "baselines (1)" / "short")
    assert read_tables(folder).title == "baselines, profile short"
    assert read_tables(copy).title == "baselines, profile short, in baselines (1)/short"


def test_what_a_folder_has_lost_stays_as_the_tables_have_it(folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    for planned in plan().runs:
        shutil.rmtree(tmp_path / "runs" / planned.run_id / "evaluations")
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert files(folder) == before


def test_rows_of_other_weights_do_not_stay(folder: Path, tmp_path: Path) -> None:
    first = plan().runs[0].run_id
    result = RunDirectory(tmp_path / "runs" / first).result()
    assert result is not None
    shutil.rmtree(tmp_path / "runs" / first / "evaluations")
    other = result.model_copy(update={"weights_sha256": "0" * 64})
    RunDirectory(tmp_path / "runs" / first).write_result(other)
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert first not in set(pd.read_csv(folder / "evaluations.csv")["run_id"])


def test_a_judge_that_the_file_no_longer_names_stays(folder: Path, tmp_path: Path) -> None:
    changed = EvaluationSettings.model_validate({"every": 100, "judges": {JUDGE: {"samples": 60}}})
    write_results(plan(evaluation=changed), tmp_path / "runs", tmp_path / "results")
    found = read_tables(folder)
    new, old = found.record.judges
    assert (new.name, new.digest) == (JUDGE, None)
    assert found.for_judge(old.name).values("distance").tolist()[:2] == [100, 110]
    assert found.record.setups[0].floors[old.name]["real"]["distance"] == 40.125
    write_results(plan(evaluation=changed), tmp_path / "runs", tmp_path / "results", replace=True)
    assert [judge.digest for judge in read_tables(folder).record.judges] == [None]


def test_what_a_probe_found_stays(folder: Path, tmp_path: Path) -> None:
    first, second = (each.run_id for each in plan().runs[:2])
    (folder / "probes.csv").write_text(f"run_id,embedding.heldout\n{first},0.125\n{second},0.5\n")
    table = pd.read_csv(folder / "runs.csv", dtype=str)
    table.loc[1, "weights_sha256"] = "0" * 64
    table.to_csv(folder / "runs.csv", index=False)
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    assert (folder / "probes.csv").read_text() == f"run_id,embedding.heldout\n{first},0.125\n"


def test_other_images_of_a_name_are_refused(folder: Path) -> None:
    row = ImagesRow(
        name="theirs",
        judge=JUDGE,
        features=JUDGE,
        samples=60,
        unusable=0,
        images_sha256="a" * 64,
        judge_digest="b" * 64,
        reference="c",
        values={"distance": 1.0},
        floor={},
        width=1280,
    )
    add_images(folder, [row])
    add_images(folder, [row.model_copy(update={"values": {"distance": 2.0}})])  # judged again
    others = row.model_copy(update={"images_sha256": "d" * 64, "values": {"distance": 3.0}})
    with pytest.raises(InputError, match="'theirs' names other images there"):
        add_images(folder, [others])
    assert pd.read_csv(folder / "images.csv")["distance"].tolist() == [2.0]
    add_images(folder, [others], replace=True)
    assert pd.read_csv(folder / "images.csv")["distance"].tolist() == [3.0]


def test_images_that_are_added_at_once_are_all_kept(folder: Path) -> None:
    def row(name: str) -> ImagesRow:
        said = {"name": name, "judge": JUDGE, "features": JUDGE, "samples": 60, "unusable": 0}
        said |= {"images_sha256": "a" * 64, "judge_digest": "b" * 64, "reference": "c"}
        return ImagesRow.model_validate(
            {**said, "values": {"distance": 1.0}, "floor": {}, "width": 9}
        )

    names = [f"theirs-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: add_images(folder, [row(name)]), names))
    assert sorted(pd.read_csv(folder / "images.csv")["name"]) == sorted(names)


def test_further_seeds_are_no_loss(folder: Path, tmp_path: Path) -> None:
    more = replace(plan(), runs=(*plan().runs, replace(plan().runs[0], spec=spec(BEGAN, 4))))
    fill(tmp_path / "runs", more.runs[-1])
    write_results(more, tmp_path / "runs", tmp_path / "results")
    assert len(pd.read_csv(folder / "runs.csv")) == 7


def test_a_registration_whose_runs_have_begun_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(GAMMA.read_text())
    register = ["register", "mine.yaml", "--profile", "short"]
    assert CliRunner().invoke(bench, register).exit_code == 0
    registered = Path("registered/gamma-short.yaml")
    before = registered.read_bytes()
    first = load(Path("mine.yaml"), "short").runs[0]
    RunDirectory.create(Path("runs"), first.spec).write_provenance({"code": {}, "data": {}})
    text = GAMMA.read_text().replace("[0.3, 0.5, 0.7]", "[0.2, 0.4, 0.6]")
    Path("mine.yaml").write_text(text)
    done = CliRunner().invoke(bench, register)
    assert isinstance(done.exception, InputError)
    assert f"1 of 30 runs have begun ({first.run_id})" in str(done.exception)
    assert registered.read_bytes() == before
    assert CliRunner().invoke(bench, [*register, "--amend"]).exit_code == 0
    assert registered.read_bytes() != before
