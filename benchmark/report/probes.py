"""What `bench probe` found, cell by cell: embedding, paths, copies, attributes."""

from collections.abc import Iterator

import pandas as pd

from benchmark.evaluation.columns import CLASSIFIED
from benchmark.markup import escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Details, Table
from benchmark.report.numbers import mean_spread
from benchmark.results.tables import Cell, Tables

SHOWN = {
    "embedding.heldout": "error, held-out",
    "embedding.training": "error, training",
    "embedding.gap": "gap",
    "linear.length": "path length",
    "linear.longest_step": "longest step",
    "memorisation.distance_ratio": "nearest, ratio",
    "memorisation.closer_than_heldout": "nearer than 99 %",
}
# Of real held-out images: counted, and as the probe counts them; then of samples.
SHARES = {"heldout": "real", "heldout_probed": "real, probed", "samples_probed": "samples, probed"}
CAPTION = (
    "What the last generators know. error: mean |x - G(z)| per pixel, in [-1, 1]'s units, of"
    " images embedded by Adam on z (BEGAN, section 4.4), and the gap of held-out less training"
    " images: above 0 where training images are remembered. path length: of straight paths between"
    " random codes, in features, over the samples' mean distance; longest step: its share of a path"
    " of 8, 0.125 where all are equal. nearest, ratio: median distance of samples to their nearest"
    " training image over that of held-out images; nearer than 99 %: share of samples nearer to a"
    " training image than 99 % of the held-out ones are, 0.01 where nothing is copied, and more"
    " where samples are merely plainer than photographs. Attributes by a linear probe on the"
    " features: its count of real images beside their labels shows its own bias."
)


def probes(results: Tables) -> Iterator[Details]:
    """One row a cell, mean ± sd over its probed runs; nothing where no run was probed."""
    found = results.probes
    if found.empty:
        return
    found = found[[key for key in found if not str(key).startswith(CLASSIFIED)]].dropna(
        how="all", subset=[key for key in found if key in SHOWN]
    )
    columns = {**{key: name for key, name in SHOWN.items() if key in found}, **_attributes(found)}
    if not columns:
        return
    rows = [_row(cell, found, columns) for cell in results.cells]
    table = Table(
        "probes",
        pd.DataFrame([row for row in rows if row["probed"] != "0"]),
        f"{CAPTION} {made_of(results.record)}.",
        results.folder / "probes.csv",
    )
    yield Details("Latent space, copies and attributes", [table])


def _row(cell: Cell, found: pd.DataFrame, columns: dict[str, str]) -> dict[str, str]:
    mine = found[found["run_id"].isin(cell.run_ids)]
    shown = {name: mean_spread(mine[key], len(mine)) for key, name in columns.items()}
    return {"cell": escaped(cell.title), "probed": str(len(mine)), **shown}


def _attributes(found: pd.DataFrame) -> dict[str, str]:
    names = [key.split(".")[1] for key in map(str, found) if key.startswith("attributes.")]
    return {
        f"attributes.{name}.{key}": f"{name}: {words}"
        for name in dict.fromkeys(names)
        for key, words in SHARES.items()
    }
