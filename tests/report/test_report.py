"""The composed report as people read it: REPORT.md, its captions, claims and links."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.ablation.claims import TrendTest
from benchmark.errors import BenchError
from benchmark.report.answers import answer, answer_table, asked, status
from benchmark.report.captions import made_of_all
from benchmark.report.document import (
    Block,
    Details,
    Document,
    Table,
    Words,
    pictures,
    tables,
)
from benchmark.report.evidence import Evidence
from benchmark.report.markdown import build, write_markdown
from benchmark.report.overview import claims_table, compose
from benchmark.report.sections import notes, settings_in_words
from benchmark.report.signals import signals
from benchmark.report.verdicts import claims, in_words
from benchmark.results.columns import EVIDENCE
from benchmark.results.places import samples_of
from benchmark.results.tables import Tables, read_all, read_record, read_tables
from benchmark.results.writer import write_results
from tests.report import evidence
from tests.report.material import CLAIM, plan


def words(document: Document) -> str:
    """Of the document, its details too."""
    return "\n".join(said(document.blocks))


def said(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Words):
            yield block.markdown
        elif isinstance(block, Details):
            yield from said(block.blocks)


@pytest.fixture(scope="module")
def written(document: Document, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    # Figures and details go beside the session's results, where no test of this module looks for
    # changes.
    return write_markdown(document, tmp_path_factory.mktemp("report") / "REPORT.md")


@pytest.fixture(scope="module")
def markdown(written: list[Path]) -> str:
    return written[-1].read_text()


@pytest.fixture(scope="module")
def details(written: list[Path]) -> dict[str, str]:
    """The pages of details by their ablations."""
    pages = [path for path in written if path.name == "details.md"]
    return {page.parents[1].name: page.read_text() for page in pages[1:]}  # the first is of all


def test_the_same_results_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    first = {p: p.read_bytes() for p in build(results, tmp_path / "REPORT.md")}
    names = {path.name for path in first}
    assert names == {"curves.png", "samples.webp", "details.md", "REPORT.md"}
    for path in first:
        path.unlink()
    assert first == {p: p.read_bytes() for p in build(results, tmp_path / "REPORT.md")}
    inodes = {path: path.stat().st_ino for path in first}
    build(results, tmp_path / "REPORT.md")
    assert inodes == {path: path.stat().st_ino for path in first}  # not written again


def test_it_opens_with_what_it_is_and_the_claims(markdown: str) -> None:
    headings = re.findall(r"^## (.*)$", markdown, re.MULTILINE)
    assert headings[0] == "Questions and answers"
    assert headings[-2:] == ["baselines, profile short", "latent, profile demo"]
    assert "Which is better on the same data?" in markdown.partition("## baselines")[0]


def slugs(markdown: str) -> set[str]:
    """The anchors that code hosts give to the headings."""
    return {
        "".join(c for c in line.lstrip("# ").lower() if c.isalnum() or c in "-_ ").replace(" ", "-")
        for line in markdown.splitlines()
        if line.startswith("#")
    }


def test_links_lead_somewhere(written: list[Path]) -> None:
    """Within REPORT.md and the pages of details, between them, and to files."""
    seen = 0
    for page in (path for path in written if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^()]*(?:\([^()]*\)[^()]*)*)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            assert path.exists(), target
            assert not anchor or anchor in slugs(path.read_text()), target
            seen += bool(anchor)
    assert seen >= 10


def test_every_run_can_be_found(details: dict[str, str], made: Path) -> None:
    for path in made.glob("*/*/runs.csv"):
        for run_id in pd.read_csv(path)["run_id"]:
            assert f"`{run_id}`" in details[path.parents[1].name]


def test_every_caption_carries_what_made_the_numbers(document: Document) -> None:
    for section in document.sections:
        record = read_record(section.folder)
        found = [*tables(section.blocks), *pictures(section.blocks)]
        assert len(found) >= 6
        seeds = ", ".join(map(str, record.seeds))
        for block in found:
            for part in (
                "Procedural faces, aligned view, crop 128 px, 16x16 px",
                f"profile {record.profile}",
                "efficientnet_lite0 (weights 579344248a93), 1000 samples against 1000 test images",
                "300 steps of batch 4",
                f"{len(record.seeds)} training seeds ({seeds})",
            ):
                assert part in block.caption, block
            assert ("no finding" in block.caption) == (not record.finding)


def test_it_is_read_in_minutes(markdown: str) -> None:
    """A section's words: question, answer, one table, one figure and what made them."""
    section = markdown.partition("## baselines, profile short")[2].partition("\n## ")[0]
    assert len(section.split()) < 300
    assert section.count("![") == 1
    (link,) = re.findall(r"More: \[[^]]*\]\(([^)]*)\)", section)
    assert link.endswith("results/baselines/short/details.md")


