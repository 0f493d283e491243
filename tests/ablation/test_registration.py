"""Confirmatory is what the history proves: real repositories, runs made by hand."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.ablation.plan import Plan, load
from benchmark.ablation.registration import differences, of_plan, parse, path_of, read, write
from benchmark.claims.status import Look, looks, status, why_exploratory
from benchmark.cli import bench
from benchmark.errors import InputError
from benchmark.levels import RULES
from benchmark.report.captions import training
from benchmark.report.overview import questions
from benchmark.results.registered import obstacle
from benchmark.results.schema import AblationRecord, RegistrationRecord
from benchmark.results.tables import read_record, read_tables
from benchmark.results.tuning import write_search
from benchmark.results.writer import write_results
from benchmark.runs.directory import Result, Row, RunDirectory
from tests.ablation.tuned import ALL, train_own, train_search, tuned_plan
from tests.report.material import record

ABLATION = """\
name: gain
question: Does the gain matter?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: faces, size: 16, count: 1000}
  training: {steps: 300, batch: 4, log_every: 100, lr_decay: {on: never}}
  evaluation: {every: 100, judges: {efficientnet_lite0: {samples: 1000}}}
sweep:
  method.gamma: [0.3, 0.7]
seeds: [3, 4, 5]
profiles: {short: {}}
claims:
  - id: gain-hurts
    says: A higher gain hurts
    source: readers
    test: {column: distance, over: method.gamma, direction: increasing, least_effect: 5}
  - id: stable
    says: No run fails
    source: readers
    test: {kind: failures}
"""
ENDED = Result(
    **{"state": "done", "step": 300, "reason": None, "weights_sha256": "", "decays": []},
    **{"wall_s": 1.0, "cpu_s": 1.0},
)
FILE, REGISTERED = "ablations/gain.yaml", "ablations/registered/gain-short.yaml"


@dataclass
class Checkout:
    """A repository with an ablation."""

    root: Path

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> str:
        """All that is there; the commit."""
        self.git("add", "ablations")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Go on")
        return self.git("rev-parse", "HEAD")

    def edit(self, old: str, new: str) -> None:
        path = self.root / FILE
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def plan(self) -> Plan:
        return load(self.root / FILE, "short")

    def register(self, looks: tuple[int, ...] = (), pool: bool = False) -> None:
        write(of_plan(self.plan(), looks, pool), self.root / REGISTERED, "Power")

    def train(self, commit: str | None, dirty: str | None = None, plan: Plan | None = None) -> None:
        """The plan's runs, as if by code of this commit."""
        plan = plan or self.plan()
        code = {"bench": "0.1.0", "commit": commit, "dirty": dirty, "source_sha256": "0" * 64}
        for planned in plan.runs:
            run = RunDirectory.create(self.root / "runs", planned.spec)
            run.write_evaluation(plan.evaluation)
            run.append(Row(step=300, kind="train", time=1e9, values={"m_global": 0.1}))
            run.write_provenance(record(planned, code=code))
            run.write_result(ENDED)

    def tables(self, runs: str = "runs") -> AblationRecord:
        folder = write_results(self.plan(), self.root / runs, self.root / "results")
        return read_record(folder)

    def why(self, found: AblationRecord | None = None, claim: int = 0) -> str:
        """Of the status of a claim that rests on all runs; empty where it is confirmatory."""
        found, plan = found or self.tables(), self.plan()
        runs = [run.run_id for run in plan.runs]
        why = why_exploratory(found, plan.claims[claim], runs)
        assert (status(found, plan.claims[claim], runs) == "confirmatory") == (not why)
        return why


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.org")
    made = Checkout(tmp_path)
    made.git("init", "--quiet")
    (tmp_path / "ablations").mkdir()
    (tmp_path / FILE).write_text(ABLATION)
    made.commit()
    return made


def registration(found: AblationRecord) -> RegistrationRecord:
    assert found.registration is not None
    return found.registration


def test_registered_before_the_runs(checkout: Checkout) -> None:
    checkout.register()
    since = checkout.commit()
    checkout.train(checkout.commit())
    found = checkout.tables()
    said = registration(found)
    assert (said.path, said.commit, said.amended) == (REGISTERED, since, [])
    assert said.unregistered == []
    assert said.time is not None
    assert checkout.why(found) == checkout.why(found, 1) == ""
    # The same from the tables alone, of which `commit` has twelve digits.
    assert checkout.tables("elsewhere") == found


