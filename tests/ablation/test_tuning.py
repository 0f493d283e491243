"""Random settings: drawn from the file's ranges, the same everywhere, as many for every arm."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.ablation.cost import work_of
from benchmark.ablation.plan import load
from benchmark.ablation.tuning import Range, gflop
from benchmark.cli import bench
from benchmark.errors import InputError
from benchmark.results.writer import write_results
from tests.ablation.tuned import FILE, train_own, tuned_plan

ABLATIONS = Path(__file__).parents[2] / "ablations"


GOLDEN = [
    {"training.lr": 4.14e-05, "method.gamma": 0.583, "method.n": 5},
    {"training.lr": 0.000909, "method.gamma": 0.708, "method.n": 3},
]


def drawn(folder: Path, old: str = "", new: str = "") -> dict[str, list[dict[str, object]]]:
    tuning = tuned_plan(folder, old, new).tuning
    assert tuning is not None
    return {arm: [dict(each.values) for each in found] for arm, found in tuning.arms.items()}


@pytest.mark.parametrize(
    ("written", "least", "middle", "most"),
    [
        ({"uniform": [0.2, 0.8]}, 0.2, 0.5, 0.8),
        ({"log_uniform": [1e-5, 1e-3]}, 1e-5, 1e-4, 1e-3),
        ({"integers": [2, 5]}, 2, 4, 5),
        ({"log_integers": [1, 99]}, 1, 10, 99),
    ],
)
def test_a_share_of_a_distribution(
    written: dict[str, list[float]], least: float, middle: float, most: float
) -> None:
    found = Range.model_validate(written)
    almost_one = 1 - 2**-53
    assert [found.at(share) for share in (0, 0.5, almost_one)] == [least, middle, most]
    whole = "integers" in next(iter(written))
    assert {type(found.at(i / 97)) for i in range(97)} == {int if whole else float}


def test_whole_numbers_are_each_as_likely() -> None:
    found = Range.model_validate({"integers": [2, 5]})
    counts = [sum(found.at(i / 400) == each for i in range(400)) for each in (2, 3, 4, 5)]
    assert counts == [100, 100, 100, 100]


def test_every_arm_has_as_many_settings_within_its_ranges(tmp_path: Path) -> None:
    arms = drawn(tmp_path)
    assert {arm: len(found) for arm, found in arms.items()} == {"BEGAN": 4, "EBGAN": 4}
    for each in arms["BEGAN"]:
        assert 1e-5 <= each["training.lr"] <= 1e-2  # type: ignore[operator]
        assert 0.3 <= each["method.gamma"] <= 0.8  # type: ignore[operator]
        assert each["method.n"] in (2, 3, 4, 5)
        assert each["training.lr"] == float(f"{each['training.lr']:.3g}")
    assert {each["method.pulling_away"] for each in arms["EBGAN"]} <= {0, 0.1}


def test_a_draw_depends_on_seed_arm_number_and_key_alone(tmp_path: Path) -> None:
    arms = drawn(tmp_path)
    assert drawn(tmp_path) == arms
    more = drawn(tmp_path, "count: 4", "count: 6")
    assert {arm: found[:4] for arm, found in more.items()} == arms
    rates = [each["training.lr"] for each in arms["BEGAN"]]
    without = drawn(tmp_path, "      method.gamma: {uniform: [0.3, 0.8]}\n")
    assert [each["training.lr"] for each in without["BEGAN"]] == rates
    assert [each["training.lr"] for each in arms["EBGAN"]] != rates
    assert [each["training.lr"] for each in drawn(tmp_path, "77", "78")["BEGAN"]] != rates


def test_these_draws_stay_as_they_are(tmp_path: Path) -> None:
    """Else searches that have run would not be found again."""
    assert drawn(tmp_path)["BEGAN"][:2] == GOLDEN


def test_the_search_is_short_and_never_sees_the_test_part(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    search = plan.search
    assert search is not None
    assert len(search.runs) == 8
    assert {run.spec.training.steps for run in search.runs} == {50}
    assert {run.spec.seed for run in search.runs} == {77}
    judge = search.evaluation.judges["efficientnet_lite0"]
    assert (judge.reference, judge.samples, search.evaluation.repeats) == ("validation", 1000, 0)
    assert search.claims == ()
    assert [run.cell for run in search.runs][:2] == ["BEGAN setting=1", "BEGAN setting=2"]
    assert search.place == plan.place / "search"


def test_a_winner_is_trained_as_the_arms_own_is(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    assert plan.tuning is not None
    whole = plan.with_tuned({"BEGAN": 2})
    assert [run.label for run in whole.runs] == [
        *("BEGAN seed=0", "BEGAN seed=1", "BEGAN tuned seed=0", "BEGAN tuned seed=1"),
        *("EBGAN seed=0", "EBGAN seed=1"),
    ]
    own, won = whole.runs[1].spec, whole.runs[3].spec
    assert won.training.steps == own.training.steps == 300
    assert won.training.lr == plan.tuning.arms["BEGAN"][1].values["training.lr"] != own.training.lr
    assert whole.with_tuned({"BEGAN": 2}) == whole  # and not twice


def test_arms_own_runs_are_those_without_tuning(tmp_path: Path) -> None:
    alone = FILE[: FILE.index("tune:")] + "seeds: [0, 1]\nprofiles: {short: {}}\n"
    (tmp_path / "alone.yaml").write_text(alone)
    ids = [run.run_id for run in load(tmp_path / "alone.yaml", "short").runs]
    assert [run.run_id for run in tuned_plan(tmp_path).runs] == ids


def test_a_profile_changes_ranges_one_by_one(tmp_path: Path) -> None:
    new = "{short: {tune: {arms: {EBGAN: {training.lr: {uniform: [0.5, 0.6]}}}}}}"
    changed = drawn(tmp_path, "{short: {}, demo: {finding: false, tune: {count: 2}}}", new)
    assert all(0.5 <= each["training.lr"] <= 0.6 for each in changed["EBGAN"])  # type: ignore[operator]
    assert changed["BEGAN"] == drawn(tmp_path)["BEGAN"]
    assert {len(each) for each in changed["EBGAN"]} == {2}


def test_seconds_become_steps_by_what_a_step_costs(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path, "{steps: 50}", "{core_seconds: 0.5}")
    assert plan.search is not None
    for run in plan.search.runs:
        work = work_of(run.spec)
        assert work is not None
        seconds = run.spec.training.steps * 4 * work.macs / work.rate
        row = 10 * 4 * work.macs / work.rate
        assert 0.5 - row < seconds <= 0.5
        assert run.spec.training.steps % 10 == 0
    assert len({run.spec.training.steps for run in plan.search.runs}) > 2


def test_seconds_become_steps_by_measured_rates(tmp_path: Path) -> None:
    rates = {"BEGAN": 4.0e8, "EBGAN": 2.0e8}
    plan = tuned_plan(tmp_path, "{steps: 50}", f"{{core_seconds: 0.5, rates: {rates}}}")
    assert plan.search is not None
    for run in plan.search.runs:
        work, rate = work_of(run.spec), rates[str(run.point["variant"])]
        assert work is not None
        seconds = run.spec.training.steps * 4 * work.macs / rate
        assert 0.5 - 10 * 4 * work.macs / rate < seconds <= 0.5


def test_every_setting_is_within_the_band(tmp_path: Path) -> None:
    wide = drawn(tmp_path)["BEGAN"]
    plan = tuned_plan(tmp_path, "  arms:\n", "  band: {gflop: [0.001, 0.02]}\n  arms:\n")
    assert plan.tuning is not None
    found = plan.tuning.arms["BEGAN"]
    assert [dict(each.values) for each in found] != wide  # some were drawn again
    for each in found:
        work = work_of(each.search)
        assert work is not None
        assert 0.001 <= gflop(work, 4) <= 0.02


def test_gflop_counts_a_multiply_add_as_two() -> None:
    plan = load(ABLATIONS / "baselines.yaml", "short")
    spec = next(run.spec for run in plan.runs if run.cell == "EBGAN")
    work = work_of(spec)
    assert work is not None
    assert math.isclose(gflop(work, spec.training.batch), 1.89, rel_tol=0.01)


FAULTS = [
    ("[1.0e-5, 1.0e-2]", "[1.0e-2, 1.0e-5]", "tune.arms.BEGAN.training.lr", "the lower first"),
    ("[1.0e-5, 1.0e-2]", "[0, 1.0e-2]", "tune.arms.BEGAN.training.lr", "ends above 0"),
    ("[1.0e-5, 1.0e-2]", "[1.0e-5, 2]", "training.lr", "found 2"),
    ("log_uniform: [1.0e-5", "loguniform: [1.0e-5", "loguniform", "did you mean 'log_uniform'"),
    ("{uniform: [0.3, 0.8]}", "{uniform: [0.3, 0.8], integers: [0, 1]}", "gamma", "name one of"),
    ("{uniform: [0.3, 0.8]}", "[0.3]", "method.gamma", "a list of 2 or more"),
    ("{uniform: [0.3, 0.8]}", "[0.3, 0.3]", "method.gamma", "choices must differ"),
    ("{uniform: [0.3, 0.8]}", "0.3", "method.gamma", "found 0.3"),
    ("{integers: [2, 5]}", "{uniform: [2, 5]}", "method.n", "found 2.0"),
    ("{integers: [2, 5]}", "{integers: [2, 9999]}", "method.n", "found 9999"),
    ("method.gamma:", "method.gama:", "method.gama", "did you mean 'gamma'"),
    ("method.gamma:", "data.size:", "tune.arms.BEGAN.data.size", "no setting of a method"),
    ("method.gamma:", "training.steps:", "training.steps", "no setting of a method"),
    (
        "    EBGAN:\n      training",
        "    EBGN:\n      training",
        "tune.arms",
        "did you mean 'EBGAN'",
    ),
    ("count: 4", "count: 1", "tune.count", "found 1"),
    ("{steps: 50}", "{steps: 50, core_seconds: 3}", "tune.budget", "name one of steps"),
    ("{steps: 50}", "{core_seconds: 0.000001}", "tune.budget.core_seconds", "a row of its log"),
    ("{steps: 50}", "{steps: 50, rates: {BEGAN: 1.0}}", "tune.budget", "rates need core_seconds"),
    (
        "{steps: 50}",
        "{core_seconds: 0.5, rates: {BEGAN: 1.0e+9}}",
        *("tune.budget.rates", "EBGAN has none"),
    ),
    (
        "{steps: 50}",
        "{core_seconds: 0.5, rates: {BEGN: 1.0e+9}}",
        *("tune.budget.rates", "did you mean 'BEGAN'"),
    ),
    ("seed: 77", "seed: 1", "tune.seed", "is one of `seeds`"),
    ("  arms:\n", "  band: {parameters: [1, 2]}\n  arms:\n", "tune.arms.BEGAN", "within the band"),
    ("  arms:\n", "  band: {parameters: [2, 1]}\n  arms:\n", "tune.band", "the lower first"),
    ("count: 4", "cuont: 4", "tune.cuont", "did you mean 'count'"),
    ("{samples: 1000}", "{samples: 1000, reference: validation}", "tune.arms", "have test"),
    ("  variants:\n", "  training.batch: [4, 8]\n  variants:\n", "tune", "sweep variants alone"),
    ("of: BEGAN tuned", "of: BEGAN tund", "test.of", "did you mean 'BEGAN tuned'"),
    (
        "    BEGAN: {}\n",
        "    BEGAN: {}\n    BEGAN tuned: {method: {h: 8}}\n",
        *("arms.BEGAN", "have the same name"),
    ),
]


@pytest.mark.parametrize(("old", "new", "key", "word"), FAULTS)
def test_a_fault_is_one_line(old: str, new: str, key: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        tuned_plan(tmp_path, old, new)
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "tuned.yaml"))
    assert key in said
    assert word in said
    assert "\n" not in said


def test_one_setting_in_two_arms_is_refused(tmp_path: Path) -> None:
    """Its runs would be trained, and stand in the tables, twice."""
    same = "{training.lr: [3.0e-4, 4.0e-4], method.gamma: [0.3, 0.7]}"
    before, _, after = FILE.partition("  arms:\n")
    text = before.replace(
        "EBGAN: {method: {name: ebgan, n: 2, z: 4}}", "EBGAN: {training: {lr: 2.0e-4}}"
    )
    rest = after[after.index("seeds:") :]
    path = tmp_path / "tuned.yaml"
    path.write_text(f"{text}  arms:\n    BEGAN: {same}\n    EBGAN: {same}\n{rest}")
    with pytest.raises(
        InputError, match=r"EBGAN setting=\d seed=0 is the same run as BEGAN setting"
    ):
        load(path, "short")


def test_too_few_settings_to_choose_from_are_refused(tmp_path: Path) -> None:
    rate = "      training.lr: {log_uniform: [1.0e-5, 1.0e-2]}\n      method.pulling_away"
    with pytest.raises(InputError, match=r"number 2 of 4 needs; widen the ranges or lower"):
        tuned_plan(tmp_path, rate, "      method.pulling_away")  # 0 is the arm's own


def test_plan_shows_search_and_final_runs_with_their_cost(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    assert plan.search is not None
    command = ["plan", str(plan.path), "--profile", "short", "--jobs", "2"]
    said = CliRunner().invoke(bench, command).output.splitlines()
    first = plan.search.runs[0]
    assert said[0].startswith(f"{first.run_id}  BEGAN setting=1  50 steps  lr=")
    assert said[8].startswith("search: 8 runs, 2 at once: roughly ")
    assert said[9] == f"{plan.runs[0].run_id}  BEGAN seed=0"
    assert [line.split(")  ")[1] for line in said if line.startswith("(after the search)")] == [
        *("BEGAN tuned seed=0", "BEGAN tuned seed=1", "EBGAN tuned seed=0", "EBGAN tuned seed=1")
    ]
    assert any(line.startswith("8 runs, 2 at once: roughly ") for line in said)
    found = json.loads(CliRunner().invoke(bench, [*command, "--json"]).output)
    assert found["search"]["runs"][0]["values"].keys() == {
        *("training.lr", "method.gamma", "method.n")
    }
    assert (found["search"]["cost"]["runs"], found["cost"]["runs"]) == (8, 8)


def test_plan_prints_the_rates_of_a_pilot(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    train_own(tmp_path, plan)
    pilot = write_results(plan, tmp_path / "runs", tmp_path / "results")
    command = ["plan", str(plan.path), "--profile", "short", "--pilot", str(pilot)]
    work = work_of(plan.runs[0].spec)  # each of its runs took a second
    assert work is not None
    said = CliRunner().invoke(bench, command).output.splitlines()[-1]
    rate = f"{300 * 4 * work.macs:.3g}"
    assert said.startswith(f"measured in {pilot}, for tune.budget: rates: {{BEGAN: {rate}, EBGAN: ")
    found = json.loads(CliRunner().invoke(bench, [*command, "--json"]).output)["rates"]
    assert found["BEGAN"] == pytest.approx(300 * 4 * work.macs)


def test_fewer_seeds_are_the_same_sweep_and_another_search_is_not(tmp_path: Path) -> None:
    path = tuned_plan(tmp_path).path
    assert path is not None
    assert load(path, "short", ("seeds=[0]",)).apart == ""
    assert load(path, "short", ("tune.count=3",)).apart == "tune.count=3"


def test_the_shipped_arms_own_runs_are_those_of_the_baselines() -> None:
    for profile in ("short", "small", "paper"):
        plans = [load(ABLATIONS / f"{name}.yaml", profile) for name in ("baselines", "tuned")]
        baselines, tuned = ({run.label: run.run_id for run in plan.runs} for plan in plans)
        assert len(tuned) == 20
        assert tuned.items() <= baselines.items()
