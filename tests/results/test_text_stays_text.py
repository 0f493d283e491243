"""Names and values that read as something else keep apart, from the file to the verdict."""

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from benchmark.ablation.plan import Plan, load
from benchmark.ablation.registration import of_plan, parse, write
from benchmark.claims.verdicts import claims_table
from benchmark.errors import InputError
from benchmark.report.tables import run_table
from benchmark.report.verdicts import _shortened, _step_frame
from benchmark.results.tables import read_tables
from benchmark.results.writer import write_results, write_table
from tests.report import material

ARMS = ["01", "1", "1e1", "10", "1.0", "nan", "NA", "None", "inf", "True", "1_000", "12345678901"]
VALUES = [*ARMS, "null", " 1 ", "", "a\nb", "a,b", 'a"b', "~", "no", "2020-01-01"]


class Words:
    """A data set from outside: its options are text."""


def ablation(tmp_path: Path, sweep: dict[str, Any], claims: list[Any] = [], **base: Any) -> Path:  # noqa: B006
    over = next(iter(sweep))
    tests = [
        {
            **{"kind": "contrast", "column": "distance", "direction": "higher"},
            **{"over": "variant" if over == "variants" else over, "least_effect": 0.1},
            **{"of": of, "against": against},
        }
        for of, against in claims
    ]
    file = {
        "name": "texts",
        "question": "Do they stay apart?",
        "base": {
            "method": {"name": "began", "n": 2, "h": 4, "z": 4},
            "data": {"name": "faces", "size": 16, "count": 1000},
            "training": {"steps": 300, "batch": 4, "lr_decay": {"on": "never"}},
            "evaluation": {"every": 100, "judges": {material.JUDGE: {"samples": 1000}}},
            **base,
        },
        "sweep": sweep,
        "seeds": [0, 1],
        "profiles": {"short": {}},
        "claims": [
            {"id": f"c{at}", "says": "so", "source": "me", "test": test}
            for at, test in enumerate(tests)
        ],
    }
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(file, text)
    path = tmp_path / "texts.yaml"
    path.write_text(text.getvalue())
    return path


def options(tmp_path: Path, values: list[Any], claims: list[Any] = []) -> Path:  # noqa: B006
    data = {"name": "tests.results.test_text_stays_text:Words", "size": 16, "options": {}}
    return ablation(tmp_path, {"data.options.mask": values}, claims, data=data)


def arms(tmp_path: Path, names: list[str], claims: list[Any] = []) -> Path:  # noqa: B006
    variants = {name: {"method": {"lambda_k": 0.001 * (1 + at)}} for at, name in enumerate(names)}
    return ablation(tmp_path, {"variants": variants}, claims)


