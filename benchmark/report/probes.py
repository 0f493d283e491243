"""What probes found, cell by cell; and what classifiers learnt from the generators' images."""

import math
from collections.abc import Collection, Iterator, Mapping

import pandas as pd

from benchmark.evaluation.columns import CLASSIFIED, copies_in_words
from benchmark.markup import escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Details, Plain, Table, Words
from benchmark.report.numbers import mean_spread
from benchmark.results.tables import Cell, Tables

# Of the codes found by one way.
EMBEDDED = {
    "pixels.heldout": "error, held-out",
    "pixels.gap": "gap",
    "features.heldout": "in features",
    "identity.kept": "own face",
    "outside": "outside the prior",
    "unsettled": "no plateau",
}
BETWEEN = {
    "linear.length": "path",
    "linear.ends": "of the ends",
    "linear.longest_step": "longest step",
    "mirrored.length": "path, mirrored",
    "mirrored.longest_step": "longest step, mirrored",
    "mirror_asymmetry": "asymmetry half-way",
    "middle.distance": "distance, half-way",
    "middle.precision": "precision, half-way",
    "middle_over_sampled": "over samples",
    "middle_over_blended": "over blends",
}
COPIES = {
    "memorisation.distance_ratio": "nearest, ratio",
    "memorisation.closer_than_unseen": "nearer than 99 %",
}
# Of real held-out images: counted, and as the probe counts them; then of samples.
SHARES = {"heldout": "real", "heldout_probed": "real, probed", "samples_probed": "samples, probed"}
EMBEDDED_CAPTION = (
    "Real images embedded by a method's encoder, or by Adam on z until the error falls no longer"
    " (BEGAN, figure 4). error: mean |x - G(z)| per pixel, in [-1, 1]'s units; gap: held-out less"
    " training images, above 0 where training images are remembered; in features: the distance of x"
    " and G(z) over that of two real images; own face: held-out faces whose own photograph is the"
    " nearest of all held-out ones by dlib_face, where that is installed; outside the prior:"
    " coordinates beyond those of 1,000 codes of the prior; no plateau: codes whose error still"
    " fell when the search was ended"
)
BETWEEN_CAPTION = (
    "Between pairs of embedded held-out images, and from an image to its mirror image, on straight"
    " lines. path: its length, and the distance of its ends, over the mean distance of two real"
    " images in features; longest step: its share of a path of 8, 0.125 where all are equal;"
    " asymmetry half-way to the mirror image, over the ends': below 1 a face turns to the front;"
    " distance, half-way: of the images half-way to as many real ones, which is more than that of"
    " many images and comparable within this table alone; over samples, over blends: the same over"
    " the distance of as many samples, and of the averages of two photographs"
)
COPIES_CAPTION = (
    "nearest, ratio: median distance of samples to their nearest"
    " training image over that of held-out images; nearer than 99 %: share of samples nearer to a"
    " training image than 99 % of the held-out ones are, 0.01 where nothing is copied, and more"
    " where samples are merely plainer than photographs; held-out images with a copy in training"
    " do not count. Attributes by a linear probe on the"
    " features: its count of real images beside their labels shows its own bias"
)
# Of version 1, whose columns are others.
FIRST = {
    "embedding.heldout": "error, held-out",
    "embedding.training": "error, training",
    "embedding.gap": "gap",
    "linear.length": "path length",
    "linear.longest_step": "longest step",
}
FIRST_CAPTION = (
    "What the last generators know, by the first version of the probe. error: mean |x - G(z)| per"
    " pixel, in [-1, 1]'s units, of images embedded by 200 steps of Adam on z, which is before"
    " their plateau, and the gap of held-out less training"
    " images: above 0 where training images are remembered. path length: of straight paths between"
    " random codes, in features, over the samples' mean distance; longest step: its share of a path"
    " of 8, 0.125 where all are equal"
)
_REAL = f"{CLASSIFIED}real_"
# By what a column is called for so many real images.
TAUGHT = {
    "real_{}": "alone",
    "augmented_{}": "mirrored and turned",
    "generated_{}": "with generated",
    "gain_augmented_{}": "gain, mirrored and turned",
    "gain_generated_{}": "gain, with generated",
    "generated_alone": "generated alone, as many as all",
    "classifier_sd": "sd over classifiers",
}
TAUGHT_CAPTION = (
    "Balanced accuracy on held-out real images of a small classifier, mean ± sd over generators'"
    " seeds, each the mean over its own classifiers. It learnt from so many real images, half of"
    " each class: alone, mirrored and turned by up to 10 degrees, or with as many generated ones,"
    " by one generator a class, or by one that is told the class; or from generated ones alone, as"
    " many as all real ones (classification accuracy score, Ravuri and Vinyals 2019). gain: less"
    " alone. sd over classifiers: of the same generators. A pair of generators has the name of its"
    " run with the attribute"
)


