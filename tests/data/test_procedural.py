"""Procedural faces: the same bits for the same index, and factors that do what they say."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

import benchmark.data.faces.dataset as procedural
from benchmark.data.faces.dataset import FaceFactors, ProceduralFaces, factors, render
from benchmark.data.faces.factors import HAIR_STYLES, _mix, hashed, normal
from benchmark.data.settings import FacesSettings
from benchmark.errors import InputError
from tests.data.landmarks import landmarks

SIZE = 64


def _indices(count: int, start: int = 0) -> NDArray[np.int64]:
    return np.arange(start, start + count, dtype=np.int64)


def _all(f: FaceFactors, **values: object) -> FaceFactors:
    """`f` with some factors the same in every row."""
    old = {name: getattr(f, name) for name in values}
    return replace(f, **{n: np.full_like(old[n], v) for n, v in values.items()})


def _plain(count: int) -> FaceFactors:
    """Straight, evenly lit faces with nothing before the eyes and mouth."""
    names = ("yaw", "pitch", "roll", "light", "gaze", "mouth_open", "glasses", "beard", "makeup")
    f = _all(factors(_indices(count)), **dict.fromkeys(names, 0))
    return _all(f, scale=1.0, eye_open=1.0, hair_style=HAIR_STYLES.index("buzz"))


def _brightness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images.mean(axis=1)


def test_factors_depend_on_the_index_alone() -> None:
    whole = factors(_indices(500))
    picked = np.array([499, 3, 77, 3], dtype=np.int64)
    some = factors(picked)
    for field in fields(FaceFactors):
        np.testing.assert_array_equal(
            getattr(some, field.name), getattr(whole, field.name)[picked], err_msg=field.name
        )


def test_hash_is_splitmix64() -> None:
    # The published first outputs of SplitMix64 for the states 0 and 1.
    got = _mix(np.array([0, 1], dtype=np.uint64))
    assert [hex(v) for v in got] == ["0xe220a8397b1dcdaf", "0x910a2dec89025cc1"]
    assert len(np.unique(hashed(_indices(10_000), "x"))) == 10_000


def test_normal_has_the_mean_and_spread_it_was_asked_for() -> None:
    drawn = normal(_indices(100_000), "x", sd=3.0, mean=1.0)
    # Five standard errors of the mean and of the standard deviation.
    assert drawn.mean() == pytest.approx(1.0, abs=5 * 3.0 / 100_000**0.5)
    assert drawn.std() == pytest.approx(3.0, abs=5 * 3.0 / 200_000**0.5)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_pixels_do_not_depend_on_the_batch(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    f = factors(_indices(150))
    whole = render(f, size)
    np.testing.assert_array_equal(whole, render(f, size))
    np.testing.assert_array_equal(whole[40:43], render(f.rows(40, 43), size))
    monkeypatch.setattr(procedural, "_PLANE", 1)  # one image at a time
    np.testing.assert_array_equal(whole, render(f, size))


def test_rolled_pixels_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    f = replace(factors(_indices(60)), roll=np.linspace(-180.0, 180.0, 60))
    whole = render(f, 32)
    monkeypatch.setattr(procedural, "_PLANE", 1)
    np.testing.assert_array_equal(whole, render(f, 32))


@pytest.mark.parametrize("size", [16, 32, 128, 256])
def test_images_have_their_shape_and_use_the_range(size: int) -> None:
    images = render(factors(_indices(40)), size)
    assert images.shape == (40, 3, size, size)
    assert images.dtype == np.uint8
    assert images.min() < 40
    assert images.max() > 215
    assert (images.reshape(40, -1).std(axis=1) > 15).all()


def test_empty_batches_and_no_face_twice() -> None:
    assert render(factors(_indices(0)), 32).shape == (0, 3, 32, 32)
    flat = render(factors(_indices(2000)), 16).reshape(2000, -1)
    assert len(np.unique(flat, axis=0)) == 2000


def test_smaller_images_show_the_same_faces() -> None:
    """Edges are antialiased: 32 pixels agree with 128 averaged over 4 x 4."""
    f = factors(_indices(50))
    small = render(f, 32).astype(np.float64)
    averaged = render(f, 128).reshape(50, 3, 32, 4, 32, 4).mean(axis=(3, 5))
    error = np.abs(small - averaged).mean(axis=(1, 2, 3))
    others = np.abs(small - np.roll(averaged, 1, axis=0)).mean(axis=(1, 2, 3))
    assert error.max() < 4.0
    assert others.min() > 3 * error.max()


def test_a_right_angle_of_roll_is_a_turned_image() -> None:
    upright = _all(factors(_indices(30)), roll=0.0)
    by_hand = np.rot90(render(upright, SIZE), k=-1, axes=(2, 3)).astype(np.int64)
    gap = np.abs(by_hand - render(_all(upright, roll=90.0), SIZE))
    assert gap.max() <= 1


def test_roll_can_be_read_from_the_eyes() -> None:
    f = factors(_indices(300))
    for roll in (f.roll, np.linspace(-170.0, 170.0, 300)):
        points = landmarks(replace(f, roll=roll), 32)
        across, down = (points[:, 1] - points[:, 0]).T
        np.testing.assert_allclose(np.rad2deg(np.arctan2(down, across)), roll, atol=0.1)


def test_default_roll_is_small() -> None:
    roll = factors(_indices(5000)).roll
    assert roll.std() == pytest.approx(3.0, abs=0.2)
    assert np.abs(roll).max() < 12


@pytest.mark.parametrize("roll", [0.0, 25.0, 140.0])
def test_irises_are_drawn_at_the_eye_landmarks(roll: float) -> None:
    """The darkest spot within an eye's reach lies within 0.03 image sides of the landmark."""
    f = _all(_plain(40), roll=roll, eye_colour=0)
    images = _brightness(render(f, 128))
    grid = np.mgrid[:128, :128].astype(np.float64)
    for points in (landmarks(f, 128)[:, 0], landmarks(f, 128)[:, 1]):
        for image, (x, y) in zip(images, points, strict=True):
            near = np.hypot(grid[1] - x, grid[0] - y) < 0.045 * 128
            dark = near & (image <= np.quantile(image[near], 0.1))
            centre = grid[:, dark].mean(axis=1)
            assert np.hypot(centre[1] - x, centre[0] - y) < 0.03 * 128
            assert image[dark].mean() < 70


