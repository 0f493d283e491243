"""The results of probes, and what classifiers learnt from generated images, cell by cell."""

import math
from collections.abc import Collection, Iterator, Mapping

import pandas as pd

from benchmark.evaluation.columns import CLASSIFIED, copies_in_words
from benchmark.markup import escaped
from benchmark.report.captions import made_of
from benchmark.report.document import Details, Plain, Table, Words
from benchmark.report.numbers import mean_spread
from benchmark.results.tables import Cell, Tables

# Columns about the codes found in one way.
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
    "linear.ends": "ends",
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
# Shares of real held-out images by label and by the probe, then of samples by the probe.
SHARES = {"heldout": "real", "heldout_probed": "real, probed", "samples_probed": "samples, probed"}
EMBEDDED_CAPTION = (
    "Real images embedded by a method's encoder, or by Adam on z until the error stops falling"
    " (BEGAN, figure 4). error: mean |x - G(z)| per pixel, on the scale of [-1, 1]; gap: held-out"
    " minus training images, above 0 if training images are remembered; in features: the distance"
    " between x and G(z) over that between two real images; own face: share of held-out faces whose"
    " own photograph is the nearest of all held-out ones by dlib_face, if that is installed;"
    " outside the prior: share of coordinates outside the range of 1,000 codes from the prior; no"
    " plateau: codes whose error was still falling when the search ended"
)
BETWEEN_CAPTION = (
    "Straight lines between pairs of embedded held-out images, and (mirrored) from an image to its"
    " mirror image. path, ends: its length, and the distance between its ends, in features, over"
    " the mean distance between two real images; longest step: its share of a path of 8 steps,"
    " 0.125 if all are equal; asymmetry half-way to the mirror image, over that of the ends: below"
    " 1, a face turns to the front; distance, half-way: that of the images half-way from as many"
    " real ones, which is larger than for many images, so compare it only within this table; over"
    " samples, over blends: the same over the distance of as many samples, and of averages of two"
    " photographs"
)
COPIES_CAPTION = (
    "nearest, ratio: median distance of samples to their nearest training image, over that of"
    " held-out images; nearer than 99 %: share of samples nearer to a training image than 99 % of"
    " the held-out ones are, 0.01 if nothing is copied, and more if samples are merely plainer than"
    " photographs; held-out images with a copy in training do not count. Attributes are counted by"
    " a linear probe on the features; comparing its count of real images with their labels shows"
    " its bias"
)
# For version 1 of the probe, which had other columns.
FIRST = {
    "embedding.heldout": "error, held-out",
    "embedding.training": "error, training",
    "embedding.gap": "gap",
    "linear.length": "path length",
    "linear.longest_step": "longest step",
}
FIRST_CAPTION = (
    "By the first version of the probe. error: mean |x - G(z)| per pixel, on the scale of [-1, 1],"
    " of images embedded by 200 steps of Adam on z, which is before their plateau; gap: held-out"
    " minus training images, above 0 if training images are remembered; path length: that of"
    " straight paths between random codes, in features, over the mean distance between samples;"
    " longest step: its share of a path of 8 steps, 0.125 if all are equal"
)
_REAL = f"{CLASSIFIED}real_"
# Headings of the columns for this many real images.
TAUGHT = {
    "real_{}": "alone",
    "augmented_{}": "mirrored and rotated",
    "generated_{}": "with generated",
    "gain_augmented_{}": "gain, mirrored and rotated",
    "gain_generated_{}": "gain, with generated",
    "generated_alone": "generated alone, as many as the most real",
    "classifier_sd": "sd over classifiers",
}
TAUGHT_CAPTION = (
    "Balanced accuracy of a small classifier on held-out real images, mean ± sd over generators'"
    " seeds, each the mean over its own classifiers. The classifier was trained on this many real"
    " images, half of each class: alone; mirrored and rotated by up to 10 degrees; or with as many"
    " generated ones, from one generator per class or from one that takes the class as a label. Or"
    " it was trained on generated ones alone (classification accuracy score, Ravuri and Vinyals"
    " 2019). gain: minus alone. sd over classifiers: for the same generators. A pair of generators"
    " is listed under the name of its run with the attribute"
)


