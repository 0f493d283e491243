"""The figures: what is drawn of what, and when nothing is."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.settings import FacesSettings
from benchmark.report.document import pictures
from benchmark.report.figures import curves as curves_module
from benchmark.report.figures import scatter as scatter_module
from benchmark.report.figures import shown as shown_module
from benchmark.report.figures.canvas import grid, is_crowded, is_log, png, styles, untangled
from benchmark.report.figures.curves import curves
from benchmark.report.figures.heatmap import heatmap
from benchmark.report.figures.samples import drawn as drawn_faces
from benchmark.report.figures.samples import grids, samples, shown_seeds
from benchmark.report.figures.scatter import is_between, scatter
from benchmark.report.figures.shown import shown, shown_words
from benchmark.report.overview import compose
from benchmark.report.sections import _curves_caption, section
from benchmark.results.columns import EVIDENCE
from benchmark.results.drawn import write_drawn
from benchmark.results.schema import SetupRecord, table_path
from benchmark.results.tables import Cell, read_tables


def pixels(png: bytes | None) -> NDArray[np.uint8]:
    assert png is not None
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Curves and scatters as they are before they become PNGs."""
    figures: list[Figure] = []
    monkeypatch.setattr(curves_module, "png", figures.append)
    monkeypatch.setattr(scatter_module, "untangled", lambda figure, _: figures.append(figure))
    return figures


def series(axes: Any) -> list[tuple[list[float], list[float]]]:
    """x and y of each line."""
    return [
        ([float(x) for x in line.get_xdata()], [float(y) for y in line.get_ydata()])
        for line in axes.lines
    ]


def edit(folder: Path, run_ids: list[str], table: str, column: str, factor: float) -> None:
    """Multiply a column of some runs."""
    path = table_path(folder, table)
    frame = pd.read_csv(path)
    frame[column] = frame[column].where(~frame["run_id"].isin(run_ids), frame[column] * factor)
    frame.to_csv(path, index=False)


def test_cells_are_told_apart_without_colour() -> None:
    looks = [(str(s["linestyle"]), s["marker"]) for s in styles(24)]
    assert len(set(looks)) == 24


def test_a_logarithmic_axis_needs_positive_values_of_many_sizes() -> None:
    assert is_log(pd.Series([1.0, 11.0, np.nan]))
    assert not is_log(pd.Series([1.0, 9.0]))
    assert not is_log(pd.Series([-1.0, 900.0]))
    assert not is_log(pd.Series([np.nan]))


def test_each_signal_has_its_own_panel(folder: Path, made: Path) -> None:
    # Two signals and a distance make two rows of panels; one of each make one.
    two, one = (
        pixels(curves(read_tables(folder))),
        pixels(curves(read_tables(made / "latent" / "demo"))),
    )
    assert two.shape[1] == one.shape[1] == 1800
    assert two.shape[0] > 1.5 * one.shape[0]


def test_a_signal_that_no_run_has_logged_yet_has_no_panel(folder: Path) -> None:
    train = pd.read_csv(folder / "train.csv.gz")
    whole = pixels(curves(read_tables(folder)))
    train[train["loss_d"].isna()].to_csv(folder / "train.csv.gz", index=False)
    assert pixels(curves(read_tables(folder))).shape[0] < 0.7 * whole.shape[0]


def test_before_the_first_signal_and_evaluation_there_are_no_curves(folder: Path) -> None:
    """Runs log other columns first: a table of rows may hold nothing that a panel shows."""
    train = pd.read_csv(folder / "train.csv.gz").assign(m_global=np.nan, loss_d=np.nan)
    train.to_csv(folder / "train.csv.gz", index=False)
    pd.read_csv(folder / "evaluations.csv").head(0).to_csv(folder / "evaluations.csv", index=False)
    assert curves(read_tables(folder)) is None


