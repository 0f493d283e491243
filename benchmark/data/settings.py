"""What the `data` block of an ablation file may say. No torch here."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from benchmark.strict import Strict


def _halves_down_to_eight(size: int) -> int:
    steps = (size // 8).bit_length() - 1
    if size < 16 or size != 8 << steps:
        raise ValueError(
            "an image size that the networks can halve down to 8 x 8: 16, 32, 64, 128, 256, ..."
        )
    return size


ImageSize = Annotated[int, AfterValidator(_halves_down_to_eight)]


class FacesSettings(Strict):
    """Procedural faces: drawn, not photographed, with known factors (see `data/procedural.py`)."""

    name: Literal["faces"]
    size: ImageSize = 32
    count: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000


class CelebASettings(Strict):
    """CelebA, or any faces in CelebA's layout, as `data/celeba.py` reads them."""

    name: Literal["celeba"]
    view: Literal["aligned"] = "aligned"
    # Side of the centre crop in pixels of the 178 x 218 aligned image; the crops of the literature.
    crop: Literal[108, 128, 140, 160, 178] = 128
    size: ImageSize = 64


DataSettings = Annotated[FacesSettings | CelebASettings, Field(discriminator="name")]

# The three parts of every data set, in the order of CelebA's own partition file.
Split = Literal["train", "validation", "test"]