def test_the_commit_itself_is_no_run_before_it(checkout: Checkout) -> None:
    checkout.register()
    checkout.train(checkout.commit())
    assert checkout.why() == ""


def test_registered_after_the_runs(checkout: Checkout) -> None:
    checkout.train(checkout.commit())
    assert checkout.why() == "no registration"
    checkout.register()
    assert checkout.why() == "the registration is not committed"
    checkout.commit()
    assert checkout.why() == "6 of 6 runs are not known to be of commits after it"
    assert len(registration(checkout.tables("elsewhere")).unregistered) == 6


@pytest.mark.parametrize(
    ("commit", "dirty"),
    [("HEAD", "0123456789ab"), (None, None), ("f" * 40, None)],
    ids=["changed code", "installed package", "unknown commit"],
)
def test_runs_of_unknown_code(checkout: Checkout, commit: str | None, dirty: str | None) -> None:
    checkout.register()
    here = checkout.commit()
    checkout.train(here if commit == "HEAD" else commit, dirty)
    assert checkout.why() == "6 of 6 runs are not known to be of commits after it"


def test_a_run_that_had_begun_before(checkout: Checkout) -> None:
    old = checkout.commit()
    checkout.register()
    checkout.train(checkout.commit())
    planned = checkout.plan().runs[0]
    run = RunDirectory(checkout.root / "runs" / planned.run_id)
    made = run.provenance()
    assert made is not None
    earlier = record(planned, code={**made["code"], "commit": old})
    run.write_provenance({**made, "earlier": [earlier]})
    found = checkout.tables()
    assert registration(found).unregistered == [planned.run_id]
    assert checkout.why(found) == "1 of 6 runs are not known to be of commits after it"
    assert checkout.tables("elsewhere") == found


def test_runs_that_have_not_begun_are_no_runs_before_it(checkout: Checkout) -> None:
    checkout.register()
    checkout.commit()
    assert registration(checkout.tables()).unregistered == []


def test_amendments_are_listed(checkout: Checkout) -> None:
    checkout.register()
    first = checkout.commit()
    checkout.edit("least_effect: 5", "least_effect: 6")
    checkout.edit("id: stable", "id: steady")
    checkout.edit("[3, 4, 5]", "[3, 4, 5, 6]")
    checkout.register()
    since = checkout.commit()
    checkout.train(since)
    found = checkout.tables()
    said = registration(found)
    assert said.commit == since
    (sentence,) = said.amended
    assert sentence.startswith(f"What {first[:12]} of 20")
    assert sentence.endswith(
        "said was amended: claims: added steady, dropped stable, changed gain-hurts;"
        " seeds: 3 4 5 became 3 4 5 6; looks: 3 became 4."
    )
    assert checkout.why(found) == ""  # it was amended before the runs


def test_an_amendment_after_the_runs_is_exploratory(checkout: Checkout) -> None:
    checkout.register()
    checkout.train(checkout.commit())
    checkout.edit("least_effect: 5", "least_effect: 1")
    assert checkout.why() == "claim changed since"
    checkout.register()
    checkout.commit()
    found = checkout.tables()
    assert checkout.why(found) == "6 of 6 runs are not known to be of commits after it"
    assert "changed gain-hurts" in registration(found).amended[0]


def test_an_amendment_taken_back_after_the_runs_is_exploratory(checkout: Checkout) -> None:
    """Otherwise two opposite claims, committed beforehand, would make either confirmatory."""
    checkout.register()
    checkout.commit()
    checkout.edit("direction: increasing", "direction: decreasing")
    checkout.register()
    checkout.train(checkout.commit())
    checkout.edit("direction: decreasing", "direction: increasing")
    checkout.register()
    last = checkout.commit()
    found = checkout.tables()
    assert checkout.why(found) == "6 of 6 runs are not known to be of commits after it"
    assert registration(found).commit == last


def test_comments_are_no_amendment(checkout: Checkout) -> None:
    checkout.register()
    since = checkout.commit()
    checkout.train(since)
    path = checkout.root / REGISTERED
    path.write_text(f"# Seen again.\n{path.read_text()}")
    checkout.commit()
    assert registration(checkout.tables()).commit == since
    assert registration(checkout.tables()).amended == []