def test_the_set_up_says_the_rest(details: dict[str, str]) -> None:
    section = details["baselines"]
    for part in (
        "began, ebgan on Procedural faces",
        "(fingerprint abcdef012345, 1 broken file left out)",
        "kid subsets 100, kid subset size 500, precision recall neighbours 3; metrics version 1)",
        "; collapsed if the spread is below 0.3;",
        "code bada52f00000; device cpu; overrides: none",
        "2/C(6,3) = 0.1,",
        "2/C(4,2) = 0.3333,",
        "Fréchet distances are not FID",
    ):
        assert part in section


def test_a_demonstration_says_so_first(markdown: str) -> None:
    before, _, section = markdown.partition("## latent, profile demo")
    assert section.lstrip().startswith("**This is a demonstration on Procedural faces")
    assert "not a finding" in section.split("**")[1]
    assert "demonstration, no finding" in before
    assert "This is a demonstration" not in before


def test_failures_and_collapses_are_listed_with_their_reason(details: dict[str, str]) -> None:
    section = details["baselines"].partition("## Failures, collapses")[2].partition("\n## ")[0]
    failed = r"`ebgan-\w+` \(EBGAN-PT, seed 2\): failed at step 200: not finite: energy_real,"
    assert re.search(failed + " energy_fake lower the rate\n", section)
    assert re.search(r"\(EBGAN-PT, seed 1\): collapsed from step 200 to its last row", section)
    assert section.count("\n- ") == 2
    latent = details["latent"].partition("## Failures")[2]
    assert "None: every planned run is done, and none has collapsed." in latent


def test_failed_and_collapsed_runs_are_counted_in_the_report(document: Document) -> None:
    first, second = (section.blocks for section in document.sections)
    (answered,) = [table.frame for table in tables(first) if table.name == "answer"]
    rows = answered.set_index("cell")
    assert rows.loc["EBGAN-PT", ["runs", "failed", "collapsed"]].tolist() == ["2/3", "1", "1"]
    assert rows.loc["BEGAN", "minus BEGAN"] == "—"
    assert rows.loc["EBGAN-PT", "minus BEGAN"] == "95"  # of two seeds there is no interval
    assert rows.loc["real against real"].tolist()[-2:] == ["40.12", "—"]
    (whole,) = [table.frame for table in tables(second) if table.name == "answer"]
    assert "failed" not in whole


def test_the_first_table_tells_failed_runs_from_missing_ones(
    document: Document, folder: Path
) -> None:
    def seeds(blocks: Sequence[Block]) -> list[str]:
        (frame,) = (table.frame for table in tables(blocks) if table.name == "questions")
        return list(frame["seeds"])

    assert seeds(document.opening) == ["3 (1 run failed)", "2"]
    runs = pd.read_csv(folder / "runs.csv")
    runs.loc[:1, "state"] = ["queued", "running"]
    runs.to_csv(folder / "runs.csv", index=False)
    opening = compose([read_tables(folder)]).opening
    assert seeds(opening) == ["3 (1 run failed, 2 runs missing)"]
    (words,) = (
        each.markdown for each in opening if "A *judge* is" in getattr(each, "markdown", "")
    )
    assert "a feature network (`efficientnet_lite0`, trained on ImageNet)" in words


def test_the_first_caption_leaves_out_data_without_a_run(folder: Path) -> None:
    record = read_record(folder)
    (setup,) = record.setups
    waits = setup.model_copy(
        update={"data": setup.data.model_copy(update={"title": None, "fingerprint": None})}
    )
    both = record.model_copy(update={"setups": [setup, waits]})
    assert made_of_all([both]) == made_of_all([record])
    assert made_of_all([record.model_copy(update={"setups": [waits]})]).startswith("no run yet, ")


