"""`bench evaluate --images`: evaluate any images with the judges and metrics of the runs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from benchmark.ablation.messages import plainly
from benchmark.ablation.plan import Plan
from benchmark.data.settings import DATA, DataSettings
from benchmark.data.store import open_store
from benchmark.errors import InputError
from benchmark.evaluation.images import ReadImages, read_images
from benchmark.evaluation.judge import Judge
from benchmark.evaluation.settings import JudgeSettings
from benchmark.results.images import ImagesRow

DEFAULT_FEATURES = "efficientnet_lite0"
DEFAULT_SIZE = 64


@dataclass(frozen=True)
class Against:
    """Reference data and judges for images."""

    data: DataSettings
    judges: Mapping[str, JudgeSettings]
    all: bool = False  # compare all images, and not as many as the judges say


def against_plan(plan: Plan, cell: str | None, names: Sequence[str]) -> Against:
    """The data and judges of an ablation; `cell` selects the data if its cells' data differ.

    Raises InputError where it is not clear which data are meant, or there is no such judge.
    """
    cells = {planned.cell: planned.spec.data for planned in plan.runs}
    if cell is not None and cell not in cells:
        raise InputError(f"--against {cell}: {plan.name} has the cells {', '.join(cells)}")
    data = [cells[cell]] if cell is not None else list(cells.values())
    if any(each != data[0] for each in data):
        raise InputError(
            f"{plan.name} has several data sets; choose one with --against CELL: {', '.join(cells)}"
        )
    return Against(data[0], plan.judges(names))


def against_data(text: str, size: int | None, features: Sequence[str]) -> Against:
    """The data set called `text`: faces, celeba, or a folder of --data-root.

    Raises InputError where it cannot be one.
    """
    block = {"name": text} if text in ("faces", "celeba") else {"name": "folder", "folder": text}
    try:
        data = DATA.validate_python({**block, "size": size or DEFAULT_SIZE})
    except ValidationError as error:
        raise InputError(f"--against {text}: {plainly(error)}") from None
    judges = {
        name.replace(":", "."): JudgeSettings(features=name, samples=50)
        for name in features or [DEFAULT_FEATURES]
    }
    return Against(data, judges, all=True)


def evaluate_images(
    path: Path,
    name: str,
    against: Against,
    data_root: Path | None,
    cache: Path,
    device: torch.device,
    refuse: Callable[[Mapping[str, str]], object] | None = None,
) -> list[ImagesRow]:
    """One row a judge.

    `refuse` is told the fingerprint of each judge's images before any of them judges. Raises
    InputError where there are fewer usable images than a judge's samples.
    """
    store = open_store(against.data, data_root, cache)
    judges = dict(against.judges)
    if against.all:
        found = read_images(path, against.data.size)
        most = min(len(found.images), *(len(at) for at in store.splits.values()))
        if most < 50:
            raise InputError(f"{path}: {most} images can be compared; a judge needs at least 50")
        judges = {k: each.model_copy(update={"samples": most}) for k, each in judges.items()}
    read = {
        count: read_images(path, against.data.size, count)
        for count in {settings.samples for settings in judges.values()}
    }
    if refuse is not None:
        refuse({judge: _sha256(read[settings.samples]) for judge, settings in judges.items()})
    return [
        _row(
            name,
            Judge.of_data(judge, settings, against.data, store, data_root, cache, device),
            read[settings.samples],
        )
        for judge, settings in judges.items()
    ]


def _sha256(found: ReadImages) -> str:
    return hashlib.sha256(found.images.tobytes()).hexdigest()


def _row(name: str, judge: Judge, found: ReadImages) -> ImagesRow:
    images = torch.from_numpy(found.images)
    record = judge.record()
    return ImagesRow(
        name=name,
        judge=judge.name,
        features=judge.features,
        samples=len(found.images),
        unusable=len(found.unusable),
        images_sha256=_sha256(found),
        judge_digest=judge.digest,
        reference=record.reference,
        values=judge.evaluate(lambda start, count: images[start : start + count]),
        floor=record.floor,
        width=record.network["width"],
    )
