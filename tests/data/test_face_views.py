"""The views of procedural faces: the same people, their factors changed as the view says."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from benchmark.data.faces.dataset import FaceFactors, ProceduralFaces, factors, render
from benchmark.data.settings import FacesSettings, RotatedView
from benchmark.data.views import rotated
from tests.data.landmarks import landmarks

INDICES = np.arange(2000)
PLAIN = factors(INDICES)


def faces(view: Any, size: int = 32) -> ProceduralFaces:
    settings = {"name": "faces", "view": view, "size": size, "count": 2000}
    return ProceduralFaces(FacesSettings.model_validate(settings))


def changed(f: FaceFactors) -> set[str]:
    pairs = ((n.name, getattr(f, n.name), getattr(PLAIN, n.name)) for n in fields(FaceFactors))
    return {name for name, new, old in pairs if not np.array_equal(new, old)}


def test_the_standard_crop_changes_nothing() -> None:
    assert changed(faces("aligned").factors(INDICES)) == set()
    images = faces("aligned").decode(INDICES[:20])[0]
    assert np.array_equal(images, render(PLAIN.rows(0, 20), 32))


def test_a_wider_crop_is_the_same_picture_further_away() -> None:
    """The middle of the 178-wide view, blown up by 178/128, has the landmarks of the 128-wide."""
    wide = faces({"name": "aligned", "crop": 178}).factors(INDICES)
    assert changed(wide) == {"scale", "shift"}
    near, far = landmarks(PLAIN, 64) + 0.5 - 32, landmarks(wide, 64) + 0.5 - 32
    np.testing.assert_allclose(far * 178 / 128, near, atol=1e-9)


def test_rotated_adds_its_roll_to_the_faces_own() -> None:
    view = {"name": "rotated", "degrees": 20.0, "seed": 3}
    f = faces(view).factors(INDICES)
    assert changed(f) == {"roll"}
    drawn = rotated.turns(RotatedView.model_validate(view), INDICES).roll
    eyes = landmarks(f, 64)[:, :2]
    across, down = (eyes[:, 1] - eyes[:, 0]).T
    np.testing.assert_allclose(np.rad2deg(np.arctan2(down, across)), PLAIN.roll + drawn, atol=0.1)
    assert drawn.std() == pytest.approx(20, rel=0.06)


def test_shift_and_scale_move_the_face_before_it_is_turned() -> None:
    view = {"name": "rotated", "degrees": 0.0, "shift": 0.1, "scale": 0.2, "crop": 128}
    t = rotated.turns(RotatedView.model_validate(view), INDICES)
    moved = landmarks(faces(view).factors(INDICES), 64) + 0.5 - 32
    f = PLAIN
    turn = np.deg2rad(f.roll)
    shift = 64 * t.shift  # a share of the side, turned with the face
    x = np.cos(turn) * shift[:, 0] - np.sin(turn) * shift[:, 1]
    y = np.sin(turn) * shift[:, 0] + np.cos(turn) * shift[:, 1]
    wanted = (landmarks(f, 64) + 0.5 - 32) * t.scale[:, None, None]
    wanted += np.stack([x, y], axis=1)[:, None, :]
    np.testing.assert_allclose(moved, wanted, atol=1e-9)


def test_wild_widens_pose_and_place() -> None:
    wild = faces("wild").factors(INDICES)
    assert changed(wild) == {"roll", "yaw", "scale", "shift"}
    assert wild.roll.std() == pytest.approx(7, rel=0.06)
    assert wild.yaw.std() > 1.2 * PLAIN.yaw.std()
    assert wild.scale.std() > 1.5 * PLAIN.scale.std()
    assert wild.scale.mean() == pytest.approx(PLAIN.scale.mean(), abs=0.01)
    by_box = faces({"name": "wild", "by": "box"}).factors(INDICES)
    assert by_box.shift.std() > 1.5 * wild.shift.std()
    wide = faces({"name": "wild", "margin": 2.0}).factors(INDICES)
    np.testing.assert_allclose(wide.scale, wild.scale / 2)


def test_visits_show_the_face_that_one_draw_would_draw() -> None:
    """A canvas turned afterwards is nearly the face drawn turned."""
    source = faces({"name": "rotated", "degrees": 20.0, "draw": "visit"})
    assert source.visits is not None
    canvases = source.decode(INDICES[:30])[0]
    assert canvases.shape[2:] == (source.visits.canvas, source.visits.canvas) == (92, 92)
    turned = source.visits.batch(canvases, INDICES[:30], "image").astype(float)
    drawn = faces({"name": "rotated", "degrees": 20.0}).decode(INDICES[:30])[0]
    error = np.abs(turned - drawn).mean(axis=(1, 2, 3))
    others = np.abs(turned - np.roll(drawn, 1, axis=0)).mean(axis=(1, 2, 3))
    assert error.max() < 4
    assert others.min() > 4 * error.max()


def test_every_view_has_its_own_fingerprint_and_pixels() -> None:
    views: list[Any] = [
        "aligned", {"name": "aligned", "crop": 108}, "wild",
        {"name": "wild", "by": "box"}, {"name": "wild", "margin": 1.2},
        {"name": "rotated", "degrees": 20.0}, {"name": "rotated", "degrees": 20.0, "seed": 1},
        {"name": "rotated", "degrees": 20.0, "draw": "visit"},
    ]  # fmt: skip
    sources = [faces(view, 16) for view in views]
    assert len({source.fingerprint() for source in sources}) == len(views)
    assert len({source.decode(INDICES[:4])[0].tobytes() for source in sources}) == len(views)