def test_what_it_took_counts_every_run(document: Document) -> None:
    text = words(document)
    assert "12 runs planned, 11 done, 1 failed, 1 collapsed at their end;" in text
    # 2 x (60 + 120 + 180) s and 3 x (60 + 120) s of processor; 12 x 90 s
    assert "0.35 core-hours of processor time, 0.3 hours of runs, on cpu" in text


def test_what_most_readers_skip_is_on_a_page_of_its_own(
    markdown: str, details: dict[str, str]
) -> None:
    titles = ("Set-up and settings", "Every measure, with the noise of seeds and of evaluation")
    for title in (*titles, "The runs behind these numbers"):
        assert f"## {title}" not in markdown
        for page in details.values():
            assert f"\n## {title}\n\n" in page
            assert f"- [{title}](#" in page  # its list of contents
    assert "`method.pulling_away=0.1`" in details["baselines"]
    assert "`method.pulling_away=0.1`" not in markdown


def test_wide_tables_stay_markdown(markdown: str) -> None:
    table = markdown.partition("| cell ")[2]
    assert len({line.count("|") for line in table.partition("\n\n")[0].splitlines()[1:]}) == 1


def test_settings_say_where_a_cell_departs_from_its_methods_others(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    began, ebgan = record["cells"]
    began["settings"] = {"method.k_clip": True, "lr_decay.on": "stall", "lr_decay.factor": 0.5}
    others = [
        {**began, "cell": name, "settings": settings}
        for name, settings in (
            ("k unclipped", {**began["settings"], "method.k_clip": False}),
            ("never", {"method.k_clip": True, "lr_decay.on": "never"}),
        )
    ]
    path.write_text(json.dumps({**record, "cells": [began, ebgan, *others]}))
    said = settings_in_words(read_record(folder))
    usual = "`method.k_clip=True`, `lr_decay.on=stall`, `lr_decay.factor=0.5`"
    assert f"- cells of began, unless stated otherwise: {usual}" in said
    assert "- k unclipped: `method.k_clip=False`\n" in said
    assert "- never: `lr_decay.on=never`, without `lr_decay.factor`" in said
    assert "- BEGAN:" not in said
    assert "- EBGAN-PT: `method.name=ebgan`" in said  # the only one of its method


def test_unjudged_claims_say_so(document: Document) -> None:
    by_name = {table.name: table.frame for table in tables(document.opening)}
    assert list(by_name["claims"]["verdict"]) == ["not judged"]
    assert by_name["questions"]["answer"].tolist() == ["1 claim not judged.", "No claim."]


def test_a_decided_claim_stands_in_the_answer(folder: Path) -> None:
    evidence.write(folder)
    found = read_tables(folder)
    assert (
        answer(found) == "**refuted**: BEGAN is better (difference in distance 95.12 [80, 110.5])."
    )
    assert status(found) == "exploratory"
    evidence.write(folder, verdict="supported", oppose="kid")
    assert answer(read_tables(folder)).endswith("[80, 110.5], depends on the measure).")


def test_the_table_is_of_what_the_claims_are_about(folder: Path) -> None:
    """Precision is the same in all runs of this folder, and nobody has probed."""

    def found(*columns: str) -> Tables:
        tests = [{**CLAIM["test"], "column": column} for column in columns]
        tests += [{"kind": "bound", "column": "ratio", "below": 1, "at": "throughout"}]
        claims = [{**CLAIM, "id": f"c{at}", "test": test} for at, test in enumerate(tests)]
        record = json.loads((folder / "ablation.json").read_text())
        (folder / "ablation.json").write_text(json.dumps({**record, "claims": claims}))
        return read_tables(folder)

    distance = "Fréchet distance (efficientnet_lite0)"
    assert asked(found()) == ["distance"]
    results = found("precision", "kid", *["embedded.middle.distance"] * 2, "distance", "kid")
    assert asked(results) == ["kid", "distance", "precision"]
    assert asked(found("precision", "spread", "kid", "recall")) == ["spread", "kid", "precision"]
    results = found("kid", "attribute_share")
    table = answer_table(results).frame.set_index("cell")
    assert list(table)[3:] == ["KID x1000", "minus BEGAN", "share with the attribute", distance]
    assert table.loc["EBGAN-PT", "minus BEGAN"] == "95"  # as the distance, in thousandths
    assert table.loc["real against real"].tolist()[-4:] == ["0.5", "—", "—", "40.12"]
    assert answer(results) == "On KID x1000, share with the attribute: 3 claims not judged."


@pytest.mark.parametrize(
    ("kind", "finding", "shown"),
    [("contrast", True, False), ("correlation", True, True), ("contrast", False, True)],
)
def test_questions_of_signals_and_demonstrations_alone_show_the_scatter(
    folder: Path, kind: str, finding: bool, shown: bool
) -> None:
    test = {"kind": "correlation", "column": "distance", "level": "within"}
    test |= {"direction": "positive", "least_effect": 0.3}
    record = json.loads((folder / "ablation.json").read_text())
    asked = {**CLAIM, "test": test} if kind == "correlation" else CLAIM
    record |= {"claims": [asked], "finding": finding}
    (folder / "ablation.json").write_text(json.dumps(record))
    document = compose([read_tables(folder)])
    names = {picture.path.name for picture in pictures(document.blocks)}
    assert ("scatter.png" in names) == shown
    assert {"curves.png", "samples.webp"} <= names


def test_signals_of_several_methods_stand_side_by_side(folder: Path) -> None:
    test = {"kind": "correlation", "column": "distance", "level": "within"}
    test |= {"direction": "positive", "least_effect": 0.3}
    record = json.loads((folder / "ablation.json").read_text())
    record["claims"] = [{**CLAIM, "test": test}]
    (folder / "ablation.json").write_text(json.dumps(record))
    assert list(signals(read_tables(folder))) == []  # nothing was analysed
    rows = [
        {"method": "began", "level": "differences", "value": 0.5, "low": 0.25, "high": 0.75},
        {"method": "began", "level": "between", "value": -0.5},
        {"method": "ebgan", "level": "raw", "value": 0.9},
    ]
    same = {"cell": "", "role": "signal", "outcome": "distance", "measure": "spearman"}
    more = dict.fromkeys(EVIDENCE["correlations"], "")
    pd.DataFrame([{**more, **same, **row} for row in rows]).to_csv(
        folder / "correlations.csv", index=False
    )
    rows = [
        {"method": "began", "against": "last", "lost": 20, "against_lost": 30},
        {"method": "began", "against": "mismatched", "lost": 20, "against_lost": 25},
    ]
    same = {"role": "signal", "rule": "minimum"}
    more = dict.fromkeys(EVIDENCE["stopping"], "")
    pd.DataFrame([{**more, **same, **row} for row in rows]).to_csv(
        folder / "stopping.csv", index=False
    )
    (table,) = signals(read_tables(folder))
    assert table.frame.iloc[0].tolist() == [
        *("began", "M_global", "0.5 [0.25, 0.75]", "-0.5", "20", "30", "25")
    ]
    assert table.frame.iloc[1].tolist() == ["ebgan", "L_D", *["—"] * 5]


def test_verdicts_stand_in_the_claims_table_and_the_section(folder: Path) -> None:
    evidence.write(folder)
    found = read_tables(folder)
    (row,) = claims_table([found]).frame.to_dict("records")
    assert row["claim"] == "BEGAN is better"
    assert row["section"] == "baselines, profile short"
    assert (row["verdict"], row["effect"], row["interval"]) == ("refuted", "95.12", "[80, 110.5]")
    # The p that refuted it, not that for it.
    assert (row["corrected p"], row["power"], row["runs"]) == ("0.01235", "0.25", "5")
    # The claim is refuted by them too: what opposes it says the same as the verdict.
    assert row["by other measures"] == "the same: kid, coverage; silent: recall"
    assert row["over all"] == "stands (0.01)"
    blocks = list(claims(found))
    text = "\n".join(said(blocks))
    assert row["status"] == "exploratory: no registration"
    assert "Verdict: **refuted** (exploratory: no registration): Mean distance: 205" in text
    assert "with a break (5 runs). By other measures: the same: kid, coverage; silent" in text
    assert "Test: distance is lower, by at least 20, where `variant` is BEGAN than" in text
    tabled = {table.name: table for table in tables(blocks)}
    assert list(tabled) == [
        "correlation",
        "correlation_by_step",
        "baselines",
        "stopping",
        "events_began-better",
        "collapse",
        "variance",
    ]
    (stops,) = tabled["stopping"].frame.to_dict("records")
    assert stops["stopped by"] == "minimum of M_global (signal)"
    assert (stops["lost"], stops["at the last evaluation"]) == ("12.5 [2, 23]", "30.25 (better)")
    assert stops["at a random evaluation"] == "13"  # told apart from nothing
    assert stops["at the least validation distance"] == "—"
    (happened,) = tabled["events_began-better"].frame.to_dict("records")
    assert (happened["event"], happened["from step"], happened["distance"]) == ("yes", "350", "95")
    assert "1 of 1 runs had it" in tabled["events_began-better"].caption
    (main,) = tabled["correlation"].frame.to_dict("records")  # the baseline is folded away
    assert (main["signal"], main["level"]) == ("M_global (signal)", "differences, spearman")
    assert (main["correlation"], main["interval"], main["null"]) == (
        "0.5123",
        "[-0.1, 0.9]",
        "0.02",
    )
    assert tabled["correlation_by_step"].frame.to_dict("records") == [
        {"method": "began", "signal": "M_global (signal)", "step 300": "0.25"}
    ]
    (baseline,) = tabled["baselines"].frame.to_dict("records")
    assert (baseline["signal"], baseline["correlation"]) == ("step (baseline)", "-0.987")
    assert tabled["collapse"].frame["auroc"].iloc[0] == "0.1235"
    assert tabled["variance"].source == folder / "variance.csv"
    assert Evidence(folder).verdicts["began-better"].run_ids == ["began-a", "ebgan-b"]


def test_a_supported_claim_shows_the_p_for_it(folder: Path) -> None:
    evidence.write(folder, verdict="supported", p=0.02, p_holm=0.03)
    (row,) = claims_table([read_tables(folder)]).frame.to_dict("records")
    assert (row["verdict"], row["corrected p"]) == ("supported", "0.03")
    assert row["over all"] == "stands (0.02)"
    assert row["by other measures"] == ("depends on the measure; the opposite: kid, coverage")


@pytest.mark.parametrize(
    ("verdict", "agree", "oppose", "silent", "words"),
    [
        ("supported", "kid", "", "", "holds under all: kid"),
        ("supported", "kid", "", "recall", "the same: kid; silent: recall"),
        (
            "refuted",
            "kid",
            "recall",
            "",
            "depends on the measure; the opposite: kid; the same: recall",
        ),
        ("underpowered", "kid", "recall", "", "as claimed: kid; the other way: recall"),
        ("supported", "", "", "", "—"),
    ],
)
def test_a_verdict_that_depends_on_one_measure_says_so(
    folder: Path, verdict: str, agree: str, oppose: str, silent: str, words: str
) -> None:
    evidence.write(folder, verdict=verdict, agree=agree, oppose=oppose, silent=silent)
    (row,) = claims_table([read_tables(folder)]).frame.to_dict("records")
    assert row["by other measures"] == words


def test_what_does_not_stand_over_all_claims_says_so(folder: Path, tmp_path: Path) -> None:
    """A p of 0.02 for one claim of three is 0.06, where nothing speaks for the others."""
    evidence.write(folder, verdict="supported", p=0.02)
    found = read_tables(folder)
    others = []
    for name in ("a", "b"):
        shutil.copytree(folder, tmp_path / name / "short")
        evidence.write(tmp_path / name / "short", verdict="undecided", p=0.9)
        others.append(read_tables(tmp_path / name / "short"))
    row = claims_table([found, *others]).frame.to_dict("records")[0]
    assert row["over all"] == "does not stand (0.06)"


def test_torn_evidence_is_refused(folder: Path) -> None:
    evidence.write(folder)
    table = pd.read_csv(folder / "claims.csv").drop(columns="verdict")
    table.to_csv(folder / "claims.csv", index=False)
    with pytest.raises(BenchError, match=r"claims\.csv: lacks the column verdict"):
        claims_table([read_tables(folder)])


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (
            TrendTest(column="recall", over="method.h", direction="increasing", least_effect=0.05),
            "recall rises with `method.h`, by at least 0.05 over its range",
        ),
        (
            {
                **{"kind": "correlation", "column": "distance", "level": "between"},
                **{"direction": "positive", "least_effect": 0.3, "where": {"variant": "BEGAN"}},
            },
            "Spearman's rho of signal and distance, over the runs of one cell at the same steps,"
            " is above 0.3, where `variant` is BEGAN",
        ),
        (
            {"kind": "bound", "column": "ratio", "below": 1.0, "at": "throughout", "after": 0.25},
            "L(G)/L(x) is below 1 in every row of every run after the first 25% of its steps",
        ),
        (
            {"kind": "share", "column": "kid", "over": "method.gamma", "least_effect": 0.1},
            "`method.gamma` explains more of the variance of KID x1000 than any other swept key,"
            " by at least 0.1",
        ),
        (
            {
                **{"kind": "stopping", "column": "distance", "rule": "plateau"},
                **{"against": "validation", "direction": "not_higher", "least_effect": 20},
            },
            "distance is not higher by 20 or more at the plateau of signal than at the least"
            " validation distance",
        ),
        (
            {
                **{"kind": "event", "column": "distance", "event": [{"column": "k", "above": 0.9}]},
                **{"lasting": 0.1, "direction": "higher", "least_effect": 20},
            },
            "distance is higher, by at least 20, in runs with k above 0.9 for 10% of the steps than"
            " in other runs of their cell",
        ),
        (
            {**CLAIM["test"], "direction": "none"},
            "distance differs by less than 20 where `variant` is BEGAN from that where it is"
            " EBGAN-PT",
        ),
        ({"kind": "failures"}, "no run fails or ends collapsed"),
    ],
)
def test_a_claims_test_in_words(test: object, says: str) -> None:
    claim = type(plan().claims[0]).model_validate({**CLAIM, "test": test})
    assert in_words(claim) == says


