"""What classifiers learnt from the generators' images, cell by cell."""

from collections.abc import Iterator

import pandas as pd

from benchmark.evaluation.columns import CLASSIFIED
from benchmark.markup import escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Table
from benchmark.report.numbers import mean_spread
from benchmark.results.tables import Tables

CAPTION = (
    "Balanced accuracy on held-out real images of a small classifier, mean ± sd over generators'"
    " seeds, each the mean over its own classifiers. real N: from N real images, half of each"
    " class; augmented N: from the same, mirrored and turned by up to 10 degrees; generated N:"
    " from the same and as many generated ones, by one generator a class; generated alone: as many"
    " as all real ones (classification accuracy score, Ravuri and Vinyals 2019); gain: over real N;"
    " shortfall: of generated alone against the most real images; classifier sd: over classifiers"
    " of one pair of generators. A row is a pair, under the name of its run with the attribute"
)


def classified(results: Tables) -> Iterator[Table]:
    """One row a pair of cells; nothing where no classifier was trained."""
    names = [str(key) for key in results.probes if str(key).startswith(CLASSIFIED)]
    rows = []
    for cell in results.cells:
        found = results.probes[results.probes["run_id"].isin(cell.run_ids)]
        found = found.dropna(subset=names) if names else found.iloc[:0]
        if len(found):
            shown = {_title(name): mean_spread(found[name], len(cell.rows)) for name in names}
            rows.append({"pair": escaped(cell.title), "pairs": str(len(found)), **shown})
    if rows:
        yield Table(
            "classified",
            pd.DataFrame(rows),
            f"{CAPTION}. {made_of(results.record)}.",
            results.folder / "probes.csv",
        )


def _title(name: str) -> str:
    return name.removeprefix(CLASSIFIED).replace("_", " ")
