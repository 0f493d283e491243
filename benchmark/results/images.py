"""images.csv: external images, whose training is unknown, evaluated like an ablation's runs."""

from collections.abc import Mapping
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
    width: int
    """The judge's features per image; not in the table either."""


def refuse_others(folder: Path, name: str, images: Mapping[str, str]) -> None:
    """Raise InputError where images.csv has this name with other fingerprints, by judge."""
    for row in read_images(folder).to_dict("records"):
        now = images.get(row["judge"]) if row["name"] == name else None
        if now not in (None, row["images_sha256"]):
            raise InputError(
                f"{folder / 'images.csv'}: {name!r} names other images there; give another --as, "
                "or --replace to drop them"
            )


def add_images(folder: Path, rows: list[ImagesRow], *, replace: bool = False) -> Path:
    """Write the rows into images.csv in place of those with the same name and judge.

    Raises as `refuse_others` does, unless `replace` is set.
    """
    new = [{**row.model_dump(exclude={"values", "floor", "width"}), **row.values} for row in rows]
    replaced = {(row.name, row.judge) for row in rows}
    with FileLock(folder / ".images.lock"):  # two calls may add at once
        for row in () if replace else rows:
            refuse_others(folder, row.name, {row.judge: row.images_sha256})
        old = read_images(folder).to_dict("records")
        kept = [row for row in old if (row["name"], row["judge"]) not in replaced]
        write_table(folder / "images.csv", pd.DataFrame([*kept, *new]))
    return folder / "images.csv"