def test_a_version_that_cannot_be_read_is_listed(checkout: Checkout) -> None:
    path = checkout.root / REGISTERED
    path.parent.mkdir()
    path.write_text("format: 0\n")
    checkout.commit()
    checkout.register()
    checkout.commit()
    (sentence,) = registration(checkout.tables()).amended
    assert sentence.endswith("said cannot be read by this version of bench.")


def test_a_file_made_from_anothers_is_no_amendment(checkout: Checkout) -> None:
    checkout.register()
    checkout.commit()
    checkout.git("mv", REGISTERED, "ablations/registered/gains-short.yaml")
    checkout.git("mv", FILE, "ablations/gains.yaml")
    text = (checkout.root / "ablations/gains.yaml").read_text()
    other = checkout.root / "ablations/gains.yaml"
    other.write_text(text.replace("name: gain\n", "name: gains\n"))
    made = load(other, "short")
    path = path_of(made)
    assert path is not None
    write(of_plan(made), path, "")
    checkout.commit()
    folder = write_results(made, checkout.root / "runs", checkout.root / "results")
    assert registration(read_record(folder)).amended == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("  - id: gain-hurts", "  - id: gain-helps", "claim added since"),
        ("A higher gain hurts", "A higher gain helps", "claim changed since"),
        ("samples: 1000", "samples: 900", "another judge than registered"),
        ("every: 100,", "every: 50,", "another evaluation than registered"),
        ("1000}}}", "1000}}, collapse_below: 0.1}", "another evaluation than registered"),
        ("[3, 4, 5]", "[3, 4, 5, 6]", "seeds beyond the registered"),
        ("[3, 4, 5]", "[3, 4]", "seeds of no registered look"),
        ("[0.3, 0.7]", "[0.3, 0.5, 0.7]", "other cells than registered"),
        ("steps: 300", "steps: 600", "6 of 6 runs are others than registered"),
    ],
)
def test_what_is_tested_is_what_was_registered(
    checkout: Checkout, old: str, new: str, why: str
) -> None:
    checkout.register()
    since = checkout.commit()
    checkout.edit(old, new)
    checkout.train(since)
    assert checkout.why() == why


