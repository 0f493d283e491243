"""Labels of images, by name, and what a data set calls what it holds."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.celeba.dataset import CelebA
from benchmark.data.external import External
from benchmark.data.faces.dataset import ProceduralFaces, factors
from benchmark.data.settings import CelebASettings, ExternalData, FacesSettings
from benchmark.data.source import labels_of
from benchmark.data.store import open_store
from benchmark.errors import InputError
from tests.data.made_up import COUNT, table

FACES = FacesSettings(name="faces", size=16, count=300)
CELEBA = CelebASettings(name="celeba", size=16)


class Digits:
    """Black squares, each called even or not."""

    title = subject = "digits"

    def __init__(self, size: int, data_root: Path | None, faulty: bool = False) -> None:
        self._size, self._faulty = size, faulty

    def __len__(self) -> int:
        return 10

    def name(self, index: int) -> str:
        return f"digit {index}"

    def fingerprint(self) -> str:
        return f"digits {self._size}"

    def splits(self) -> dict[str, NDArray[np.int64]]:
        return {"train": np.arange(6), "validation": np.arange(6, 8), "test": np.arange(8, 10)}

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        black = np.zeros((len(indices), 3, self._size, self._size), dtype=np.uint8)
        return black, np.ones(len(indices), dtype=np.bool_)

    def labels(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        return ("even",), np.arange(10)[:, None] if self._faulty else 1 - np.arange(10)[:, None] % 2


def digits(**options: bool) -> ExternalData:
    return ExternalData(name="tests.data.test_labels:Digits", size=16, options={**options})


def test_those_that_are_asked_for_are_there_in_that_order(tmp_path: Path) -> None:
    store = open_store(FACES, None, tmp_path, ["Eyeglasses", "Bald"])
    known = factors(np.arange(300))
    assert store.attributes == ("Eyeglasses", "Bald")
    assert store.labels is not None
    assert store.labels.dtype == np.uint8
    assert store.labels.tolist() == np.stack([known.glasses > 0, known.hair_style == 0], 1).tolist()


def test_they_have_a_digest_of_their_own_and_share_the_images(tmp_path: Path) -> None:
    plain = open_store(FACES, None, tmp_path)
    assert (plain.labels, plain.attributes, plain.labels_sha256) == (None, (), None)
    found = set()
    for names in (["Bald"], ["Smiling"], ["Bald", "Smiling"], ["Smiling", "Bald"]):
        store = open_store(FACES, None, tmp_path, names)
        assert store.fingerprint == plain.fingerprint
        assert (store.images == plain.images).all()
        found.add(store.labels_sha256)
    assert len(found) == 4
    assert len(list((tmp_path / "stores").glob("*/images.npy"))) == 1


def test_of_celeba_they_are_its_attributes(root: Path, tmp_path: Path) -> None:
    assert labels_of(CelebA(CELEBA, root))[0] == ()  # without the file
    smiling = [1, -1] * (COUNT // 2)
    table(root / "list_attr_celeba.txt", "Male Smiling", [[-1, each] for each in smiling])
    names, values = labels_of(CelebA(CELEBA, root))
    assert names == ("Male", "Smiling")
    assert values.tolist() == [[0, int(each > 0)] for each in smiling]
    with pytest.raises(InputError) as refused:
        open_store(CELEBA, root, tmp_path, ["Bald"])
    assert str(refused.value) == (
        "method.attributes: unknown faces in CelebA's layout has no attribute 'Bald'; it has: "
        "Male, Smiling"
    )
    (root / "list_attr_celeba.txt").unlink()


def test_a_column_that_says_neither_yes_nor_no_is_no_attribute(root: Path) -> None:
    rows = [[1 + i % 2, 20 + i, 1 - i % 2] for i in range(COUNT)]
    table(root / "list_attr_celeba.txt", "Sex Age Young", rows)
    names, values = labels_of(CelebA(CELEBA, root))
    assert names == ("Young",)
    assert values[:, 0].tolist() == [1, 0] * (COUNT // 2)
    with pytest.raises(InputError, match=r"Sex holds numbers from 1 to 2; an attribute is 1 or -1"):
        CelebA(CELEBA.model_copy(update={"only": ("Sex",)}), root)
    (root / "list_attr_celeba.txt").unlink()


def test_a_data_set_from_outside_may_have_them(tmp_path: Path) -> None:
    store = open_store(digits(), None, tmp_path, ["even"])
    assert store.labels is not None
    assert store.labels[:, 0].tolist() == [1, 0] * 5
    with pytest.raises(InputError, match=r"its labels must be 0 or 1, 1 for each of its 10 images"):
        open_store(digits(faulty=True), None, tmp_path, ["even"])


def test_a_data_set_says_what_it_holds(root: Path, tmp_path: Path) -> None:
    assert ProceduralFaces(FACES).subject == CelebA(CELEBA, root).subject == "faces"
    assert External(digits(), None).subject == open_store(digits(), None, tmp_path).subject
    assert open_store(digits(), None, tmp_path).subject == "digits"
    name = "tests.data.test_folder:Squares"
    assert External(ExternalData(name=name, size=16), None).subject == "images"
