"""Who takes part: attributes, proportions and persons, on counts done by hand."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.data.celeba.dataset import CelebA
from benchmark.data.selection import mixed
from benchmark.data.settings import CelebASettings, Mix
from benchmark.data.store import open_store
from benchmark.errors import InputError

# Twelve images; parts are 0-7, 8-9 and 10-11.
MALE = [1, 1, 1, -1, -1, -1, -1, -1, 1, -1, 1, -1]
YOUNG = [1, -1, 1, -1, 1, -1, 1, -1, -1, 1, 1, 1]
PEOPLE = [1, 2, 3, 4, 5, 6, 7, 8, 3, 9, 8, 10]


@pytest.fixture
def faces(root: Path) -> Path:
    rows = [f"{i:06d}.jpg {m} {y}\n" for i, (m, y) in enumerate(zip(MALE, YOUNG, strict=True))]
    (root / "list_attr_celeba.txt").write_text(f"12\nMale Young\n{''.join(rows)}")
    people = [f"{i:06d}.jpg {p}\n" for i, p in enumerate(PEOPLE)]
    (root / "identity_CelebA.txt").write_text("".join(people))
    return root


def spec(**changes: object) -> CelebASettings:
    return CelebASettings.model_validate({"name": "celeba", "size": 16, **changes})


def parts(root: Path, **changes: object) -> list[list[int]]:
    return [at.tolist() for at in CelebA(spec(**changes), root).splits().values()]


def test_only_keeps_who_has_every_attribute_in_every_part(faces: Path) -> None:
    assert parts(faces, only=["Male"]) == [[0, 1, 2], [8], [10]]
    assert parts(faces, only=["not Male"]) == [[3, 4, 5, 6, 7], [9], [11]]
    with pytest.raises(InputError, match=r"no validation images .* are left; loosen data\.only"):
        parts(faces, only=["Male", "Young"])


def test_disjoint_leaves_out_who_is_in_training(faces: Path) -> None:
    assert parts(faces, disjoint=True) == [[*range(8)], [9], [11]]


def test_a_mix_thins_training_alone(faces: Path) -> None:
    train, *others = parts(faces, mix={"attribute": "Male", "share": 0.5})
    assert others == [[8, 9], [10, 11]]
    assert [i for i in train if MALE[i] > 0] == [0, 1, 2]
    assert len(train) == 6
    # Who is known from training is decided before it is thinned: the same test for every share.
    both = parts(faces, mix={"attribute": "Male", "share": 1.0}, disjoint=True)
    assert both == [[0, 1, 2], [9], [11]]


@pytest.mark.parametrize(
    ("share", "some", "others"),
    # Of 100 with the attribute and 300 without.
    [(0.0, 0, 300), (0.1, 33, 297), (0.25, 100, 300), (0.5, 100, 100), (0.8, 100, 25), (1, 100, 0)],
)
def test_a_mix_has_its_share_and_as_many_as_can_be(share: float, some: int, others: int) -> None:
    having = np.arange(400) < 100
    kept = mixed(np.arange(400), Mix(attribute="Male", share=float(share)), having)
    assert (having[kept].sum(), (~having[kept]).sum()) == pytest.approx((some, others), abs=1)
    assert (np.diff(kept) > 0).all()
    again = mixed(np.arange(400), Mix(attribute="Male", share=float(share)), having)
    assert np.array_equal(kept, again)


def test_a_larger_share_keeps_whom_a_smaller_one_keeps() -> None:
    having = np.arange(400) < 100
    kept = [mixed(np.arange(400), Mix(attribute="x", share=s), having) for s in (0.05, 0.1, 0.2)]
    few, more, most = ({*k[having[k]].tolist()} for k in kept)
    assert few < more < most


def test_an_unknown_attribute_is_named_with_those_there_are(faces: Path) -> None:
    with pytest.raises(InputError, match=r"column Hat is missing; found: Male Young"):
        parts(faces, only=["Hat"])


def test_the_fingerprint_follows_the_choice_and_the_store_is_shared(
    faces: Path, tmp_path: Path
) -> None:
    choices: list[dict[str, object]] = [
        {},
        {"only": ["Male"]},
        {"only": ["not Male"]},
        {"disjoint": True},
        {"mix": {"attribute": "Male", "share": 0.5}},
        {"mix": {"attribute": "Male", "share": 0.6}},
        {"mix": {"attribute": "Young", "share": 0.5}},
    ]
    stores = [open_store(spec(**choice), faces, tmp_path) for choice in choices]
    assert len({store.fingerprint for store in stores}) == len(choices)
    assert len([path for path in (tmp_path / "stores").iterdir() if path.is_dir()]) == 1
    assert stores[1].splits["train"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "used"),
    [
        ({}, set()),
        ({"only": ["Male"]}, {"list_attr_celeba.txt"}),
        ({"disjoint": True}, {"identity_CelebA.txt"}),
        ({"view": "wild"}, {"list_landmarks_celeba.txt"}),
        ({"view": {"name": "wild", "by": "box"}}, {"list_bbox_celeba.txt"}),
    ],
)
def test_the_fingerprint_follows_the_annotations_used_and_no_other(
    changes: dict[str, object], used: set[str], faces: Path
) -> None:
    before = CelebA(spec(**changes), faces).fingerprint()
    tables = ["list_eval_partition.txt", "list_attr_celeba.txt", "identity_CelebA.txt"]
    tables += ["list_landmarks_celeba.txt", "list_bbox_celeba.txt"]
    for name in tables:
        path = faces / name
        text = path.read_text()
        path.write_text(text.rstrip("\n"))  # one byte, and the same table
        after = CelebA(spec(**changes), faces).fingerprint()
        path.write_text(text)
        assert (after != before) == (name in used | {"list_eval_partition.txt"}), name
    assert CelebA(spec(**changes), faces).fingerprint() == before