def trained(plan: Plan, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tables of the plan's runs; a cell's mean distance is ten times its place in the sweep."""
    cells = list(dict.fromkeys(planned.cell for planned in plan.runs))
    for at, cell in enumerate(cells):
        monkeypatch.setitem(material.LEVEL, cell, 50.0 + 10 * at)
    for planned in plan.runs:
        material.fill(root / "runs", planned)
    return write_results(plan, root / "runs", root / "results")


@pytest.mark.parametrize(
    ("kind", "key", "texts"),
    [(arms, "variant", ARMS), (options, "data.options.mask", VALUES)],
    ids=["arms", "values"],
)
def test_each_has_its_own_runs(
    kind: Any, key: str, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(texts[at + 1], texts[at]) for at in (0, 2, len(texts) - 2)]
    plan = load(kind(tmp_path, texts, pairs), "short")
    folder = trained(plan, tmp_path, monkeypatch)
    with (folder / "runs.csv").open(newline="") as file:
        assert [row[key] for row in csv.DictReader(file)] == [t for t in texts for _ in (0, 1)]
    found = read_tables(folder)
    assert [cell.rows[0][key] for cell in found.cells] == texts
    for at, cell in enumerate(found.cells):
        assert cell.values("distance") == [50.0 + 10 * at, 60.0 + 10 * at]
    # Each is ten higher than the one before it, and of no pair were the two sides mixed.
    effects = claims_table(found)
    assert effects["effect"].tolist() == [pytest.approx(10.0)] * len(pairs)
    assert set(effects["runs"]) == {4}
    before = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    write_results(plan, tmp_path / "elsewhere", tmp_path / "results")  # from the tables alone
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == before
    assert all(run.spec().run_id == run.run_id for run in found.ended.values())


def test_a_registration_keeps_them_too(tmp_path: Path) -> None:
    made = of_plan(load(options(tmp_path, VALUES), "short"))
    write(made, tmp_path / "registered.yaml", "")
    assert parse((tmp_path / "registered.yaml").read_bytes(), tmp_path) == made


@pytest.mark.parametrize(
    "values", [[1, "1"], [True, "True"], [0.5, "0.5"], [1, 1.0], [0.0, "0"]], ids=str
)
def test_two_values_of_one_name_are_refused(values: list[Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would have one name") as caught:
        load(options(tmp_path, values), "short")
    assert "\n" not in str(caught.value)


def test_two_settings_of_one_name_are_refused(tmp_path: Path) -> None:
    sweep = {"data.options.a": ["1 b=2", "1"], "data.options.b": ["3", "2 b=3"]}
    data = {"name": "tests.results.test_text_stays_text:Words", "size": 16, "options": {}}
    with pytest.raises(InputError, match="would have one name"):
        load(ablation(tmp_path, sweep, data=data), "short")


def test_a_number_may_name_an_arm_where_one_alone_reads_so(tmp_path: Path) -> None:
    plan = load(arms(tmp_path, ["01", "10", "x"], [(10, "x")]), "short")
    assert plan.claims[0].test.model_dump()["of"] == 10
    with pytest.raises(InputError, match="found 1, which may be '01' or '1'; put the one"):
        load(arms(tmp_path, ["01", "1", "x"], [(1, "x")]), "short")


def test_whole_numbers_are_written_to_the_last_digit(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"step": [12345678901.0, None], "seed": [4294967295, 1], "loss": [0.1234567891234, 1e300]}
    )
    write_table(tmp_path / "table.csv", table)
    assert (tmp_path / "table.csv").read_text() == (
        "step,seed,loss\n12345678901,4294967295,0.123456789\n,1,1e+300\n"
    )


def test_an_exceptions_control_characters_break_no_row(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", pd.DataFrame({"reason": ["10 %\r20 %\x1b[0m\x00", "b"]}))
    assert pd.read_csv(tmp_path / "table.csv")["reason"].tolist() == [r"10 %\r20 %\x1b[0m\x00", "b"]


def test_an_option_of_any_name_is_described_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {
        "name": "tests.results.test_text_stays_text:Words",
        **{"size": 16, "options": {"a.b": 1, "a b": "2", "$x": True}},
    }
    plan = load(ablation(tmp_path, {"method.gamma": [0.3, 0.7]}, data=data), "short")
    folder = trained(plan, tmp_path, monkeypatch)
    assert [run.spec() for run in read_tables(folder).ended.values()] == [
        planned.spec for planned in plan.runs
    ]


def test_seeds_and_steps_are_never_rounded_in_the_report(tmp_path: Path) -> None:
    plan = material.plan()
    runs = tuple(
        type(each)(each.spec.model_copy(update={"seed": 123456700 + each.spec.seed}), each.point)
        for each in plan.runs
    )
    folder = write_results(
        type(plan)(**{**vars(plan), "runs": runs}), tmp_path / "runs", tmp_path / "results"
    )
    seeds = run_table(read_tables(folder)).frame["seed"].tolist()
    assert seeds == ["123456700", "123456701", "123456702"] * 2
    rows = [
        {"method": "m", "signal": "s", "role": "signal", "step": step, "value": "0.5"}
        for step in ("12501", "12502")
    ]
    assert list(_step_frame(pd.DataFrame(rows))) == ["method", "signal", "step 12501", "step 12502"]


def test_names_in_the_evidence_are_no_numbers() -> None:
    row = {"method": "m", "signal": "1e1", "key": "inf", "levels": "12345", "share": "0.123456"}
    assert _shortened(pd.DataFrame([row])).iloc[0].to_dict() == {**row, "share": "0.1235"}
