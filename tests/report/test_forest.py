"""The forest plot of claims: which are drawn, and that the picture and its caption are honest."""

import json
from pathlib import Path

import pytest

from benchmark.report.document import Picture
from benchmark.report.figures.forest import Effect, effects, forest
from benchmark.report.markdown import build
from benchmark.report.overview import compose
from benchmark.results.tables import read_tables
from tests.report import evidence
from tests.report.material import TITLE
from tests.report.test_figures import pixels

DRAWN = Effect("BEGAN is better", "baselines, short", TITLE, "refuted", 95.125, 80.0, 110.5, 20.0)


def test_a_judged_claim_on_a_distance_is_drawn(folder: Path, results: Path) -> None:
    evidence.write(folder)
    found = [read_tables(folder)]
    assert effects(found) == [DRAWN]
    (picture,) = [each for each in compose(found).opening if isinstance(each, Picture)]
    assert "Procedural faces, 16x16 px; efficientnet_lite0" in picture.caption
    assert "profile short" in picture.caption
    build(results, results / "REPORT.md")
    assert "(claims.png)" in (results / "REPORT.md").read_text()
    assert (results / "claims.png").read_bytes() == picture.image


def test_a_verdict_is_told_by_colour(folder: Path) -> None:
    colours = []
    for verdict in ("supported", "refuted"):
        evidence.write(folder, verdict=verdict)
        seen = pixels(forest([read_tables(folder)])).reshape(-1, 3).astype(int)
        green, red = (
            (abs(seen - each).sum(1) < 30).sum() for each in ((0, 158, 115), (213, 94, 0))
        )
        colours.append(green > red)
    assert colours == [True, False]


@pytest.mark.parametrize(
    "changes", [{"low": ""}, {"verdict": "not run"}, {"id": "of-another-file"}], ids=str
)
def test_what_has_no_interval_verdict_or_test_is_not(
    folder: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    (folder.parents[1] / "claims.png").write_bytes(b"of an earlier report")
    evidence.write(folder, **changes)
    assert effects([read_tables(folder)]) == []
    assert forest([read_tables(folder)]) is None
    build(folder.parents[1], tmp_path / "REPORT.md")
    assert not (folder.parents[1] / "claims.png").exists()


def test_a_demonstration_is_not_drawn(folder: Path) -> None:
    evidence.write(folder)
    path = folder / "ablation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "finding": False}))
    assert effects([read_tables(folder)]) == []
