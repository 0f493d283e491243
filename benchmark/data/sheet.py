"""Contact sheets: what the network will see, for a person to see it first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import TypeAdapter, ValidationError

from benchmark.data.settings import CelebASettings, FacesSettings, View
from benchmark.data.source import FaceSource, open_source
from benchmark.errors import InputError
from benchmark.faults import allowed
from benchmark.tiles import GUTTER, tiled

VIEWS = (
    "aligned",
    "rotated:degrees=10",
    "rotated:degrees=20",
    "rotated:degrees=45",
    "wild",
)
_CAPTION = 22


def parse_view(text: str) -> View:
    """A view from NAME or NAME:key=value,...; raises InputError.

    `rotated` alone turns by an sd of 20 degrees.
    """
    name, _, rest = text.partition(":")
    said: dict[str, Any] = {"name": name, **({"degrees": 20.0} if name == "rotated" else {})}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"view {text!r}: write NAME:key=value,key=value")
        said[key.strip()] = _value(value.strip())
    try:
        return TypeAdapter[View](View).validate_python(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise InputError(f"view {text!r}: {where or 'name'}: allowed: {allowed(first)}") from None


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def contact_sheet(
    views: Sequence[str],
    data: Literal["faces", "celeba"],
    data_root: Path | None,
    size: int,
    columns: int,
    rows: int,
) -> Image.Image:
    """The same `columns` x `rows` people in each view, a caption above each."""
    strips = []
    for text in views:
        view = parse_view(text)
        settings = (
            FacesSettings(name="faces", view=view, size=size)
            if data == "faces"
            else CelebASettings(name="celeba", view=view, size=size)
        )
        source = open_source(settings, data_root)
        strips.append(
            (text, tiled(_first_whole(source, columns * rows), columns)[GUTTER:, GUTTER:])
        )
    return _stacked(strips)


def _first_whole(source: FaceSource, count: int) -> NDArray[np.uint8]:
    """Training images (count, 3, size, size), as evaluation would see them."""
    at = source.splits()["train"][: 2 * count]
    images, whole = source.decode(at)
    if whole.sum() < count:
        raise InputError(f"{source.title}: too few intact images for a sheet of {count}")
    at, images = at[whole][:count], images[whole][:count]
    if source.visits is None:
        return images
    turned = np.zeros((int(at.max()) + 1, *images.shape[1:]), dtype=np.uint8)
    turned[at] = images
    return source.visits.batch(turned, at, "image")


def _stacked(strips: list[tuple[str, NDArray[np.uint8]]]) -> Image.Image:
    height = sum(strip.shape[0] + _CAPTION for _, strip in strips)
    sheet = Image.new("RGB", (strips[0][1].shape[1], height), "white")
    brush, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(14), 0
    for caption, strip in strips:
        brush.text((2, top + 2), caption, fill="black", font=font)
        sheet.paste(Image.fromarray(strip), (0, top + _CAPTION))
        top += strip.shape[0] + _CAPTION
    return sheet
