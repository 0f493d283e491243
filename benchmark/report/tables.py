"""The numbers of a report: one row per cell, mean and spread over training seeds."""

import math

import numpy as np
import pandas as pd

from benchmark.report.results import METHOD_COLUMNS, AblationRecord, Cell, Results

NONE = "—"
INCOMPLETE = "\\*"
# The names that papers give to columns.
TITLES = {"m_global": "M_global", "fid": "FID", "ratio": "L(G)/L(x)"}


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}" if math.isfinite(value) else NONE


def title(column: str) -> str:
    """What a column is called in tables and on axes."""
    return TITLES.get(column, column)


def mean_sd(values: pd.Series, runs: int) -> str:
    """Mean ± sample standard deviation (ddof 1) of the finite values, of `runs` planned ones.

    Marked where any is missing: a diverged run's number is left out in the open.
    """
    found = values.to_numpy(dtype=np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return NONE
    # Equal values have no spread; rounding of their mean would show one.
    spread = NONE if len(found) == 1 else number(float(np.std(found, ddof=1)) * (np.ptp(found) > 0))
    count = f" (n={len(found)})" if len(found) == 1 or len(found) < len(values) else ""
    mark = INCOMPLETE if len(found) < runs else ""
    return f"{number(float(np.mean(found)))} ± {spread}{count}{mark}"


def cell_table(results: Results) -> pd.DataFrame:
    """One row per cell and the floor's row last; every entry is text."""
    columns = _columns(results)
    rows = [_cell_row(cell, results.record, columns) for cell in results.cells]
    if results.record.floor is not None:
        rows.append(_floor_row(results.record, columns))
    return pd.DataFrame(rows)


def caption(results: Results) -> str:
    """What the table's numbers depend on (data, view, crop, size, profile, extractor, counts)."""
    record = results.record
    parts = [
        faces(record),
        f"profile {record.profile}",
        judged_by(record),
        f"{record.steps} steps of batch {record.batch}"
        if "training.steps" not in record.swept
        else "",
        f"{len(record.seeds)} training seeds ({', '.join(map(str, record.seeds))})",
    ]
    text = "; ".join(part for part in parts if part)
    text += (
        ". Mean ± standard deviation over training seeds; the seed is the unit. Values are those"
        " of the last row of each finished run. KID's subset sd is the noise of one evaluation,"
        " averaged over runs, and no spread over seeds."
    )
    if any(len(cell.done) < len(record.seeds) for cell in results.cells):
        text += (
            f" {INCOMPLETE} fewer finished runs than planned: the mean is over the finished"
            " ones alone, which may flatter the cell."
        )
    if record.floor is not None:
        text += (
            " Real against real: as many training images judged in the generator's place,"
            " what a perfect generator would get."
        )
    return text


def faces(record: AblationRecord) -> str:
    """The data set with its view, crop and resolution, as captions name it."""
    data, swept = record.data, record.swept
    parts = [data.title or "data not opened yet"]
    if "data.view" in swept:
        parts.append("view swept")
    elif data.view is not None:
        parts.append(f"{data.view} view")
    if "data.crop" in swept:
        parts.append("crop swept")
    elif data.crop is not None:
        parts.append(f"crop {data.crop} px")
    parts.append("size swept" if "data.size" in swept else f"{data.size}x{data.size} px")
    return ", ".join(parts)


def judged_by(record: AblationRecord) -> str:
    """The extractor, its weights and the sample counts."""
    by = record.evaluation
    if by is None:
        return "not evaluated yet"
    return (
        f"features of {by.features} version {by.features_version} at {by.input_size} px (weights"
        f" {by.weights_sha256[:12]}), {by.samples} samples against {by.samples} images of the"
        f" {by.reference} part, KID over {by.kid_subsets} subsets of {by.kid_subset_size},"
        f" {by.precision_recall_neighbours} neighbours for precision and recall,"
        f" {by.density_coverage_neighbours} for density and coverage, metrics version"
        f" {by.fidelity_version}"
    )


def least_p(n: int) -> float:
    """The least two-sided p of an exact rank or permutation test of n seeds against n."""
    return min(1.0, 2 / math.comb(2 * n, n))


def _columns(results: Results) -> list[tuple[str, str, float]]:
    """(column, heading, factor) of every measured column of the table."""
    record = results.record
    measured = [(record.signal, title(record.signal), 1.0)]
    measured.append((record.distance, title(record.distance), 1.0))
    measured += [("kid", "KID x1000", 1000.0), ("kid_sd", "KID x1000 subset sd", 1000.0)]
    measured += [(c, c, 1.0) for c in ("precision", "recall", "density", "coverage")]
    return measured + [(c, title(c), 1.0) for c in METHOD_COLUMNS if c in results.runs]


def _cell_row(
    cell: Cell, record: AblationRecord, columns: list[tuple[str, str, float]]
) -> dict[str, str]:
    planned, done = len(record.seeds), cell.done
    row = {key: value or "null" for key, value in zip(record.swept, cell.values, strict=True)}
    row["runs (done/planned)"] = f"{len(done)}/{planned}"
    row["failed"] = str(int((cell.runs["state"] == "failed").sum()))
    for column, heading, factor in columns:
        values = pd.to_numeric(done[column]) * factor
        if column == "kid_sd":
            row[heading] = number(float(values.mean()))
        else:
            row[heading] = mean_sd(values, planned)
    row["run ids"] = " ".join(cell.runs["run_id"])
    return row


def _floor_row(record: AblationRecord, columns: list[tuple[str, str, float]]) -> dict[str, str]:
    floor = record.floor or {}
    row = dict.fromkeys(record.swept, NONE)
    row[record.swept[0]] = "real against real"
    row |= {"runs (done/planned)": NONE, "failed": NONE}
    for column, heading, factor in columns:
        row[heading] = number(floor[column] * factor) if column in floor else NONE
    row["run ids"] = NONE
    return row
