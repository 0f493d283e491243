"""CelebA (Liu et al., ICCV 2015), and any faces in its layout.

img_align_celeba/NNNNNN.jpg     178 x 218, eyes at fixed places
list_eval_partition.txt         0 train, 1 validation, 2 test
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.annotations import read_table
from benchmark.data.settings import CelebASettings, Split
from benchmark.errors import InputError

# To be raised whenever the same file would give other pixels.
READER_VERSION = 1
WIDTH, HEIGHT = 178, 218
PARTS: tuple[Split, ...] = ("train", "validation", "test")
PARTITION = "list_eval_partition.txt"
LANDMARKS_ALIGNED = "list_landmarks_align_celeba.txt"

# Data sets by the MD5 sums of these two files. The partition alone will not do: it is mere
# numbering, the same for any faces that are cut into parts of the same sizes. CelebA's sums are
# those in torchvision.datasets.CelebA.
_KNOWN_MD5 = {
    ("d32c9cbf5e040fd4025c592c306e6668", "cc24ecafdb5b50baae59b03474781f8c"): "CelebA",
    ("a16b17bb40e5511940f05e43e6176216", "98a728f5b5e46c127ca0b13a5be2a629"): (
        "All-Age-Faces in CelebA's layout"
    ),
}
# CelebA comes in these two; nothing else is even tried (PIL would run Ghostscript on an EPS).
_FORMATS = ("JPEG", "PNG")


def find_root(data_root: Path | None) -> Path:
    """The folder that holds `img_align_celeba`: `data_root` itself or its `celeba/`."""
    if data_root is None:
        raise InputError(
            "data: CelebA is wanted but no folder was named; give --data-root DIR (or BENCH_DATA), "
            "where DIR or DIR/celeba holds img_align_celeba/ and list_eval_partition.txt"
        )
    for root in (data_root, data_root / "celeba"):
        if (root / "img_align_celeba").is_dir():
            return root
    raise InputError(
        f"{data_root}: no img_align_celeba/ here or in its celeba/; give --data-root the folder "
        "that holds CelebA's img_align_celeba/ and list_*.txt"
    )


class CelebA:
    """The aligned view: the centre square of each image, resized with antialiasing.

    The crop is centred in the image, at (89, 109), as torchvision's CenterCrop does it (some chins
    are cut at 108 and 128); progressive GANs (arXiv 1710.10196, 128 wide) and StyleGAN
    centre it 12 pixels lower, at (89, 121). Here every allowed crop fits without a shift.
    """

    def __init__(self, settings: CelebASettings, data_root: Path | None) -> None:
        self.root = find_root(data_root)
        self.size, self.settings = settings.size, settings
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
        self._partition_bytes = (self.root / PARTITION).read_bytes()
        self.title = _title(self.root)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return f"img_align_celeba/{self._names[index]}"

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        return {part: np.flatnonzero(self._parts == i) for i, part in enumerate(PARTS)}

    def fingerprint(self) -> str:
        """Over every file's content, the partition, the view's settings and the reader's version.

        Neither the path nor the files' times enter.
        """
        digest = hashlib.sha256(f"celeba/{READER_VERSION}/{self.settings!r}".encode())
        digest.update(hashlib.sha256(self._partition_bytes).digest())
        with ThreadPoolExecutor() as pool:
            for name, content in zip(self._names, pool.map(self._digest, self._names), strict=True):
                digest.update(name.encode() + content)
        return digest.hexdigest()

    def _digest(self, name: str) -> bytes:
        try:
            return hashlib.sha256((self.root / "img_align_celeba" / name).read_bytes()).digest()
        except (OSError, ValueError):  # ValueError: a name that no file can have
            return b"missing"

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images (N, 3, size, size); one that is not whole is black and flagged."""
        images = np.zeros((len(indices), 3, self.size, self.size), dtype=np.uint8)
        whole = np.zeros(len(indices), dtype=np.bool_)
        for row, index in enumerate(indices.tolist()):
            image = self._decode(index)
            if image is not None:
                images[row], whole[row] = image, True
        return images, whole

    def _decode(self, index: int) -> NDArray[np.uint8] | None:
        """(3, size, size), or None where the file is missing, torn or not 178 x 218 in colour."""
        bombs = Image.DecompressionBombError, Image.DecompressionBombWarning
        try:
            with Image.open(self.root / self.name(index), formats=_FORMATS) as image:
                if image.size != (WIDTH, HEIGHT) or image.mode != "RGB":
                    return None
                side = self.settings.view.crop  # type: ignore[union-attr]
                left, top = (WIDTH - side) / 2, (HEIGHT - side) / 2
                square = image.resize(
                    (self.size, self.size),
                    Image.Resampling.BICUBIC,
                    box=(left, top, left + side, top + side),
                )
        except (OSError, SyntaxError, ValueError, *bombs):
            return None
        return np.asarray(square).transpose(2, 0, 1)


def _title(root: Path) -> str:
    sums = _md5(root / PARTITION), _md5(root / LANDMARKS_ALIGNED)
    return _KNOWN_MD5.get(sums, "unknown faces in CelebA's layout")


def _md5(path: Path) -> str:
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return "missing"