def test_rules_of_another_version(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.ablation.registration.RULES", 1)
    checkout.register()
    checkout.train(checkout.commit())
    assert checkout.why() == "rules of version 1"


GAMMA = {"over": "method.gamma", "column": "distance", "least_effect": 5}
LOST = {"event": [{"column": "k", "below": 0.1}], "column": "distance", "direction": "higher"}
RHO = {"kind": "correlation", "column": "distance", "level": "within", "least_effect": 0.3}


@pytest.mark.parametrize(
    ("sweep", "test", "changed"),
    [
        ("{method.gamma: [0.3, 0.5, 0.7]}", {**GAMMA, "direction": "increasing"}, False),
        ("{method.gamma: [0.3, 0.4, 0.5, 0.7]}", {**GAMMA, "direction": "increasing"}, True),
        ("{method.gamma: [0.3, 0.4, 0.5, 0.7]}", {**GAMMA, "direction": "none"}, False),
        ("{method.gamma: [0.3, 0.7], method.h: [4, 8]}", {**GAMMA, "direction": "none"}, True),
        (
            "{method.gamma: [0.3, 0.7], method.h: [4, 8]}",
            {**GAMMA, "direction": "none", "where": {"method.h": 4}},
            False,
        ),
        ("{method.gamma: [0.3, 0.7]}", {"kind": "event", **LOST, "least_effect": 5}, True),
        (
            "{method.gamma: [0.3, 0.7]}",
            {"kind": "event", **LOST, "least_effect": 5, "where": {"method.gamma": 0.3}},
            False,
        ),
        ("{method.gamma: [0.3, 0.7]}", {**RHO, "direction": "positive"}, False),
        ("{method.gamma: [0.3, 0.7]}", {**RHO, "direction": "none"}, True),
        ("{method.gamma: [0.3, 0.7]}", {"kind": "failures"}, False),
    ],
)
def test_version_4_of_the_rules_changed_some_claims_alone(
    checkout: Checkout, sweep: str, test: dict[str, object], changed: bool
) -> None:
    named = {"id": "it", "says": "It is", "source": "readers", "test": test}
    checkout.edit("sweep:\n  method.gamma: [0.3, 0.7]", f"sweep: {sweep}")
    checkout.edit("claims:\n", f"claims:\n  - {json.dumps(named)}\n")
    checkout.register()
    path = checkout.root / REGISTERED
    assert f"rules: {RULES}\n" in path.read_text()
    path.write_text(path.read_text().replace(f"rules: {RULES}\n", "rules: 3\n"))
    checkout.train(checkout.commit())
    assert checkout.why() == ("rules of version 3" if changed else "")


def test_a_second_judge_may_come_later(checkout: Checkout) -> None:
    checkout.register()
    since = checkout.commit()
    checkout.edit("1000}}}", "1000}, dlib_face: {samples: 500}}}")
    checkout.train(since)
    assert checkout.why() == ""


def test_looks_spend_alpha(checkout: Checkout) -> None:
    found = checkout.tables()
    assert looks(found) == (Look(3, 0.05),)
    checkout.edit("[3, 4, 5]", "[3, 4, 5, 6, 7, 8]")
    checkout.register((3, 6))
    since = checkout.commit()
    checkout.edit("[3, 4, 5, 6, 7, 8]", "[3, 4, 5]")
    checkout.train(since)
    found = checkout.tables()
    assert checkout.why(found) == ""  # the first look
    first, last = looks(found)
    assert (first.seeds, last.seeds) == (3, 6)
    assert 0.02 < last.level < first.level < 0.04


@pytest.mark.parametrize("pool", [False, True])
def test_identical_cells_of_another_ablation_lend_their_seeds(
    checkout: Checkout, pool: bool
) -> None:
    """gamma 0.3 with seeds 8 and 9, trained for another question after the registration."""
    checkout.register(pool=pool)
    since = checkout.commit()
    checkout.train(since)
    text = (checkout.root / FILE).read_text()
    other = checkout.root / "ablations" / "more.yaml"
    other.write_text(
        text.replace("name: gain", "name: more")
        .replace("[0.3, 0.7]", "[0.3, 0.4]")
        .replace("[3, 4, 5]", "[8, 9]")
    )
    lender = load(other, "short")
    checkout.train(since, plan=lender)
    runs, results = checkout.root / "runs", checkout.root / "results"
    write_results(lender, runs, results)
    found = checkout.tables()
    lent = [run.run_id for run in lender.runs if run.cell == "gamma=0.3"]
    assert registration(found).lent == (lent if pool else [])
    assert found.seeds == [3, 4, 5]  # its own
    tables = read_tables(results / "gain" / "short")
    seeds = tables.runs[tables.runs["cell"] == "gamma=0.3"]["seed"].tolist()
    assert seeds == ([3, 4, 5, 8, 9] if pool else [3, 4, 5])
    assert questions([tables]).frame["seeds"].item() == ("3 to 5" if pool else "3")
    assert ("2 runs of identical cells in other ablations" in training(tables.record)) == pool
    said = status(found, checkout.plan().claims[0], tables.runs["run_id"].tolist())
    assert said == "confirmatory"
    # Without the lender's folders its runs stay, as all that the tables have.
    kept = checkout.tables("elsewhere")
    assert registration(kept).lent == registration(found).lent


def test_what_would_make_runs_exploratory_is_said_before_they_begin(checkout: Checkout) -> None:
    code = checkout.root / "code"
    code.mkdir()
    (code / "module.py").write_text("1\n")
    checkout.git("add", "code")
    old = checkout.commit()
    assert obstacle(checkout.plan(), code) == ""  # nothing is registered
    checkout.register()
    assert obstacle(checkout.plan(), code) == "the registration is not committed"
    checkout.commit()
    assert obstacle(checkout.plan(), code) == ""
    (code / "module.py").write_text("2\n")
    assert obstacle(checkout.plan(), code) == "the code has changes that are not committed"
    checkout.git("stash")
    checkout.git("worktree", "add", "--quiet", "--detach", "elsewhere", old)
    elsewhere = checkout.root / "elsewhere" / "code"
    said = "the code's history does not have the registration"
    assert obstacle(checkout.plan(), elsewhere) == said


def test_outside_a_checkout_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "ablations").mkdir()
    (tmp_path / FILE).write_text(ABLATION)
    made = Checkout(tmp_path)
    made.register()
    made.train("f" * 40)
    assert made.tables().registration is None
    assert made.why() == "no registration"