def test_a_run_with_other_data_is_a_warning(folder: Path) -> None:
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    record["cells"][0]["differing"] = ["began-odd"]
    path.write_text(json.dumps(record))
    text = words(compose([read_tables(folder)]))
    assert (
        "**Not comparable within BEGAN:** `began-odd` saw data other than what the caption" in text
    )


def test_few_samples_of_many_features_are_said_to_be_mostly_bias(folder: Path) -> None:
    text = words(compose([read_tables(folder)]))
    assert "**Mostly bias** in distances by efficientnet_lite0: 1,000 samples in" in text
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    record["judges"][0]["settings"]["samples"] = 1281
    path.write_text(json.dumps(record))
    assert "Mostly bias" not in words(compose([read_tables(folder)]))


def test_runs_that_a_judge_has_not_seen_are_counted(folder: Path) -> None:
    assert "Not evaluated" not in words(compose([read_tables(folder)]))
    path = folder / "evaluations.csv"
    rows = pd.read_csv(path)
    rows[rows["run_id"] != rows["run_id"].iloc[0]].to_csv(path, index=False)
    text = words(compose([read_tables(folder)]))
    assert "**Not evaluated:** 1 of 5 finished runs lack rows by judge efficientnet_lite0" in text


def test_what_the_images_show_is_said_in_the_datas_word(folder: Path) -> None:
    path = folder / "ablation.json"
    path.write_text(path.read_text().replace('"subject": "faces"', '"subject": "digits"'))
    captions = [p.caption for p in pictures(compose([read_tables(folder)]).blocks)]
    assert any("Generated digits: the first rows" in caption for caption in captions)