def test_landmarks_are_in_celebas_order_inside_the_image() -> None:
    f = factors(_indices(500))
    points = landmarks(f, SIZE)
    assert points.shape == (500, 5, 2)
    assert (points > 0).all()
    assert (points < SIZE - 1).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = points.transpose(1, 0, 2)
    assert (left_eye[:, 0] < right_eye[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (nose[:, 1] > np.maximum(left_eye[:, 1], right_eye[:, 1])).all()
    assert (nose[:, 1] < np.maximum(left_mouth[:, 1], right_mouth[:, 1])).all()


def test_landmarks_scale_with_the_image() -> None:
    f = factors(_indices(20))
    np.testing.assert_allclose(
        (landmarks(f, 128) + 0.5) / 4, landmarks(f, 32) + 0.5, rtol=0, atol=1e-9
    )


def test_smile_changes_the_mouth_alone() -> None:
    f = _plain(30)
    sad, glad = _all(f, smile=-1.0), _all(f, smile=1.0)
    changed = (render(sad, SIZE) != render(glad, SIZE)).any(axis=1)
    assert changed.any(axis=(1, 2)).all()
    corners = np.concatenate([landmarks(sad, SIZE)[:, 3:], landmarks(glad, SIZE)[:, 3:]], axis=1)
    low, high = corners.min(axis=1) - 5, corners.max(axis=1) + 5
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for i in range(30):
        box = (columns > low[i, 0]) & (columns < high[i, 0])
        box &= (rows > low[i, 1]) & (rows < high[i, 1])
        assert not changed[i][~box].any()
    # A smile lifts the corners.
    assert (landmarks(glad, SIZE)[:, 3:, 1] < landmarks(sad, SIZE)[:, 3:, 1] - 2).all()


def test_light_brightens_its_side() -> None:
    f = _plain(40)
    from_left = _brightness(render(_all(f, light=-1.0), SIZE))
    from_right = _brightness(render(_all(f, light=1.0), SIZE))
    cheeks = slice(SIZE // 2, 3 * SIZE // 4)
    change = (from_right - from_left)[:, cheeks]
    assert (change[:, :, SIZE // 4 : SIZE // 2 - 8].mean(axis=(1, 2)) < -3).all()
    assert (change[:, :, SIZE // 2 + 8 : 3 * SIZE // 4].mean(axis=(1, 2)) > 3).all()


def test_yaw_moves_the_nose_more_than_the_eyes() -> None:
    f = _plain(20)
    move = (landmarks(_all(f, yaw=20.0), SIZE) - landmarks(f, SIZE))[:, :, 0]
    assert (move[:, 2] > move[:, :2].mean(axis=1) + 1).all()
    assert (move[:, :2].mean(axis=1) > 1).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", 10**9), ("skin", 1.0), ("hair_style", 10), ("hair_colour", 8), ("beard", 2),
        ("eye_colour", 4), ("glasses", 1), ("makeup", 1.0), ("mouth_open", 1.0), ("eye_open", 0.1),
        ("gaze", 1.0), ("brow_raise", 1.0), ("yaw", 25.0), ("pitch", 10.0), ("roll", 45.0),
        ("light_height", -1.0), ("background", 0.5), ("clothing", 0.5), ("neckline", 2),
        ("scale", 0.9), ("shift", 0.1),
    ],
)  # fmt: skip
def test_every_factor_shows(name: str, value: float) -> None:
    f = _plain(12)
    seen = np.any(getattr(f, name).reshape(12, -1) != value, axis=1)
    changed = (render(f, SIZE) != render(_all(f, **{name: value}), SIZE)).any(axis=(1, 2, 3))
    assert seen.any()
    np.testing.assert_array_equal(changed, seen)


def test_gradient_turns_the_background() -> None:
    f = _plain(12)
    across = replace(f, gradient=np.tile([1.0, 0.0], (12, 1)))
    down = replace(f, gradient=np.tile([0.0, 1.0], (12, 1)))
    assert (render(across, 32) != render(down, 32)).any(axis=(1, 2, 3)).all()


def test_corners_hold_the_background_whatever_the_roll() -> None:
    f = replace(factors(_indices(36)), roll=np.arange(0.0, 360.0, 10.0))
    f = _all(f, background=1.0, clothing=1.0)
    corners = render(f, 32)[:, :, ::31, ::31]
    assert corners.max(axis=(1, 2, 3)).min() == 255
    assert corners.min() > 60


def test_source_keeps_its_protocol() -> None:
    faces = ProceduralFaces(FacesSettings(name="faces", size=32, count=1005))
    assert (faces.title, faces.size, len(faces)) == ("procedural faces", 32, 1005)
    parts = faces.splits()
    assert list(parts) == ["train", "validation", "test"]
    np.testing.assert_array_equal(np.concatenate(list(parts.values())), np.arange(1005))
    assert [len(part) for part in parts.values()] == [804, 100, 101]
    picked = np.array([7, 1004], dtype=np.int64)
    images, whole = faces.decode(picked)
    np.testing.assert_array_equal(images, render(factors(picked), 32))
    assert whole.tolist() == [True, True]
    assert faces.name(7) != faces.name(8)


def test_fingerprint_follows_settings_version_and_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprint(size: int = 16, count: int = 100) -> str:
        return ProceduralFaces(FacesSettings(name="faces", size=size, count=count)).fingerprint()

    first = fingerprint()
    assert len(bytes.fromhex(first)) == 32
    assert first == fingerprint()
    seen = {first, fingerprint(size=32), fingerprint(count=101)}
    monkeypatch.setattr(procedural, "RENDERER_VERSION", -1)
    seen.add(fingerprint())
    monkeypatch.undo()
    monkeypatch.setattr(procedural, "_SHADOW", procedural._SHADOW * np.float32(0.9))
    seen.add(fingerprint())
    assert len(seen) == 5


def chosen(**changes: object) -> ProceduralFaces:
    settings = {"name": "faces", "size": 16, "count": 2000, **changes}
    return ProceduralFaces(FacesSettings.model_validate(settings))


def test_a_mix_thins_training_alone_and_only_every_part() -> None:
    names, labels = chosen().labels()
    glasses = labels[:, names.index("Eyeglasses")] > 0
    usual = chosen().splits()
    half = chosen(mix={"attribute": "Eyeglasses", "share": 0.5}).splits()
    assert glasses[half["train"]].mean() == 0.5
    assert len(half["train"]) == 2 * glasses[usual["train"]].sum()
    for part in ("validation", "test"):
        np.testing.assert_array_equal(half[part], usual[part])
    without = chosen(only=["not Eyeglasses"]).splits()
    for part, at in without.items():
        np.testing.assert_array_equal(at, usual[part][~glasses[usual[part]]])


def test_a_choice_is_in_the_fingerprint_and_shares_the_pixels() -> None:
    mix = {"attribute": "Eyeglasses", "share": 0.5}
    made = [chosen(), chosen(mix=mix), chosen(mix={**mix, "share": 0.2}), chosen(only=["Bald"])]
    assert len({each.fingerprint() for each in made}) == 4
    assert len({each.pixels() for each in made}) == 1


def test_a_description_without_a_choice_is_the_one_that_it_was() -> None:
    """Ids of runs are made from it."""
    plain = FacesSettings(name="faces", size=16)
    assert set(plain.model_dump()) == {"name", "view", "size", "count"}
    assert set(chosen(only=["Bald"])._settings.model_dump()) == {*plain.model_dump(), "only"}


def test_an_attribute_that_faces_lack_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no attribute 'Male'; they have: Bald, Bangs, Eyegl"):
        chosen(mix={"attribute": "Male", "share": 0.5}).splits()
    with pytest.raises(InputError, match=r"no train images of procedural faces are left"):
        chosen(only=["Bald", "Bangs"]).splits()