def test_a_curve_belongs_to_its_methods_signal(folder: Path) -> None:
    found, drawn = read_tables(folder), []

    class Axes:
        def __getattr__(self, name: str) -> object:
            return lambda *given, **styled: drawn.append((name, given))

    axes: Any = Axes()
    cells = list(zip(found.cells, styles(2), strict=True))
    curves_module._panel(axes, found, cells[1:], "loss_d", many=False)
    lines = [given for name, given in drawn if name == "plot" and isinstance(given[0], pd.Series)]
    assert [list(steps) for steps, _ in lines] == [[100, 200, 300], [100, 200, 300], [100, 200]]
    assert list(lines[2][1]) == [2.2, 1.1]
    crosses = [given for name, given in drawn if name == "plot" and given[0] is not None][3:]
    assert crosses == [(200, 1.1)]  # the failed run's last row
    drawn.clear()
    curves_module._panel(axes, found, cells, "distance", many=False)
    plotted = [given for name, given in drawn if name == "plot"]
    # The failed run's cross, and then the ring of the one that collapsed.
    signs = [given for given in plotted if not isinstance(given[0], pd.Series)]
    assert signs == [(200, 320.0), (200, 310.0)]


def test_the_distance_comes_first_and_all_panels_have_the_same_steps(
    folder: Path, drawn: list[Figure]
) -> None:
    train = pd.read_csv(folder / "train.csv.gz")
    train.assign(step=train["step"] - 50).to_csv(folder / "train.csv.gz", index=False)
    curves(read_tables(folder))
    axes = [each for each in drawn[0].axes if each.axison]
    titles = [each.get_title(loc="left") for each in axes]
    assert titles == [
        "Fréchet distance (efficientnet_lite0): lower is better",
        "M_global, own signal of began",
        "L_D, own signal of ebgan",
    ]
    assert len({each.get_xlim() for each in axes}) == 1
    assert ([100, 200, 300], [320, 220, 120]) in series(axes[0])  # a line a run: BEGAN, seed 2
    assert not axes[0].collections


def _of_colour(axes: Any, style: Any) -> list[tuple[list[float], list[float]]]:
    lines = zip(axes.lines, series(axes), strict=True)
    return [found for line, found in lines if line.get_color() == style["color"]]