def test_a_cell_with_anothers_weights_is_named(folder: Path) -> None:
    before = words(compose([read_tables(folder)]))
    assert "The same weights" not in before
    path = folder / "runs.csv"
    runs = pd.read_csv(path, dtype=str, keep_default_na=False)
    began = runs.loc[(runs["cell"] == "BEGAN") & (runs["seed"] == "0"), "weights_sha256"].iloc[0]
    other = (runs["cell"] == "EBGAN-PT") & (runs["seed"] == "0")
    runs.loc[other, "weights_sha256"] = began
    runs.to_csv(path, index=False)
    text = words(compose([read_tables(folder)]))
    assert (
        "**The same weights:** 1 of 2 finished runs of EBGAN-PT ended with exactly the weights (by"
        " SHA-256) of the run of BEGAN with the same seed" in text
    )


def test_notes_by_hand_are_marked_as_such(folder: Path) -> None:
    assert not list(notes(folder))
    (folder / "notes.md").write_text("Faces can be recognised.\n")
    text = "\n".join(block.markdown for block in notes(folder) if isinstance(block, Words))
    assert text.endswith("Faces can be recognised.")
    assert "Written by hand" in text


def test_results_before_any_run_has_started(tmp_path: Path) -> None:
    write_results(plan(), tmp_path / "runs", tmp_path / "results")
    folder = tmp_path / "results" / "baselines" / "short"
    assert build(tmp_path / "results", tmp_path / "REPORT.md") == [
        tmp_path / "results" / "details.md",
        folder / "details.md",
        tmp_path / "REPORT.md",
    ]
    text = (tmp_path / "REPORT.md").read_text() + (folder / "details.md").read_text()
    assert "no run yet" in text
    assert "not evaluated yet" in text
    assert "(BEGAN, seed 0): queued" in text
    assert "nothing can be said about it" in text


