"""CelebA (Liu et al., ICCV 2015), and any faces in its layout, in any view.

img_align_celeba/NNNNNN.jpg     178 x 218, eyes at fixed places
img_celeba/NNNNNN.jpg           the same people as photographed
list_eval_partition.txt         0 train, 1 validation, 2 test
list_landmarks_celeba.txt, list_bbox_celeba.txt     for the views of img_celeba
list_attr_celeba.txt, identity_CelebA.txt           for only, mix and disjoint
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.annotations import Table, read_table
from benchmark.data.files import (
    Files,
    Unreadable,
    content_digest,
    decode,
    open_files,
    orientation,
)
from benchmark.data.layout import (
    ALIGNED,
    ANNOTATIONS,
    ATTRIBUTES,
    BOXES,
    IDENTITIES,
    LANDMARKS_ALIGNED,
    LANDMARKS_WILD,
    PARTITION,
    WILD,
)
from benchmark.data.selection import mixed, refuse_empty, with_attributes, without_known_people
from benchmark.data.settings import (
    AlignedView,
    CelebASettings,
    RotatedView,
    Split,
    UprightView,
    WildView,
)
from benchmark.data.views import aligned, rotated, upright, wild
from benchmark.data.views.square import Square, Squares, sample
from benchmark.errors import InputError

# To be raised whenever the same file would give other pixels.
READER_VERSION = 2
PARTS: tuple[Split, ...] = ("train", "validation", "test")
_PROBED = 16  # images whose pixels enter the fingerprint

# Data sets by the MD5 sums of these two files. The partition alone will not do: it is mere
# numbering, the same for any faces that are cut into parts of the same sizes. CelebA's sums are
# those in torchvision.datasets.CelebA.
_KNOWN_MD5 = {
    ("d32c9cbf5e040fd4025c592c306e6668", "cc24ecafdb5b50baae59b03474781f8c"): "CelebA",
    ("a16b17bb40e5511940f05e43e6176216", "98a728f5b5e46c127ca0b13a5be2a629"): (
        "All-Age-Faces in CelebA's layout"
    ),
}


def find_root(data_root: Path | None, images: str) -> tuple[Path, Files]:
    """The folder that holds `images`, `data_root` itself or its `celeba/`, and those files."""
    if data_root is None:
        raise InputError(
            "data: CelebA is wanted but no folder was named; give --data-root DIR (or BENCH_DATA), "
            f"where DIR or DIR/celeba holds {images}/ and list_eval_partition.txt"
        )
    for root in (data_root, data_root / "celeba"):
        files = open_files(root, images)
        if files is not None:
            return root, files
    raise InputError(
        f"{data_root}: no {images}/ or {images}.zip here or in its celeba/; give --data-root the "
        f"folder that holds CelebA's {images}/ and list_*.txt (bench data get celeba fetches them)"
    )


class CelebA:
    """CelebA's photographs in one view."""

    subject = "faces"

    def __init__(self, settings: CelebASettings, data_root: Path | None) -> None:
        """Raises InputError where a file that the settings need is missing or faulty."""
        self.settings, self.size, view = settings, settings.size, settings.view
        in_the_wild = isinstance(view, WildView | UprightView)
        self._images = WILD if in_the_wild else ALIGNED
        self.root, self._files = find_root(data_root, self._images)
        partition = read_table(self.root / PARTITION, ("partition",), header=False)
        order = np.argsort(partition.names)
        self._names = [partition.names[i] for i in order]
        self._parts = partition.values[order, 0]
        wrong = np.flatnonzero((self._parts < 0) | (self._parts > 2))
        if len(wrong):
            raise InputError(
                f"{self.root / PARTITION}: {self._names[wrong[0]]} is in part "
                f"{self._parts[wrong[0]]}; allowed are 0 train, 1 validation, 2 test"
            )
        self.title = title_of(self.root)
        self.visits: rotated.Visits | None = None
        if isinstance(view, RotatedView) and view.draw == "visit":
            self.visits = rotated.photograph_visits(view, self.size, settings.resample)
        self._used_for_pixels: set[str] = set()
        self._squares = self._find_squares()
        self._splits = self._select()
        self._pixels: str | None = None

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return f"{self._images}/{self._names[index]}"

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        return self._splits

    def labels(self) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
        """The attributes of list_attr_celeba.txt (Smiling, Eyeglasses, ...) where it is there."""
        if not (self.root / ATTRIBUTES).exists():
            return (), np.zeros((len(self), 0), dtype=np.uint8)
        table = self._table(ATTRIBUTES)
        return table.columns, (table.values > 0).astype(np.uint8)

    def _find_squares(self) -> Squares:
        """The square of each image, or that of its canvas."""
        view = self.settings.view
        if self.visits is not None:
            return self.visits.squares(len(self))
        if isinstance(view, AlignedView):
            return aligned.squares(view, len(self))
        if isinstance(view, RotatedView):
            return rotated.squares(view, len(self))
        marks = self._marks(view)
        if isinstance(view, WildView):
            return wild.squares(view, marks)
        return upright.squares(view, marks)

    def _marks(self, view: WildView | UprightView) -> wild.Marks:
        landmarks = boxes = None
        if view.by == "landmarks" or isinstance(view, UprightView):
            self._used_for_pixels.add(LANDMARKS_WILD)
            values = self._columns(LANDMARKS_WILD).astype(np.float64)
            landmarks = values.reshape(-1, 5, 2) + 0.5
        if view.by == "box":
            self._used_for_pixels.add(BOXES)
            boxes = self._columns(BOXES).astype(np.float64)
        return wild.Marks(landmarks, boxes)

    def _columns(self, file: str, *more: str) -> NDArray[np.int64]:
        """Columns (N, columns) of an annotation file, in the order of the images."""
        table = self._table(file, *more)
        names = (*ANNOTATIONS[file].columns, *more)
        return table.values[:, [table.columns.index(name) for name in names]]

    def _table(self, file: str, *more: str) -> Table:
        """An annotation file with its rows in the order of the images."""
        names = (*ANNOTATIONS[file].columns, *more)
        table = read_table(self.root / file, names, header=ANNOTATIONS[file].header)
        rows = {name: row for row, name in enumerate(table.names)}
        absent = next((name for name in self._names if name not in rows), None)
        if absent is not None:
            raise InputError(f"{self.root / file}: {absent} of {PARTITION} is not in it")
        order = [rows[name] for name in self._names]
        return Table(tuple(self._names), table.columns, table.values[order])

    def _select(self) -> dict[Split, NDArray[np.int64]]:
        settings = self.settings
        parts = {part: np.flatnonzero(self._parts == i) for i, part in enumerate(PARTS)}

        @cache
        def has(attribute: str) -> NDArray[np.bool_]:
            found: NDArray[np.bool_] = self._columns(ATTRIBUTES, attribute)[:, 0] > 0
            return found

        parts = with_attributes(parts, settings.only, has)
        if settings.disjoint:
            people = self._columns(IDENTITIES)[:, 0]
            parts = without_known_people(parts, people)
        if settings.mix is not None:
            parts["train"] = mixed(parts["train"], settings.mix, has(settings.mix.attribute))
        if settings.only or settings.disjoint or settings.mix:
            refuse_empty(parts, self.title)
        return parts

    def pixels(self) -> str:
        """Over every file's content, the annotations and settings that decide the pixels, the
        reader's version, and a few images' pixels: for another decoder, or a forgotten version.

        Neither the path nor the files' times enter.
        """
        if self._pixels is None:
            self._pixels = self._digest()
        return self._pixels

    def _digest(self) -> str:
        settings = self.settings.model_dump_json(include={"view", "size", "resample"})
        digest = hashlib.sha256(f"celeba/{READER_VERSION}/{settings}".encode())
        for file in sorted(self._used_for_pixels):
            digest.update(self._sum(file))
        digest.update(content_digest(self._files, self._names))
        digest.update(self.decode(np.arange(min(_PROBED, len(self))))[0].tobytes())
        return digest.hexdigest()

    def fingerprint(self) -> str:
        """Over `pixels`, every setting, the partition and what else the parts are chosen by."""
        settings = self.settings
        digest = hashlib.sha256(f"{self.pixels()}/{settings.model_dump_json()}".encode())
        digest.update(self._sum(PARTITION))
        if settings.only or settings.mix:
            digest.update(self._sum(ATTRIBUTES))
        if settings.disjoint:
            digest.update(self._sum(IDENTITIES))
        return digest.hexdigest()

    def _sum(self, file: str) -> bytes:
        return hashlib.sha256((self.root / file).read_bytes()).digest()

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images (N, 3, side, side); one that is not whole is black and flagged.

        `side` is the images' size, or that of the canvases of `visits`.
        """
        side = self.visits.canvas if self.visits else self.size
        images = np.zeros((len(indices), 3, side, side), dtype=np.uint8)
        whole = np.zeros(len(indices), dtype=np.bool_)
        for row, index in enumerate(indices.tolist()):
            try:
                images[row] = self._seen(index, side)
            except Unreadable:
                continue
            whole[row] = True
        return images, whole

    def fault(self, index: int) -> str | None:
        """Why an image is not whole, None for one that is."""
        try:
            self._seen(index, self.size)
        except Unreadable as why:
            return str(why)
        return None

    def _seen(self, index: int, side: int) -> NDArray[np.uint8]:
        """(3, side, side); raises Unreadable.

        An aligned image must be 178 x 218 and a face in the wild lie in its image. One that is
        marked as turned (EXIF) is refused: its annotations may mean it turned or not.
        """
        image = decode(self._files.read(self._names[index]))
        if orientation(image) != 1:
            raise Unreadable("marked as turned by its EXIF data")
        square, view = self._squares[index], self.settings.view
        if isinstance(view, AlignedView | RotatedView):
            if image.size != (aligned.WIDTH, aligned.HEIGHT):
                raise Unreadable(f"{image.width} x {image.height}, not 178 x 218")
        elif not _holds_face(image.size, square, view.margin):
            raise Unreadable("its annotated face does not lie in it")
        return sample(image, square, side, self.settings.resample)


def _holds_face(size: tuple[int, int], square: Square, margin: float) -> bool:
    """Whether the square's centre lies in the image and the face is neither a dot nor beyond it."""
    width, height = size
    inside = 0 <= square.x <= width and 0 <= square.y <= height
    return inside and 4 <= square.side / margin <= 4 * max(width, height)


def title_of(root: Path) -> str:
    """What captions call the faces in CelebA's layout at `root`."""
    sums = _md5(root / PARTITION), _md5(root / LANDMARKS_ALIGNED)
    return _KNOWN_MD5.get(sums, "unknown faces in CelebA's layout")


def _md5(path: Path) -> str:
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return "missing"