def test_many_cells_have_a_panel_each_with_the_first_of_their_signal_in_grey(
    made: Path, drawn: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_tables(made / "latent" / "demo")  # cells of one signal
    assert "one colour" in _curves_caption(found)
    monkeypatch.setattr(curves_module, "MOST_TOGETHER", 1)
    assert "one panel per cell" in _curves_caption(found)
    curves(found)
    axes = [each for each in drawn[0].axes if each.axison]
    titles = [each.get_title(loc="left") for each in axes]
    assert titles == 2 * [cell.title for cell in found.cells]  # the distance, then the signal
    assert len({each.get_xlim() for each in axes}) == 1
    distances = axes[: len(found.cells)]
    assert len({each.get_ylim() for each in distances}) == 1
    (first,) = _of_colour(distances[0], curves_module.OWN)
    assert not _of_colour(distances[0], curves_module.GREY)
    for each in distances[1:]:
        assert _of_colour(each, curves_module.GREY) == [first]


def test_a_curve_that_a_common_axis_would_flatten_has_its_own_scale(
    made: Path, drawn: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made / "latent" / "demo"
    found = read_tables(folder)
    monkeypatch.setattr(curves_module, "MOST_TOGETHER", 1)
    curves(found)
    found.train.loc[found.train["run_id"].isin(found.cells[0].run_ids), "m_global"] *= -500
    curves(found)
    scales = [
        {axes.get_ylim() for axes in figure.axes[len(found.cells) :] if axes.axison}
        for figure in drawn
    ]
    assert len(scales[0]) == 1 < len(scales[1])
    assert any(text.get_text() == "(own scale)" for axes in drawn[1].axes for text in axes.texts)


def test_more_than_ten_lines_are_means_and_bands(
    folder: Path, drawn: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "one line per run" in _curves_caption(read_tables(folder))
    monkeypatch.setattr(curves_module, "MOST_LINES", 5)  # there are six runs
    assert "its mean over seeds, within the band of its runs" in _curves_caption(
        read_tables(folder)
    )
    edit(folder, read_tables(folder).cells[0].run_ids[2:], "evaluations", "distance", 2)
    curves(read_tables(folder))
    distance = drawn[0].axes[0]
    # Of 300, 310 and twice 320 at the first step.
    assert ([100, 200, 300], [1250 / 3, 850 / 3, 450 / 3]) in series(distance)
    # The failed run, seed 2, has no third evaluation.
    assert ([100, 200, 300], [410, 310, 205]) in series(distance)
    began, ebgan = distance.collections
    assert isinstance(began, FillBetweenPolyCollection)
    assert began.get_datalim(distance.transData).bounds == (100, 100, 200, 540)
    assert {(300.0, 200.0), (300.0, 210.0)} <= {tuple(at) for at in ebgan.get_paths()[0].vertices}


def test_the_map_is_of_two_swept_numbers_alone(folder: Path, made: Path) -> None:
    assert heatmap(read_tables(folder)) is None
    image = pixels(heatmap(read_tables(made / "latent" / "demo")))
    grey = (np.abs(image.astype(int) - 217) < 3).all(axis=2).mean()
    assert 0.1 < grey < 0.3  # a quarter of each map: h = z = 8 is not planned


def test_the_map_counts_failures(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results" / "latent" / "demo"
    shutil.copytree(made / "latent" / "demo", copy)
    before = pixels(heatmap(read_tables(copy)))
    runs = pd.read_csv(copy / "runs.csv")
    runs.loc[0, "collapsed"] = 1
    runs.to_csv(copy / "runs.csv", index=False)
    after = pixels(heatmap(read_tables(copy)))
    half = before.shape[1] // 2
    changed = np.abs(before.astype(int) - after).mean(axis=(0, 2))
    # The distances stay, but for shades of the 256 colours; a quarter of the other map is darker.
    assert changed[:half].mean() < 0.1
    assert changed[half:].mean() > 1


def test_one_swept_number_or_a_line_is_no_map(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "demo"
    shutil.copytree(made / "latent" / "demo", copy)
    record = json.loads((copy / "ablation.json").read_text())
    for cell in record["cells"]:
        cell["point"]["method.z"] = 4
    (copy / "ablation.json").write_text(json.dumps(record))
    assert heatmap(read_tables(copy)) is None


def test_points_are_those_that_rho_is_computed_from(folder: Path, drawn: list[Figure]) -> None:
    train = pd.read_csv(folder / "train.csv.gz")
    between = train.assign(step=train["step"] - 10, m_global=train["m_global"] + 2)
    late = train[train["step"] == 300].assign(step=310, m_global=-1.0)  # after all evaluations
    pd.concat([train, between, late]).to_csv(folder / "train.csv.gz", index=False)
    scatter(read_tables(folder))
    (began,) = (each for each in drawn[0].axes if each.axison)
    assert began.get_title() == "BEGAN, 3 runs"  # of EBGAN-PT's three runs one has failed
    links = [line for line in began.lines if line.get_color() == scatter_module.LINK["color"]]
    np.testing.assert_allclose(links[1].get_xdata(), [2.1, 1.55, 110 / 300 + 1])  # means
    np.testing.assert_allclose(links[1].get_ydata(), [310, 210, 110])


def test_two_runs_of_a_cell_are_shown_each_by_itself(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "demo"
    shutil.copytree(made / "latent" / "demo", copy)
    found = read_tables(copy)
    assert not is_between(found)
    image = pixels(scatter(found))  # three cells of two seeds, side by side
    assert 2 * image.shape[0] < image.shape[1] == 1800
    evaluations = pd.read_csv(copy / "evaluations.csv")
    few = sorted(evaluations["step"].unique())[-2:]
    evaluations[evaluations["step"].isin(few)].to_csv(copy / "evaluations.csv", index=False)
    assert scatter(read_tables(copy)) is None  # two evaluations of a run


def test_a_runs_first_evaluation_is_open(made: Path, drawn: list[Figure]) -> None:
    scatter(read_tables(made / "latent" / "demo"))
    lines = drawn[0].axes[0].lines
    assert [len(line.get_xdata()) for line in lines] == [3, 1, 3, 1]
    assert [line.get_markerfacecolor() == "white" for line in lines] == [False, True] * 2
    assert lines[1].get_xdata()[0] == lines[0].get_xdata()[0]


@pytest.mark.parametrize("log", [False, True])
def test_numbers_of_an_axis_do_not_overlap(log: bool) -> None:
    """LAPGAN's L_G hardly leaves ln 2."""
    figure, axes = grid(3, 2.0, 3)
    axes[0].plot([0.6925, 0.6936], [1, 2])
    axes[1].plot([0.1, 0.6], [1, 2])
    axes[2].plot([1234567, 1234987], [1, 2])
    if log:
        axes[1].set_xscale("log")
    png(figure)
    assert [is_crowded(each) for each in axes] == [True, log, True]
    assert untangled(figure, axes)
    assert not any(map(is_crowded, axes))
    assert all(len(each.get_xticklabels()) >= 2 for each in axes)


def test_panels_that_are_compared_have_common_axes(
    made: Path, tmp_path: Path, drawn: list[Figure]
) -> None:
    copy = tmp_path / "demo"
    shutil.copytree(made / "latent" / "demo", copy)
    last = read_tables(copy).cells[-1].run_ids
    edit(copy, last, "train", "m_global", 2)
    edit(copy, last, "evaluations", "distance", 3)
    scatter(read_tables(copy))
    axes = [each for each in drawn[0].axes if each.axison]
    assert len(axes) == 3
    assert len({(each.get_xlim(), each.get_ylim()) for each in axes}) == 1
    (left, right), (low, high) = axes[0].get_xlim(), axes[0].get_ylim()
    for x, y in (each for panel in axes for each in series(panel)):
        assert left < min(x) <= max(x) < right
        assert low < min(y) <= max(y) < high


def test_a_signal_that_a_common_axis_would_flatten_keeps_its_own(
    made: Path, tmp_path: Path, drawn: list[Figure]
) -> None:
    copy = tmp_path / "demo"
    shutil.copytree(made / "latent" / "demo", copy)
    edit(copy, read_tables(copy).cells[-1].run_ids, "train", "m_global", -1000)
    scatter(read_tables(copy))
    axes = [each for each in drawn[0].axes if each.axison]
    assert [each.get_xlabel() for each in axes] == ["M_global (own scale)"] * 3
    assert len({each.get_xlim() for each in axes}) > 1
    assert len({each.get_ylim() for each in axes}) == 1


def test_points_of_one_run_are_joined_and_rho_is_said(folder: Path, drawn: list[Figure]) -> None:
    columns = ["method", "cell", "role", "signal", "outcome", "level", "measure", "value"]
    rows = [
        ["began", "BEGAN", "signal", "m_global", "distance", "between", "spearman", 0.4567],
        ["began", "BEGAN", "signal", "m_global", "distance", "differences", "spearman", 0.9],
        ["began", "", "signal", "m_global", "distance", "between", "spearman", 0.8],
        ["ebgan", "", "signal", "loss_d", "distance", "between", "spearman", -0.25],
        ["ebgan", "", "signal", "loss_d", "kid", "between", "spearman", 0.7],
    ]
    others = [name for name in EVIDENCE["correlations"] if name not in columns]
    table = pd.DataFrame(rows, columns=columns)
    table.assign(**dict.fromkeys(others, "")).to_csv(folder / "correlations.csv", index=False)
    runs = pd.read_csv(folder / "runs.csv")
    runs.assign(state="done").to_csv(folder / "runs.csv", index=False)
    scatter(read_tables(folder))
    began, ebgan = (each for each in drawn[0].axes if each.axison)
    links = [line for line in began.lines if line.get_color() == scatter_module.LINK["color"]]
    assert len(links) == 3  # one a run
    np.testing.assert_allclose(links[2].get_xdata(), [1.2, 0.6, 0.4])
    np.testing.assert_allclose(links[2].get_ydata(), [320, 220, 120])
    assert [text.get_text() for text in began.texts] == ["rho 0.46"]
    assert [text.get_text() for text in ebgan.texts] == ["rho -0.25"]
    undefined = table.assign(**dict.fromkeys([*others, "value"], ""))
    undefined.to_csv(folder / "correlations.csv", index=False)
    assert scatter_module._rhos(read_tables(folder)) == {}


def test_few_seeds_are_all_shown_and_many_by_the_first(folder: Path) -> None:
    assert shown_seeds(read_tables(folder)) == [0, 1, 2]
    path = folder / "ablation.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "seeds": [3, 2, 1, 0]}))
    assert shown_seeds(read_tables(folder)) == [0]
    sheet = pixels(samples(read_tables(folder)))
    # Real faces and two cells, one row of them: rows of 16 px images, tripled, title, distance.
    assert sheet.shape[0] == (2 * 18 + 2) * 3 + 2 * 12 + 2 * 36
    assert sheet.shape[1] > 3 * (8 * 18 + 2) * 3


def test_drawn_faces_come_before_the_samples(folder: Path) -> None:
    from benchmark.data.faces.dataset import ProceduralFaces

    found = read_tables(folder)
    settings = found.cells[0].setup.data.settings
    source = ProceduralFaces(FacesSettings.model_validate(settings))
    face = source.decode(np.array([900]))[0][0].transpose(1, 2, 0)  # the first of the test part
    with Image.open(folder / "drawn" / "0.png") as grid:
        np.testing.assert_array_equal(np.asarray(grid)[2:18, 2:18], face)
    ((words, _, tile),) = drawn_faces(found)
    assert words == "real: aligned view, crop 128 px"
    assert isinstance(tile, Image.Image)
    sheet = pixels(samples(found))
    shown_face = sheet[12 + 36 + 6 : 12 + 36 + 54, 12 + 6 : 12 + 54]
    np.testing.assert_array_equal(shown_face, np.kron(face, np.ones((3, 3, 1))))
    assert "First: real images" in str(section(found))

    record = json.loads((folder / "ablation.json").read_text())
    record["setups"][0]["data"]["settings"]["name"] = "celeba"
    setups = [SetupRecord.model_validate(each) for each in record["setups"]]
    write_drawn(folder, setups)  # photographs: what was drawn before goes
    assert not list(folder.glob("drawn/*"))
    assert "First: real images" not in str(section(found))
    words = "No real faces are shown"
    assert words in str(compose([found]).opening)
    assert pixels(samples(found)).shape[0] == (sheet.shape[0] - 12) * 2 // 3 + 12


def test_many_cells_are_shown_by_the_first_seed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_tables(folder)
    whole = len(found.cells) * 3
    monkeypatch.setattr("benchmark.report.figures.samples.MAX_GRIDS_SHOWN", whole)
    assert shown_seeds(found) == [0, 1, 2]
    monkeypatch.setattr("benchmark.report.figures.samples.MAX_GRIDS_SHOWN", whole - 1)
    assert shown_seeds(found) == [0]


def test_every_grid_is_titled_with_its_fate(folder: Path) -> None:
    titles = [title for title, _ in grids(read_tables(folder))]
    assert len(titles) == 6
    runs = pd.read_csv(folder / "runs.csv").set_index("run_id")["distance"]
    distances = [f"distance {value:.4g}" for value in runs]
    assert titles[0].startswith(f"BEGAN, seed 0, {distances[0]} (began-")
    assert titles[4].startswith(f"EBGAN-PT, seed 1 (collapsed), {distances[4]} (ebgan-")
    assert titles[5].startswith(f"EBGAN-PT, seed 2 (failed, step 200), {distances[5]} (ebgan-")


def test_of_many_cells_some_are_shown_by_rule(folder: Path) -> None:
    one = read_tables(folder).cells[0]
    cells = [Cell(one.record, one.setup, {}, [{"at": at}]) for at in range(1000)]
    found = [cell.rows[0]["at"] for cell in shown(cells)]
    assert len(found) == 24
    assert found[0] == 0
    assert set(np.diff(found)) == {41, 42}
    assert "24 of 1,000 cells" in shown_words(cells)
    assert shown(cells[:24]) == cells[:24]
    assert shown_words(cells[:24]) == ""


def test_figures_of_too_many_cells_say_what_they_leave_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pixels(curves(read_tables(folder)))
    grids_shown = pixels(samples(read_tables(folder)))
    assert "Shown:" not in str(section(read_tables(folder)))
    monkeypatch.setattr(shown_module, "MOST_CELLS", 1)
    # The other cell's signal has no panel, and its samples no row.
    assert pixels(curves(read_tables(folder))).shape[0] < 0.7 * whole.shape[0]
    assert pixels(samples(read_tables(folder))).shape[0] < 0.7 * grids_shown.shape[0]
    # Curves and samples.
    captions = [picture.caption for picture in pictures(section(read_tables(folder)))]
    assert sum("Shown: 1 of 2 cells" in caption for caption in captions) == 2