def probes(results: Tables) -> Iterator[Details]:
    """One row a cell, mean ± sd over its probed runs; nothing where no run was probed."""
    found = results.probes
    found = found.drop(columns=[key for key in found if str(key).startswith(CLASSIFIED)])
    found = found.dropna(how="all", subset=[key for key in found if key != "run_id"])
    if found.empty:
        return
    blocks: list[Plain] = []
    embedded = [
        (cell, way, suffix)
        for cell in results.cells
        for way, suffix in (("embedded", ""), ("searched", ", by search"))
        if _has(cell, found, [f"{way}.pixels.heldout"])
    ]
    for table, caption, names in (
        ("embedded", EMBEDDED_CAPTION, EMBEDDED),
        ("between", BETWEEN_CAPTION, BETWEEN),
    ):
        rows = [
            _row(cell, found, {f"{way}.{key}": name for key, name in names.items()}, suffix)
            for cell, way, suffix in embedded
        ]
        blocks += _table(results, table, rows, caption)
    for table, caption, names in (
        ("embedded_first", FIRST_CAPTION, FIRST),
        ("copies", COPIES_CAPTION, {**COPIES, **_attributes(found)}),
    ):
        rows = [_row(cell, found, names) for cell in results.cells if _has(cell, found, names)]
        blocks += _table(results, table, rows, caption)
    blocks.append(Words(_copies(results, found)))
    yield Details("Latent space, copies and attributes", blocks)


def _mine(cell: Cell, found: pd.DataFrame) -> pd.DataFrame:
    return found[found["run_id"].isin(cell.run_ids)]


def _has(cell: Cell, found: pd.DataFrame, columns: Collection[str]) -> bool:
    """Whether any of its runs has any of the columns."""
    there = [key for key in columns if key in found]
    return bool(_mine(cell, found)[there].notna().any(axis=None))


def _row(
    cell: Cell, found: pd.DataFrame, columns: Mapping[str, str], suffix: str = ""
) -> dict[str, str]:
    there = {key: name for key, name in columns.items() if key in found}
    mine = _mine(cell, found).dropna(subset=list(there), how="all")
    shown = {name: mean_spread(mine[key], len(mine)) for key, name in there.items()}
    return {"cell": f"{escaped(cell.title)}{suffix}", "probed": str(len(mine)), **shown}


def _table(results: Tables, name: str, rows: list[dict[str, str]], caption: str) -> Iterator[Table]:
    if rows:
        source = results.folder / "probes.csv"
        made = made_of(results.record)
        yield Table(name, pd.DataFrame(rows).fillna(""), f"{caption}. {made}.", source)


def _attributes(found: pd.DataFrame) -> dict[str, str]:
    names = [key.split(".")[1] for key in map(str, found) if key.startswith("attributes.")]
    return {
        f"attributes.{name}.{key}": f"{name}: {words}"
        for name in dict.fromkeys(names)
        for key, words in SHARES.items()
    }


def _copies(results: Tables, found: pd.DataFrame) -> str:
    key = "memorisation.closer_than_unseen"
    lines = []
    for cell in results.cells if key in found else ():
        closer = _mine(cell, found)[key].dropna()
        if len(closer):
            lines.append(f"- {escaped(cell.title)}: {copies_in_words(float(closer.mean()))}.")
    return "\n".join(lines)


def classified(results: Tables) -> Iterator[Table]:
    """One row a pair of cells, or one cell, and training set; nothing without classifiers."""
    sizes = [str(key).removeprefix(_REAL) for key in results.probes if str(key).startswith(_REAL)]
    rows = []
    for cell in results.cells if sizes else []:
        found = _mine(cell, results.probes).dropna(subset=[f"{_REAL}{size}" for size in sizes])
        for size in sorted(sizes, key=_number) if len(found) else []:
            numbers = {
                words: mean_spread(found[f"{CLASSIFIED}{name.format(size)}"], cell.planned)
                for name, words in TAUGHT.items()
            }
            rows.append({"generators": escaped(cell.title), "real images": size, **numbers})
    if rows:
        yield Table(
            "classified",
            pd.DataFrame(rows),
            f"{TAUGHT_CAPTION}. {made_of(results.record)}.",
            results.folder / "probes.csv",
        )


def _number(size: str) -> float:
    return float(size) if size.isdigit() else math.inf
