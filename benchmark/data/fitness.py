"""Whether a data set can be trained on: shared by `bench data check` and runs."""

import re
from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from benchmark.data.photographs import Photographs
from benchmark.data.settings import Split
from benchmark.data.source import FaceSource

# Training continues only if fewer than this share of the images is broken.
BROKEN_LIMIT = 1e-3
# This share of the images named in a table must exist: with fewer, the table is for another data
# set.
SHARE_LIMIT = 0.01
LEAST_JUDGED = 50  # images of each part: a judge takes no fewer samples
_LOOKED_AT = 16  # images before all are decoded
_NAMED = 5  # broken images that a message names
_ASKED = 500  # broken images that are asked for their reason


def unfit(source: FaceSource) -> str | None:
    """Why a data set cannot be trained on, judging from a few images; None: no reason found."""
    there = np.setdiff1d(np.arange(len(source)), source.absent)
    if len(there) == 0:
        return (
            f"{source.title}: none of the {len(source)} images that its table names is there "
            f"(first missing: {source.name(int(source.absent[0]))}): they are missing or called "
            "otherwise; put them there (bench data get celeba fetches CelebA's)"
        )
    if len(there) < SHARE_LIMIT * len(source):
        return (
            f"{source.title}: {len(there)} of the {len(source)} images that its table names are "
            f"there (first missing: {source.name(int(source.absent[0]))}); with fewer than 1 in "
            f"{round(1 / SHARE_LIMIT)} it is the table of other images: give --data-root the "
            "folder of both, or train by data.name=folder"
        )
    if isinstance(source, Photographs):
        few: list[int] = there[:: max(1, len(there) // _LOOKED_AT)][:_LOOKED_AT].tolist()
        if all(source.fault(index) is not None for index in few):
            return (
                f"{source.title}: none of the {len(few)} images looked at can be used: "
                f"{reasons(source, few)}"
            )
    return None


def too_many_broken(source: FaceSource, broken: Sequence[int]) -> str | None:
    """Why a data set with these broken images is refused, with their reasons; None if it is
    accepted."""
    there = len(source) - len(source.absent)
    if not broken or len(broken) < BROKEN_LIMIT * there:
        return None
    names = ", ".join(source.name(index) for index in broken[:_NAMED])
    return (
        f"{len(broken)} of {there} images cannot be used (allowed: fewer than 1 in 1,000): "
        f"{names}{', ...' if len(broken) > _NAMED else ''}; {reasons(source, broken)}"
    )


def only_copies(source: FaceSource) -> str | None:
    """Which part holds only copies; None if no part does. It reads every file."""
    copies = source.copies()
    for part, at in source.splits().items():
        if len(at) and len(np.setdiff1d(at, copies)) == 0:
            return (
                f"{source.title}: its {len(at)} {part} images are all copies of images of another "
                "part; more different images are needed"
            )
    return None


def too_few(sizes: Mapping[Split, int], needed: Mapping[Split, int]) -> int | None:
    """How many images in total would give each part enough; None if each has enough."""
    if all(sizes[part] >= count for part, count in needed.items()):
        return None
    total = sum(sizes.values())
    # The share of an empty part is unknown: assume a tenth, as when parts are drawn.
    return max(
        ceil(count * total / sizes[part]) if sizes[part] else 10 * count
        for part, count in needed.items()
    )


def reasons(source: FaceSource, broken: Sequence[int]) -> str:
    """Why images cannot be used, the commonest reasons first, and what to do about them."""
    if not isinstance(source, Photographs):
        return "fix its class, or leave them out of its parts"
    found = grouped([source.fault(index) or "" for index in broken[:_ASKED]])
    said = "; ".join(f"{why} ({count} images)" for why, count in list(found.items())[:3])
    advice = dict.fromkeys(what_to_do(why).replace("NAME", source.place) for why in list(found)[:3])
    return f"{said}: {'; '.join(advice)}"


def grouped(found: Sequence[str]) -> dict[str, int]:
    """How often each reason is given, apart from the numbers in it; the commonest first."""
    said: dict[str, str] = {}
    counts: dict[str, int] = {}
    for why in found:
        kind = re.sub(r"\d+", "0", why)
        said.setdefault(kind, why)
        counts[kind] = counts.get(kind, 0) + 1
    ordered = sorted(counts, key=lambda kind: -counts[kind])
    return {said[kind]: counts[kind] for kind in ordered}


def what_to_do(why: str) -> str:
    """One sentence for a reason."""
    for words, advice in _ADVICE.items():
        if words in why:
            return advice
    return "fetch them again, or remove them"


_ANOTHER_SIZE = "not 178 x 218"
_ADVICE = {
    _ANOTHER_SIZE: "images that are cropped or resized already train by --set data.name=folder "
    "--set data.folder=NAME",
    "EXIF": "turn them as they are meant to be seen (magick mogrify -auto-orient), or train by "
    "--set data.name=folder",
    "no image of these kinds": "convert them (magick mogrify -format png), or fetch again what is "
    "no image at all",
    "whose black and white": "convert them to 8 bits (magick mogrify -colorspace sRGB -depth 8)",
    "too large": "make them smaller (magick mogrify -resize 4096x4096)",
    "annotated face": "the table is of other images; fetch the one that belongs to them",
    "cannot be read": "make them readable (chmod -R u+r)",
    "cannot be unpacked": "fetch the archive again, or unpack it by hand",
}
