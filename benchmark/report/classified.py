"""What classifiers learnt from the generators' images, cell by cell."""

import math
from collections.abc import Iterator

import pandas as pd

from benchmark.evaluation.columns import CLASSIFIED
from benchmark.markup import escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Table
from benchmark.report.numbers import mean_spread
from benchmark.results.tables import Tables

_REAL = f"{CLASSIFIED}real_"
# By what a column is called for so many real images.
SHOWN = {
    "real_{}": "alone",
    "augmented_{}": "mirrored and turned",
    "generated_{}": "with generated",
    "gain_augmented_{}": "gain, mirrored and turned",
    "gain_generated_{}": "gain, with generated",
    "generated_alone": "generated alone, as many as all",
    "classifier_sd": "sd over classifiers",
}
CAPTION = (
    "Balanced accuracy on held-out real images of a small classifier, mean ± sd over generators'"
    " seeds, each the mean over its own classifiers. It learnt from so many real images, half of"
    " each class: alone, mirrored and turned by up to 10 degrees, or with as many generated ones,"
    " by one generator a class, or by one that is told the class; or from generated ones alone, as"
    " many as all real ones (classification accuracy score, Ravuri and Vinyals 2019). gain: less"
    " alone. sd over classifiers: of the same generators. A pair of generators has the name of its"
    " run with the attribute"
)


def classified(results: Tables) -> Iterator[Table]:
    """One row a pair of cells, or one cell, and training set; nothing without classifiers."""
    sizes = [str(key).removeprefix(_REAL) for key in results.probes if str(key).startswith(_REAL)]
    rows = []
    for cell in results.cells if sizes else []:
        found = results.probes[results.probes["run_id"].isin(cell.run_ids)]
        found = found.dropna(subset=[f"{_REAL}{size}" for size in sizes])
        for size in sorted(sizes, key=_number) if len(found) else []:
            numbers = {
                words: mean_spread(found[f"{CLASSIFIED}{name.format(size)}"], cell.planned)
                for name, words in SHOWN.items()
            }
            rows.append({"generators": escaped(cell.title), "real images": size, **numbers})
    if rows:
        yield Table(
            "classified",
            pd.DataFrame(rows),
            f"{CAPTION}. {made_of(results.record)}.",
            results.folder / "probes.csv",
        )


def _number(size: str) -> float:
    return float(size) if size.isdigit() else math.inf
