"""images.csv: external images, whose training is unknown, evaluated like an ablation's runs."""

from pathlib import Path

import pandas as pd
from filelock import FileLock

from benchmark.errors import InputError
from benchmark.results.tables import read_images
from benchmark.results.writer import write_table
from benchmark.strict import Strict


class ImagesRow(Strict):
    """One judge's values for one set of images."""

    name: str
    judge: str
    features: str
    samples: int
    unusable: int
    """Broken or tiny images that were left out."""
    images_sha256: str
    """Fingerprint of the images as judged: square crops at the data's size."""
    judge_digest: str
    reference: str
    """Fingerprint of the data compared with."""
    values: dict[str, float]
    floor: dict[str, dict[str, float]]
    """The scores of real images instead; kept with the ablation's set-ups, not in the table."""


def add_images(folder: Path, rows: list[ImagesRow], *, replace: bool = False) -> Path:
    """Write the rows into images.csv, replacing those with the same name and judge.

    Raises InputError if these are of other images, unless `replace` is set.
    """
    new = [{**row.model_dump(exclude={"values", "floor"}), **row.values} for row in rows]
    images = {(row.name, row.judge): row.images_sha256 for row in rows}
    with FileLock(folder / ".images.lock"):  # two calls may add at once
        old = read_images(folder).to_dict("records")
        for row in old:
            now = images.get((row["name"], row["judge"]), row["images_sha256"])
            if now != row["images_sha256"] and not replace:
                raise InputError(
                    f"{folder / 'images.csv'}: {row['name']!r} names other images there; give"
                    " another --as, or --replace to drop them"
                )
        kept = [row for row in old if (row["name"], row["judge"]) not in images]
        write_table(folder / "images.csv", pd.DataFrame([*kept, *new]))
    return folder / "images.csv"