def test_a_registration_says_the_same_when_read(checkout: Checkout) -> None:
    plan = checkout.plan()
    assert read(plan) is None
    checkout.register()
    assert read(plan) == of_plan(plan)
    text = (checkout.root / REGISTERED).read_text()
    assert text.startswith("# Power\n")
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("format: 1", "ablation: missing"),
        ("a: [", "Invalid registration"),
        ("- 1", "Invalid registration"),
        ("\xff", "Invalid registration"),
    ],
)
def test_a_damaged_registration_is_refused_in_one_line(content: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse(content.encode("latin-1"), Path("x.yaml"))
    assert "\n" not in str(caught.value)


def said_by(*arguments: str) -> str:
    """What `bench` prints, or its error."""
    done = CliRunner().invoke(bench, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


@pytest.fixture
def here(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.chdir(checkout.root)
    return checkout


REGISTER = ("register", FILE, "--profile", "short")


def test_register_says_what_to_do_next(here: Checkout) -> None:
    said = said_by(*REGISTER)
    assert f"{REGISTERED}: 2 claims, 3 seeds\nlook at 3 seeds per cell: level 0.0500\n" in said
    assert f"next: git add {REGISTERED}, git commit, and then bench run {FILE} --p" in said
    here.train(here.commit())
    assert here.why() == ""
    assert read(here.plan()) == of_plan(here.plan())
    before = (here.root / REGISTERED).read_bytes()
    assert said_by(*REGISTER).startswith(f"{REGISTERED}: already registered")
    assert (here.root / REGISTERED).read_bytes() == before


def test_register_writes_the_power_at_the_level_of_the_last_look(here: Checkout) -> None:
    here.edit("[3, 4, 5]", "[3, 4, 5, 6, 7, 8]")
    here.train(here.commit())
    here.tables()
    (here.root / "runs").rename(here.root / "pilot")
    (here.root / "results").rename(here.root / "earlier")
    said = said_by(*REGISTER, "--looks", "3,6", "--pool", "--pilot", "earlier/gain/short")
    assert (
        "look at 3 seeds per cell: level 0.0310\nlook at 6 seeds per cell: level 0.0297\n" in said
    )
    text = (here.root / REGISTERED).read_text()
    assert text.startswith("# Power at level 0.0297, spreads of earlier/gain/short; written by")
    (stable,) = [line.split() for line in text.splitlines() if line.startswith("#     stable")]
    assert stable[2:7] == ["6", "0.26", "0.52", "no", "0%"]
    found = read(here.plan())
    assert found is not None
    assert (found.looks, found.pool) == ([3, 6], True)


def test_register_refuses_what_has_begun(here: Checkout) -> None:
    here.train(here.commit())
    with pytest.raises(InputError, match=r"6 of 6 runs have begun \(began-.*--amend writes"):
        said_by(*REGISTER)
    here.tables()
    with pytest.raises(InputError, match="6 of 6 runs have begun"):  # as the tables have them
        said_by(*REGISTER, "--runs", "elsewhere")
    assert not (here.root / REGISTERED).exists()
    said_by(*REGISTER, "--amend")
    here.commit()
    assert here.why() == "6 of 6 runs are not known to be of commits after it"


def test_register_refuses_other_input_that_is_wrong(here: Checkout) -> None:
    with pytest.raises(InputError, match=r"Invalid looks 2: they have to rise to .* seeds, 3"):
        said_by(*REGISTER, "--looks", "2")
    assert "allowed: numbers of seeds, as in 5,10" in said_by(*REGISTER, "--looks", "a,b")
    path = here.root / FILE
    path.write_text(path.read_text().partition("claims:")[0])
    with pytest.raises(InputError, match="no claims to register"):
        said_by(*REGISTER)
    assert not (here.root / REGISTERED).exists()


def test_a_damaged_registration_can_be_written_anew(here: Checkout) -> None:
    said_by(*REGISTER)
    (here.root / REGISTERED).write_text("format: 7\n")
    with pytest.raises(InputError, match="Invalid registration"):
        said_by(*REGISTER)
    said_by(*REGISTER, "--amend")
    assert read(here.plan()) == of_plan(here.plan())


def test_plan_prints_what_claims_can_hope_for(here: Checkout) -> None:
    lines = said_by("plan", FILE, "--profile", "short").splitlines()
    at = lines.index("# claims")
    assert lines[at - 1].startswith("6 runs, ")
    assert lines[at + 1].split("\t")[:5] == [
        *("claim", "seeds", "least p", "corrected", "can be supported")
    ]
    assert lines[at + 2].split("\t")[:5] == ["gain-hurts", "3", "0.05", "0.1", "no"]


def test_validate_warns_of_claims_that_cannot_be_supported(here: Checkout) -> None:
    here.edit("{short: {}}", "{demo: {finding: false}, short: {}, more: {seeds: [0, 1, 2, 3, 4]}}")
    said = said_by("validate", FILE).splitlines()
    assert [line for line in said if line.startswith("warning: ")] == [
        f"warning: {FILE}: profile short: claims.gain-hurts cannot be supported:"
        " least p 0.05 with 3 seeds",
        f"warning: {FILE}: profile short: claims.stable cannot be supported:"
        " least p 0.51 with 3 seeds (if no seed breaks it)",
        f"warning: {FILE}: profile more: claims.stable cannot be supported:"
        " least p 0.33 with 5 seeds (if no seed breaks it)",
    ]


@pytest.mark.parametrize("command", [["validate"], ["plan", "--profile", "short"]])
def test_a_judge_that_nobody_knows_is_refused_before_a_run(
    here: Checkout, command: list[str]
) -> None:
    here.edit("{efficientnet_lite0:", "{efficientnet_lite1:")
    done = CliRunner().invoke(bench, [*command, FILE])
    assert isinstance(done.exception, InputError)
    assert "no feature network 'efficientnet_lite1'" in str(done.exception)


def test_validate_goes_on_after_an_invalid_file(here: Checkout) -> None:
    Path("broken.yaml").write_text("name: [", encoding="utf-8")
    Path("empty.yaml").write_text("", encoding="utf-8")
    done = CliRunner().invoke(bench, ["validate", "broken.yaml", FILE, "empty.yaml"])
    assert str(done.exception) == "invalid: broken.yaml, empty.yaml"
    lines = done.output.splitlines()
    assert lines[0].startswith("broken.yaml: ")
    assert lines[-1].startswith("empty.yaml: ")
    assert any(line.startswith(f"{FILE}: ") for line in lines)


@pytest.mark.parametrize("wrong", [(2,), (3, 2), (2, 2, 3), (0, 3), (4,)])
def test_looks_have_to_lead_to_all_seeds(checkout: Checkout, wrong: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="looks"):
        of_plan(checkout.plan(), wrong)


def test_a_search_is_registered_and_its_winners_with_it(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    assert plan.search is not None
    made = of_plan(plan)
    assert made.runs["BEGAN tuned"] == []
    assert made.search.keys() == {"BEGAN", "EBGAN"}
    registered = [run_id for found in made.search.values() for run_id in found]
    assert registered == [run.run_id for run in plan.search.runs]
    write(made, tmp_path / "made.yaml", "Power")
    assert parse((tmp_path / "made.yaml").read_bytes(), tmp_path / "made.yaml") == made
    other = of_plan(tuned_plan(tmp_path, "seed: 77", "seed: 78"))
    assert differences(made, other) == "other tuning"


def test_of_a_plan_without_tuning_the_registration_says_nothing_of_it(checkout: Checkout) -> None:
    checkout.register()
    assert "search" not in (checkout.root / REGISTERED).read_text()


@pytest.mark.parametrize(
    ("since", "why"),
    [
        ("registration", ""),
        ("before", "4 of 4 runs are not known to be of commits after it"),
        ("another seed", "4 of 4 runs are others than registered"),
    ],
)
def test_tuned_runs_are_confirmatory_where_their_search_is(
    checkout: Checkout, since: str, why: str
) -> None:
    """Runs of the winners are of later code in all three; what chose them need not be."""
    root = checkout.root
    plan = tuned_plan(root / "ablations")
    before = checkout.commit()
    path = path_of(plan)
    assert path is not None
    write(of_plan(plan), path, "Power")
    after = checkout.commit()
    if since == "another seed":
        plan = tuned_plan(root / "ablations", "seed: 77", "seed: 78")
    train_search(root, plan, ALL)
    plan = write_search(plan, root / "runs", root / "results")
    train_own(root, plan)
    assert plan.search is not None
    for planned in (*plan.search.runs, *plan.runs):
        code = before if since == "before" and planned in plan.search.runs else after
        run = RunDirectory(root / "runs" / planned.run_id)
        made = {"bench": "0.1.0", "commit": code, "dirty": None, "source_sha256": "0" * 64}
        run.write_provenance(record(planned, code=made))
    found = read_record(write_results(plan, root / "runs", root / "results"))
    tuned = [run.run_id for run in plan.runs if run.cell.endswith("tuned")]
    assert len(tuned) == 4
    assert why_exploratory(found, plan.claims[0], tuned) == why