def test_without_claims_the_table_is_its_head(results: Path, tmp_path: Path) -> None:
    for record in results.glob("*/*/ablation.json"):
        written = json.loads(record.read_text())
        record.write_text(json.dumps({**written, "claims": []}))
    build(results, tmp_path / "REPORT.md")
    assert "| No claim. |" in (tmp_path / "REPORT.md").read_text()
    assert "| claim | section | verdict |" in (results / "details.md").read_text()


def test_figures_that_are_not_drawn_any_more_are_removed(document: Document, results: Path) -> None:
    stale = results / "baselines" / "short" / "heatmap.png"
    stale.write_bytes(b"of an earlier sweep")
    write_markdown(compose(read_all(results)), results / "REPORT.md")
    assert not stale.exists()


def test_a_folder_that_cannot_be_written_is_named(
    document: Document, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "REPORT.md").mkdir()
    with pytest.raises(BenchError, match=r"REPORT\.md: cannot be written .*`bench report` again"):
        write_markdown(Document(document.folder, document.opening, []), tmp_path / "REPORT.md")
    assert not list(tmp_path.glob("tmp*"))


def test_a_sheet_of_samples_keeps_every_pixel(document: Document, made: Path) -> None:
    picture = next(p for p in pictures(document.blocks) if p.path.name == "samples.webp")
    path = picture.path.with_name("sheet.png")
    path.write_bytes(picture.image)
    sheet = np.asarray(Image.open(path))
    path.unlink()
    for seed in (0, 1, 2):
        # BEGAN's images are grey of one level each; 24 images of 16x16 px, tripled.
        # The edges of the titles' letters have a few pixels of that grey too.
        found = (sheet == 40 * seed + 60).all(axis=2).sum()
        assert 0 <= found - 16 * 16 * 16 * 9 < 300


def test_every_table_has_text_alone(document: Document) -> None:
    for table in tables(document.blocks):
        assert isinstance(table, Table)
        assert all(isinstance(text, str) for text in table.frame.to_numpy().flat), table.name


def test_a_broken_grid_is_named(folder: Path) -> None:
    grid = samples_of(folder, read_tables(folder).runs["run_id"][0])
    grid.write_bytes(b"no picture")
    with pytest.raises(BenchError, match=rf"{grid.name}: cannot be read"):
        compose([read_tables(folder)])


def test_a_cell_without_grids_is_named(folder: Path) -> None:
    for grid in folder.parents[1].glob("samples/ebgan-*"):
        grid.unlink()
    found = [
        p for p in pictures(compose([read_tables(folder)]).blocks) if p.path.name == "samples.webp"
    ]
    assert "Nothing to show yet: EBGAN-PT." in found[0].caption


def test_results_without_grids_have_no_sheet(folder: Path) -> None:
    shutil.rmtree(folder.parents[1] / "samples")
    names = {p.path.name for p in pictures(compose([read_tables(folder)]).blocks)}
    assert names == {"curves.png"}