def probes(results: Tables) -> Iterator[Details]:
    """One row per cell, mean ± sd over its probed runs; nothing if no run was probed."""
    probed = results.probes
    probed = probed.drop(columns=[key for key in probed if str(key).startswith(CLASSIFIED)])
    probed = probed.dropna(how="all", subset=[key for key in probed if key != "run_id"])
    if probed.empty:
        return
    blocks: list[Plain] = []
    embedded = [
        (cell, way, suffix)
        for cell in results.cells
        for way, suffix in (("embedded", ""), ("searched", ", by search"))
        if _has(cell, probed, [f"{way}.pixels.heldout"])
    ]
    for table, caption, names in (
        ("embedded", EMBEDDED_CAPTION, EMBEDDED),
        ("between", BETWEEN_CAPTION, BETWEEN),
    ):
        rows = [
            _row(cell, probed, {f"{way}.{key}": name for key, name in names.items()}, suffix)
            for cell, way, suffix in embedded
        ]
        blocks += _table(results, table, rows, caption)
    for table, caption, names in (
        ("embedded_first", FIRST_CAPTION, FIRST),
        ("copies", COPIES_CAPTION, {**COPIES, **_attributes(probed)}),
    ):
        rows = [_row(cell, probed, names) for cell in results.cells if _has(cell, probed, names)]
        blocks += _table(results, table, rows, caption)
    blocks.append(Words(_copies(results, probed)))
    yield Details("Latent space, copies and attributes", blocks)


def _of_cell(cell: Cell, probed: pd.DataFrame) -> pd.DataFrame:
    return probed[probed["run_id"].isin(cell.run_ids)]


def _has(cell: Cell, probed: pd.DataFrame, columns: Collection[str]) -> bool:
    """Whether any of the cell's runs has a value in any of the columns."""
    present = [key for key in columns if key in probed]
    return bool(_of_cell(cell, probed)[present].notna().any(axis=None))


def _row(
    cell: Cell, probed: pd.DataFrame, columns: Mapping[str, str], suffix: str = ""
) -> dict[str, str]:
    present = {key: name for key, name in columns.items() if key in probed}
    runs = _of_cell(cell, probed).dropna(subset=list(present), how="all")
    shown = {name: mean_spread(runs[key], len(runs)) for key, name in present.items()}
    return {"cell": f"{escaped(cell.title)}{suffix}", "probed": str(len(runs)), **shown}


def _table(results: Tables, name: str, rows: list[dict[str, str]], caption: str) -> Iterator[Table]:
    if rows:
        source = results.folder / "probes.csv"
        caption = f"{caption}. {made_of(results.record)}."
        yield Table(name, pd.DataFrame(rows).fillna(""), caption, source)


def _attributes(probed: pd.DataFrame) -> dict[str, str]:
    names = [key.split(".")[1] for key in map(str, probed) if key.startswith("attributes.")]
    return {
        f"attributes.{name}.{key}": f"{name}: {words}"
        for name in dict.fromkeys(names)
        for key, words in SHARES.items()
    }


def _copies(results: Tables, probed: pd.DataFrame) -> str:
    key = "memorisation.closer_than_unseen"
    lines = []
    for cell in results.cells if key in probed else ():
        closer = _of_cell(cell, probed)[key].dropna()
        if len(closer):
            lines.append(f"- {escaped(cell.title)}: {copies_in_words(float(closer.mean()))}.")
    return "\n".join(lines)


def classified(results: Tables) -> Iterator[Table]:
    """One row per pair of cells (or cell) and training set; nothing without classifiers."""
    sizes = [str(key).removeprefix(_REAL) for key in results.probes if str(key).startswith(_REAL)]
    rows = []
    for cell in results.cells if sizes else []:
        runs = _of_cell(cell, results.probes).dropna(subset=[f"{_REAL}{size}" for size in sizes])
        for size in sorted(sizes, key=_number) if len(runs) else []:
            numbers = {
                words: mean_spread(runs[f"{CLASSIFIED}{name.format(size)}"], cell.planned)
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
