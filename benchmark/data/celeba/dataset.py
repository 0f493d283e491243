"""CelebA (Liu et al., ICCV 2015), and any faces in its layout, in any view.

img_align_celeba/NNNNNN.jpg     178 x 218, eyes at fixed places
img_celeba/NNNNNN.jpg           the same people as photographed
list_eval_partition.txt         0 train, 1 validation, 2 test
list_landmarks_celeba.txt, list_bbox_celeba.txt     for the views of img_celeba
list_attr_celeba.txt, identity_CelebA.txt           for only, mix and disjoint
"""

import hashlib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.celeba.annotations import Table
from benchmark.data.celeba.layout import (
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
from benchmark.data.celeba.partition import PARTS, find_parts
from benchmark.data.celeba.tables import TableFile, as_authors_write, md5
from benchmark.data.celeba.tree import Tree, find_tree, match
from benchmark.data.containers.listing import Listing, shown, suffix_of
from benchmark.data.images import Unreadable, decode, orientation
from benchmark.data.photographs import Photographs, Reading
from benchmark.data.selection import chosen
from benchmark.data.settings import (
    AlignedView,
    CelebASettings,
    RotatedView,
    Split,
    WildView,
)
from benchmark.data.views import aligned, rotated, wild
from benchmark.data.views.square import Square, Squares, sample
from benchmark.errors import InputError

# To be raised whenever the same file would give other pixels.
READER_VERSION = 2
# A published partition stays as it is where fewer than this share of its held-out images have a
# copy in an earlier part: others' figures have them too. They are named.
COPIES_LIMIT = 0.05

# Data sets by the MD5 sum of their partition: their title, the sum of their aligned landmarks and,
# for other forms of these files, the first rows. The partition alone will not do: it is mere
# numbering, the same for any faces that are cut into parts of the same sizes. CelebA's sums are
# those in torchvision.datasets.CelebA.
_KNOWN = {
    "d32c9cbf5e040fd4025c592c306e6668": (
        "CelebA",
        "cc24ecafdb5b50baae59b03474781f8c",
        [
            [69, 109, 106, 113, 77, 142, 73, 152, 108, 154],
            [69, 110, 107, 112, 81, 135, 70, 151, 108, 153],
            [76, 112, 104, 106, 108, 128, 74, 156, 98, 158],
        ],
    ),
    "a16b17bb40e5511940f05e43e6176216": (
        "All-Age-Faces in CelebA's layout",
        "98a728f5b5e46c127ca0b13a5be2a629",
        [
            [69, 111, 107, 111, 90, 135, 73, 152, 103, 153],
            [70, 112, 107, 112, 88, 131, 74, 154, 104, 154],
            [69, 113, 108, 112, 88, 138, 70, 150, 107, 149],
        ],
    ),
}
_UNKNOWN = "unknown faces in CelebA's layout"


class CelebA(Photographs):
    """CelebA's photographs in one view."""

    subject = "faces"

    def __init__(
        self, settings: CelebASettings, data_root: Path | None, reading: Reading | None = None
    ) -> None:
        """Raises InputError where a file that the settings need is missing or faulty."""
        self.settings, self.size, view = settings, settings.size, settings.view
        self._images = WILD if isinstance(view, WildView) else ALIGNED
        self.tree = _tree(data_root, self._images)
        self.root, files = self.tree.root, self.tree.images[self._images]
        assert data_root is not None
        place = files.path.relative_to(data_root).as_posix()
        self.place = files.path.name if place == "." else place
        self.listing = files.images()
        self.partition = find_parts(self.tree, self._images, self.listing.names)
        names = self.partition.names
        found = match(names, self.listing.names)
        super().__init__(files, names, found, reading or Reading())
        self.title = title_of(self.tree)
        if isinstance(view, RotatedView) and view.draw == "visit":
            self.visits = rotated.photograph_visits(view, self.size, settings.resample)
        self._used_for_pixels: set[str] = set()
        self._squares = self._find_squares()
        self._chosen = self._select()

    def name(self, index: int) -> str:
        return shown(f"{self._images}/{self._names[index]}")

    def labels(self) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
        """The attributes of list_attr_celeba.txt (Smiling, Eyeglasses, ...) where it is there.

        A column of other numbers than 1 and -1 or 0, such as an age, is none.
        """
        if ATTRIBUTES not in self.tree.tables:
            return (), np.zeros((len(self), 0), dtype=np.uint8)
        table = self._table(ATTRIBUTES)
        said = [name for name in table.columns if _says(table.column(name))]
        values = [table.column(name) > 0 for name in said]
        return tuple(said), np.array(values, dtype=np.uint8).reshape(-1, len(self)).T

    def _find_squares(self) -> Squares:
        """The square of each image, or that of its canvas."""
        view = self.settings.view
        if self.visits is not None:
            return self.visits.squares(len(self))
        if isinstance(view, AlignedView):
            return aligned.squares(view, len(self))
        if isinstance(view, RotatedView):
            return rotated.squares(view, len(self))
        table = LANDMARKS_WILD if view.by == "landmarks" else BOXES
        self._used_for_pixels.add(table)
        marks = self._columns(table).astype(np.float64)
        if view.by == "box":
            return wild.about_boxes(view, marks)
        return wild.about_landmarks(view, marks.reshape(-1, 5, 2) + 0.5)

    def _columns(self, file: str, *more: str) -> NDArray[Any]:
        """Columns (N, columns) of an annotation file, in the order of the images."""
        table = self._table(file, *more)
        names = (*ANNOTATIONS[file].columns, *more)
        return table.values[:, [table.columns.index(name) for name in names]]

    def _table(self, file: str, *more: str) -> Table:
        """An annotation file with its rows in the order of the images; 0 for those not there."""
        if file not in self.tree.tables:
            raise InputError(
                f"{self.root / file}: missing; it belongs to CelebA's layout, and "
                f"{ANNOTATIONS[file].needed_for} need it"
            )
        table = self.tree.tables[file].read(*more)
        place: dict[str | None, int] = {name: row for row, name in enumerate(table.names)}
        order = np.array([place.get(name, -1) for name in match(self._names, table.names)])
        lacking = np.setdiff1d(np.flatnonzero(order < 0), self.absent)
        if len(lacking):
            raise InputError(
                f"{self.tree.tables[file].where}: {self._names[lacking[0]]} of "
                f"{self.partition.said_in} is not in it"
            )
        values = np.where(order[:, None] >= 0, table.values[order], 0)
        return Table(tuple(self._names), table.columns, values)

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        return self._chosen

    def _select(self) -> dict[Split, NDArray[np.int64]]:
        parts = {
            part: np.setdiff1d(np.flatnonzero(self.partition.parts == i), self.absent)
            for i, part in enumerate(PARTS)
        }

        @cache
        def has(attribute: str) -> NDArray[np.bool_]:
            found = self._columns(ATTRIBUTES, attribute)[:, 0]
            if not _says(found):
                raise InputError(
                    f"{self.tree.tables[ATTRIBUTES].where}: {attribute} holds numbers from "
                    f"{found.min()} to {found.max()}; an attribute is 1 or -1, or 1 or 0"
                )
            having: NDArray[np.bool_] = found > 0
            return having

        people = self._columns(IDENTITIES)[:, 0] if self.settings.disjoint else None
        return chosen(parts, self.settings, has, self.title, people)

    def copies(self) -> NDArray[np.int64]:
        found, parts = self._copies, self.splits()
        heldout = len(parts["validation"]) + len(parts["test"])
        few = len(found) < COPIES_LIMIT * heldout
        return found[:0] if few else found

    def notes(self) -> list[str]:
        said = self.tree.taken()
        pairs = zip(self._found, self._names, strict=True)
        other = next((pair for pair in pairs if pair[0] not in (None, pair[1])), None)
        if other is not None:
            file, name = other
            place = self.tree.called(self._images).rstrip("/")
            said.append(shown(f"{place}/{file} taken for {self._images}/{name}, and so on"))
        if self.partition.said:
            said.append(self.partition.said)
        if len(self.absent):
            said.append(
                f"{self._images}: {len(self) - len(self.absent)} of the {len(self)} images of "
                f"{self.partition.said_in} are there, and are used"
            )
        tables = [each for each in self.tree.tables.values() if isinstance(each, TableFile)]
        left_out = Counter(self.listing.left_out)
        left_out.subtract(suffix_of(each.where.name) for each in tables if each.packed)
        beside = len(self.listing.names) - len(set(self._found) - {None})
        left_out[f"images that {self.partition.said_in} does not name"] = beside
        if +left_out:
            said.append(f"{self._images}: not read: {Listing((), +left_out).said()}")
        return said

    def _kind(self) -> bytes:
        settings = self.settings.model_dump_json(include={"view", "size", "resample"})
        sums = (self.tree.tables[file].sum() for file in sorted(self._used_for_pixels))
        return f"celeba/{READER_VERSION}/{settings}".encode() + b"".join(sums)

    def fingerprint(self) -> str:
        """Over `pixels`, every setting, the partition and what else the parts are chosen by."""
        settings = self.settings
        digest = hashlib.sha256(f"{self.pixels()}/{settings.model_dump_json()}".encode())
        digest.update(self.partition.sum)
        if settings.only or settings.mix:
            digest.update(self.tree.tables[ATTRIBUTES].sum())
        if settings.disjoint:
            digest.update(self.tree.tables[IDENTITIES].sum())
        if (settings.mix or settings.disjoint) and len(self.absent):
            digest.update(b"chosen among those that are there")
        digest.update(self.copies().tobytes())
        return digest.hexdigest()

    def _seen(self, content: bytes, index: int) -> NDArray[np.uint8]:
        """(3, side, side); raises Unreadable.

        An aligned image must be 178 x 218 and a face in the wild lie in its image. One that is
        marked as turned (EXIF) is refused: its annotations may mean it turned or not.
        """
        image = decode(content)
        if orientation(image) != 1:
            raise Unreadable("marked as turned by its EXIF data")
        square, view = self._squares[index], self.settings.view
        if isinstance(view, AlignedView | RotatedView):
            if image.size != (aligned.WIDTH, aligned.HEIGHT):
                raise Unreadable(f"{image.width} x {image.height}, not 178 x 218")
        elif not _holds_face(image.size, square, view.margin):
            raise Unreadable("its annotated face does not lie in it")
        return sample(image, square, self._side, self.settings.resample)


def _says(values: NDArray[Any]) -> bool:
    """Whether a column says yes or no of each image, 0 where it says nothing."""
    return bool(np.isin(values, (-1, 0, 1)).all())


def _tree(data_root: Path | None, images: str) -> Tree:
    if data_root is None:
        raise InputError(
            "data: CelebA is wanted but no folder was named; give --data-root DIR (or BENCH_DATA), "
            f"where DIR or DIR/celeba holds {images}/ and {PARTITION}"
        )
    tree = find_tree(data_root, images)
    if not data_root.exists():
        raise InputError(
            f"{data_root}: no such folder; give --data-root the one that holds CelebA's {images}/"
        )
    if tree is None or images not in tree.images:
        if tree is not None and images in tree.damaged:
            raise InputError(tree.damaged[images])
        raise InputError(
            f"{data_root}: no {images}/ or {images}.zip here or in its celeba/; give --data-root "
            f"the folder that holds CelebA's {images}/ and list_*.txt (bench data get celeba "
            f"fetches them; bench data check {data_root} says what is there)"
        )
    return tree


def _holds_face(size: tuple[int, int], square: Square, margin: float) -> bool:
    """Whether the square's centre lies in the image and the face is neither a dot nor beyond it."""
    width, height = size
    inside = 0 <= square.x <= width and 0 <= square.y <= height
    return inside and 4 <= square.side / margin <= 4 * max(width, height)


def title_of(tree: Tree) -> str:
    """What captions call the faces of a tree."""
    parts, marks = (tree.tables.get(file) for file in (PARTITION, LANDMARKS_ALIGNED))
    if not isinstance(parts, TableFile) or not isinstance(marks, TableFile):
        return _UNKNOWN
    try:
        if parts.where.suffix == marks.where.suffix == ".txt":
            title, known, _ = _KNOWN.get(md5(parts.content()), (_UNKNOWN, "", []))
            return title if md5(marks.content()) == known else _UNKNOWN
        table = parts.read()
        written = md5(as_authors_write(table.names, table.column("partition")))
        title, _, first = _KNOWN.get(written, (_UNKNOWN, "", []))
        return title if marks.read().values[: len(first)].tolist() == first else _UNKNOWN
    except (OSError, InputError):
        return _UNKNOWN
