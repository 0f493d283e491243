"""The `data` block of an ablation file. No torch here."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Tag, TypeAdapter

from benchmark.strict import BY_NAME, Names, Strict


def _halves_down_to_eight(size: int) -> int:
    steps = (size // 8).bit_length() - 1
    if size < 16 or size != 8 << steps:
        raise ValueError(
            "an image size that the networks can halve down to 8 x 8: 16, 32, 64, 128, 256, ..."
        )
    return size


ImageSize = Annotated[
    int,
    AfterValidator(_halves_down_to_eight),
    Field(
        description="Side of the training images in pixels; networks halve it down to 8, so 16, 32,"
        " 64, 128, ..."
    ),
]
Crop = Annotated[
    Literal[108, 128, 140, 160, 178],
    Field(
        description="Side of the centre crop in pixels of the 178 x 218 aligned image; the crops of"
        " the literature."
    ),
]
Margin = Annotated[
    float,
    Field(
        gt=0.2,
        le=5,
        description="Side of a crop about a face in the wild, over the side that CelebA's own"
        " alignment would give it.",
    ),
]
CropBy = Annotated[
    Literal["landmarks", "box"],
    Field(description="What places the crop: the five landmarks, or the box of a detector."),
]


class AlignedView(Strict):
    """The centre square of CelebA's aligned image."""

    name: Literal["aligned"]
    crop: Crop = 128


class RotatedView(Strict):
    """The aligned image turned about the camera's axis by a random roll."""

    name: Literal["rotated"]
    crop: Crop = 128
    roll: Literal["normal", "uniform"] = "normal"
    """The roll's distribution."""
    degrees: Annotated[float, Field(ge=0, le=180)]
    """In degrees: the sd of the normal, the half-width of the uniform roll."""
    draw: Literal["image", "visit"] = "image"
    """One fixed roll per image, or a fresh one each time the image is seen (augmentation)."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Sd of a random shift, over the crop's side."""
    scale: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Sd of the logarithm of a random scale."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seed of the rolls."""


class WildView(Strict):
    """The face as photographed: roll and pose kept, cropped by its landmarks or its box."""

    name: Literal["wild"]
    by: CropBy = "landmarks"
    margin: Margin = 1.0


def _named(view: Any) -> Any:
    """`view: wild` is short for `view: {name: wild}`; a view without a name is aligned."""
    if isinstance(view, dict):
        return {"name": "aligned", **view}
    return {"name": view} if isinstance(view, str) else view


View = Annotated[
    AlignedView | RotatedView | WildView,
    Field(
        discriminator="name",
        description="How a face is seen. The name alone is enough where the rest has defaults, as"
        " in `view: wild`.",
    ),
    BeforeValidator(_named),
]


class Mix(Strict):
    """Training images thinned until `share` of them have `attribute`."""

    attribute: str
    """One of the data set's attributes, as in Smiling."""
    share: Annotated[float, Field(ge=0, le=1)]
    """The attribute's share among the training images that are kept."""


class FacesSettings(Strict):
    """Procedural faces: drawn, not photographed, with known factors (see `data/faces/`)."""

    name: Literal["faces"]
    view: View = AlignedView(name="aligned")
    size: ImageSize = 32
    count: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    """Total number of faces; every part is a share of them."""
    # Both are omitted from the description if unset, so that runs without them keep their ids.
    only: Names = Field(default=(), exclude_if=lambda only: not only)
    """Only images with (or, as in "not Smiling", without) these attributes, in every part."""
    mix: Mix | None = Field(default=None, exclude_if=lambda mix: mix is None)
    """Training images thinned until an attribute has a given share."""


class CelebASettings(Strict):
    """CelebA, or any faces in CelebA's layout, as `data/celeba/dataset.py` reads them."""

    name: Literal["celeba"]
    view: View = AlignedView(name="aligned")
    size: ImageSize = 64
    resample: Literal["bicubic", "nearest"] = "bicubic"
    """Departure: nearest-neighbour resizing, without antialiasing."""
    only: Names = ()
    """Only images with (or, as in "not Male", without) these attributes, in every part."""
    mix: Mix | None = None
    """Training images thinned until an attribute has a given share."""
    disjoint: bool = False
    """Exclude people from validation and test who are also in training."""


_PART = r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*"  # of a path: any name but a hidden one


class FolderSettings(Strict):
    """A plain folder of images (FFHQ and the like) below the data root, parts drawn by name."""

    name: Literal["folder"]
    folder: Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$")]
    """Its name below --data-root, or that of an archive: a name, never a path of this machine."""
    size: ImageSize = 64
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Side of the centre square over the image's shorter side."""


class ExternalData(Strict):
    """A data set from outside the package: `name` is the import path of its class."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    size: ImageSize = 64
    options: dict[str, bool | int | float | str] = {}  # noqa: RUF012 - pydantic copies defaults
    """Passed to the class unchanged."""


DataSettings = Annotated[
    Annotated[FacesSettings, Tag("faces")]
    | Annotated[CelebASettings, Tag("celeba")]
    | Annotated[FolderSettings, Tag("folder")]
    | Annotated[ExternalData, Tag("external")],
    BY_NAME,
]

DATA: TypeAdapter[DataSettings] = TypeAdapter(DataSettings)

# The three parts of every data set, in the order of CelebA's own partition file.
Split = Literal["train", "validation", "test"]
