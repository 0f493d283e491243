"""The views of photographs, on made-up ones whose every pixel says where it was."""

from math import atan2, cos, degrees, hypot, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.celeba.dataset import CelebA
from benchmark.data.settings import CelebASettings, RotatedView
from benchmark.data.store import FaceStore, open_store
from benchmark.data.views import rotated
from benchmark.data.views.square import Square, sample
from tests.data.made_up import COUNT, MARKS, table, wild_face


def spec(view: object, size: int = 64, **changes: object) -> CelebASettings:
    return CelebASettings.model_validate({"name": "celeba", "view": view, "size": size, **changes})


def seen(root: Path, view: object, **changes: Any) -> NDArray[np.uint8]:
    images, whole = CelebA(spec(view, **changes), root).decode(np.arange(COUNT))
    assert whole.all()
    return images


def geometry(image: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Centre x, y, side and roll of the square that an image shows, read from its ramps."""
    size = image.shape[-1]
    v, u = np.mgrid[0:size, 0:size] + 0.5 - size / 2
    x, y = image[0].astype(float) + 0.5, image[1].astype(float) + 0.5
    # What is beyond the made-up photograph, and where the ramp bends at its edge, says nothing.
    inside = (np.hypot(u, v) < 0.4 * size) & (x > 6) & (y > 6)
    basis = np.stack([u[inside], v[inside], np.ones(inside.sum())], axis=1)
    (xu, _, x0), (yu, _, y0) = (np.linalg.lstsq(basis, p[inside])[0] for p in (x, y))
    # Going right in the output goes (cos, -sin) of the roll in the photograph.
    return x0, y0, size * hypot(xu, yu), degrees(atan2(-yu, xu))


def test_rotated_turns_each_image_by_its_own_roll(root: Path) -> None:
    view = {"name": "rotated", "crop": 128, "degrees": 20.0}
    rolls = rotated.turns(RotatedView.model_validate(view), np.arange(COUNT)).roll
    assert np.abs(rolls).max() > 20
    assert len(set(np.sign(rolls))) == 2
    for image, roll in zip(seen(root, view), rolls, strict=True):
        x, y, side, found = geometry(image)
        assert found == pytest.approx(roll, abs=0.1)
        assert (x, y, side) == pytest.approx((89, 109, 128), abs=0.1)


def test_a_landmark_lands_where_the_roll_takes_it(root: Path) -> None:
    """From the landmarks alone: the roll of the eyes' line in the view is that of the draw."""
    view = {"name": "rotated", "crop": 140, "degrees": 30.0, "roll": "uniform"}
    rolls = rotated.turns(RotatedView.model_validate(view), np.arange(COUNT)).roll
    eyes = np.array([(69.5, 111.5), (108.5, 111.5)])
    for image, roll in zip(seen(root, view, size=128), rolls, strict=True):
        # The output pixel that shows an eye is the one whose colours are the eye's place.
        shown = [hit(image, eye) for eye in eyes]
        (x0, y0), (x1, y1) = shown
        assert degrees(atan2(y1 - y0, x1 - x0)) == pytest.approx(roll, abs=0.1)
        assert hypot(x1 - x0, y1 - y0) == pytest.approx(39 * 128 / 140, abs=0.1)


def hit(image: NDArray[np.uint8], place: NDArray[np.float64]) -> tuple[float, float]:
    """Where in the output a place of the photograph is shown, from the ramps about it."""
    x, y, side, roll = geometry(image)
    size = image.shape[-1]
    c, s = cos(radians(roll)), sin(radians(roll))
    dx, dy = (place - (x, y)) * size / side
    return c * dx - s * dy, s * dx + c * dy


def test_shift_and_scale_move_the_square(root: Path) -> None:
    view = {"name": "rotated", "crop": 108, "degrees": 10.0, "shift": 0.06, "scale": 0.1}
    t = rotated.turns(RotatedView.model_validate(view), np.arange(COUNT))
    for i, image in enumerate(seen(root, view)):
        x, y, side, roll = geometry(image)
        assert side == pytest.approx(108 / t.scale[i], rel=2e-3)
        assert roll == pytest.approx(t.roll[i], abs=0.2)
        # The face moves by the shift, so the square moves against it.
        assert (x, y) == pytest.approx((89, 109) - t.shift[i] * side, abs=0.2)


@pytest.mark.parametrize("crop", [108, 128, 178])
def test_no_roll_is_the_aligned_view_to_the_bit(root: Path, crop: int) -> None:
    still = seen(root, {"name": "rotated", "crop": crop, "degrees": 0.0})
    assert np.array_equal(still, seen(root, {"name": "aligned", "crop": crop}))


@pytest.mark.parametrize("roll", [45.0, -45.0, 10.0, 90.0, 137.0])
@pytest.mark.parametrize("size", [32, 64, 256])
def test_no_corner_is_black(roll: float, size: int) -> None:
    """A white photograph stays white wherever its widest crop reaches."""
    white = Image.new("RGB", (178, 218), (255, 250, 240))
    image = sample(white, Square(89, 109, 178, roll), size)
    assert (image == np.array([255, 250, 240])[:, None, None]).all()


def test_what_is_beyond_is_the_edge_repeated() -> None:
    """Left of a photograph whose left edge is red there is red, whatever lies further in."""
    image = Image.new("RGB", (178, 218), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 20, 218))
    wide = sample(image, Square(0, 109, 100), 50)
    assert (wide[:, :, :25] == np.array([255, 0, 0])[:, None, None]).all()
    turned = sample(image, Square(-200, 109, 100, 30), 50)
    assert (turned == np.array([255, 0, 0])[:, None, None]).all()


@pytest.mark.parametrize("roll", [0.0, 20.0])
@pytest.mark.parametrize("side", [150.0, 640.0])
def test_turning_and_shrinking_is_antialiased(roll: float, side: float) -> None:
    """Stripes one pixel wide become their mean: also where a large face is averaged first."""
    stripes = np.zeros((1000, 1000, 3), np.uint8)
    stripes[:, ::2] = 255
    image = sample(Image.fromarray(stripes), Square(500.3, 500, side, roll), 32)
    assert np.abs(image.astype(float) - 127.5).max() < 6


def test_turning_does_not_move_or_blur(root: Path) -> None:
    """A disc turned by 30 degrees about its centre stays the same disc."""
    y, x = np.mgrid[0:218, 0:178] + 0.5
    disc = np.clip(30.5 - np.hypot(x - 89, y - 109), 0, 1) * 255
    image = Image.fromarray(np.repeat(disc[:, :, None], 3, axis=2).astype(np.uint8))
    still = sample(image, Square(89, 109, 128), 64).astype(float)
    turned = sample(image, Square(89, 109, 128, 30), 64).astype(float)
    assert np.abs(still - turned).max() < 16  # on an edge; a shift of one pixel would make it 100
    assert np.abs(still - turned).mean() < 0.5


def cubic(t: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """Keys' kernel (IEEE Trans. ASSP 29, 1981, equation 15 with the free parameter a)."""
    t = np.abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


@pytest.mark.parametrize("roll", [17.0, -40.0])
def test_a_turned_square_is_the_sum_over_pixels_rounded_once(roll: float) -> None:
    """By the kernels' sums in float64: turned at twice the size (a = -1), halved (a = -1/2)."""
    size, finer = 16, 32
    pixels = np.random.default_rng(0).integers(0, 256, (64, 60, 3))
    v, u = np.mgrid[0:finer, 0:finer] + 0.5 - finer / 2
    c, s = cos(radians(roll)), sin(radians(roll))
    x, y = 30 + c * u + s * v, 32 - s * u + c * v
    across = cubic(x[..., None] - np.arange(60) - 0.5, -1.0)
    down = cubic(y[..., None] - np.arange(64) - 0.5, -1.0)
    turned = np.einsum("vuy,vux,yxc->vuc", down, across, pixels)
    places = (np.arange(size)[:, None] + 0.5) - (np.arange(finer) + 0.5) / 2
    weights = cubic(places, -0.5)
    weights /= weights.sum(axis=1, keepdims=True)
    wanted = np.einsum("iv,ju,vuc->cij", weights, weights, turned).clip(0, 255)
    got = sample(Image.fromarray(pixels.astype(np.uint8)), Square(30, 32, finer, roll), size)
    assert np.abs(got - wanted).max() < 0.5 + 1e-3


def test_wild_is_the_square_about_the_landmarks(root: Path) -> None:
    """Hand-made faces of CelebA's proportions: 128 pixels a side times their scale."""
    for margin in (0.8, 1.0):
        for i, image in enumerate(seen(root, {"name": "wild", "margin": margin})):
            middle_x, middle_y, scale, roll = wild_face(i)
            x, y, side, turn = geometry(image)
            # Landmarks are whole pixels: 0.7 pixels at each end of 38.3 are 3 %.
            assert side == pytest.approx(128 * margin * scale, rel=0.03)
            assert turn == pytest.approx(0, abs=0.1)
            # 2.7 scaled pixels up the face's own axis; a landmark means the middle of its pixel.
            up = 2.7 * scale
            wanted = (
                middle_x + 0.5 + up * sin(radians(roll)),
                middle_y + 0.5 - up * cos(radians(roll)),
            )
            assert (x, y) == pytest.approx(wanted, abs=0.6)


def test_wild_by_box_has_the_boxs_centre_and_area(root: Path) -> None:
    for i, image in enumerate(seen(root, {"name": "wild", "by": "box"})):
        x, y, side, roll = geometry(image)
        assert (x, y) == pytest.approx((60 + i + 40.5, 90), abs=0.1)
        assert side == pytest.approx(90, abs=0.1)  # 81 x 100 has the area of 90 x 90
        assert roll == pytest.approx(0, abs=0.1)


def test_the_draws_have_their_distribution() -> None:
    indices = np.arange(100_000)
    normal = RotatedView(name="rotated", degrees=20.0, shift=0.1, scale=0.2)
    t = rotated.turns(normal, indices)
    # Five standard errors.
    assert t.roll.mean() == pytest.approx(0, abs=5 * 20 / 100_000**0.5)
    assert t.roll.std() == pytest.approx(20, rel=5 / 200_000**0.5)
    assert t.shift.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.02)
    assert np.log(t.scale).std() == pytest.approx(0.2, rel=0.02)
    assert np.abs(np.corrcoef([t.roll, *t.shift.T, t.scale]) - np.eye(4)).max() < 0.02
    flat = rotated.turns(RotatedView(name="rotated", roll="uniform", degrees=45.0), indices).roll
    assert np.histogram(flat, 9, (-45, 45))[0] == pytest.approx(100_000 / 9, rel=0.06)
    assert np.abs(flat).max() <= 45
    again = rotated.turns(normal, np.array([7, 3]))
    assert np.array_equal(again.roll, t.roll[[7, 3]])
    other = rotated.turns(normal.model_copy(update={"seed": 1}), indices).roll
    assert abs(np.corrcoef(other, t.roll)[0, 1]) < 0.02


@pytest.fixture(scope="module")
def visited(root: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceStore:
    view = {"name": "rotated", "degrees": 20.0, "draw": "visit"}
    return open_store(spec(view), root, tmp_path_factory.mktemp("cache"))


def test_each_visit_turns_an_image_anew(visited: FaceStore) -> None:
    at = np.array([3, 1, 7])
    first = visited.batch(at, 5, 1)
    assert first.shape == (3, 3, 64, 64)
    assert np.array_equal(first, visited.batch(at, 5, 1))
    assert np.array_equal(first[::-1], visited.batch(at[::-1], 5, 1))
    rolls = [geometry(visited.batch(at, seed, step)[0])[3] for seed in (5, 6) for step in (1, 2, 3)]
    assert np.ptp(rolls) > 10
    assert len(np.unique(np.round(rolls, 1))) == 6
    wanted = rotated.turns(visited.visits.view, at, "visit/5/1").roll  # type: ignore[union-attr]
    assert [geometry(image)[3] for image in first] == pytest.approx(wanted, abs=0.1)


def test_the_fixed_images_of_a_visited_store_are_those_of_one_draw(
    root: Path, visited: FaceStore
) -> None:
    wanted = seen(root, {"name": "rotated", "degrees": 20.0})
    got = visited.fixed(np.arange(COUNT))
    # 128 pixels are kept as they are, not coarser than the photograph: the same to the bit.
    assert np.array_equal(got, wanted)
    assert np.array_equal(got, visited.fixed(np.arange(COUNT)))


def test_a_coarser_canvas_costs_next_to_nothing(root: Path) -> None:
    """At 32 pixels the canvas is half as fine as the photograph."""
    rough = np.random.default_rng(0).integers(0, 256, (28, 23, 3)).repeat(8, 0).repeat(8, 1)
    image = Image.fromarray(rough[:218, :178].astype(np.uint8))
    view = RotatedView(name="rotated", degrees=40.0, draw="visit")
    visits = rotated.photograph_visits(view, 32, "bicubic")
    assert visits.canvas < 100
    canvas = sample(image, visits.squares(1)[0], visits.canvas)
    got = visits.batch(np.stack([canvas] * 9), np.arange(9), "image").astype(float)
    t = rotated.turns(view, np.arange(9))
    wanted = [sample(image, Square(89, 109, 128, roll), 32).astype(float) for roll in t.roll]
    assert np.abs(got - wanted).mean() < 2.5
    assert got.std() == pytest.approx(np.std(wanted), rel=0.03)


def test_visits_leave_no_corner_black(tmp_path: Path) -> None:
    view = RotatedView(
        name="rotated", crop=178, degrees=45, roll="uniform", draw="visit", shift=0.1
    )
    for size in (16, 64):
        visits = rotated.photograph_visits(view, size, "bicubic")
        white = Image.new("RGB", (178, 218), (255, 250, 240))
        canvas = sample(white, visits.squares(1)[0], visits.canvas)
        images = visits.batch(np.stack([canvas] * 30), np.arange(30), "visit/0/1")
        assert (images == np.array([255, 250, 240])[:, None, None]).all()


VIEWS: list[Any] = [
    {"name": "aligned"},
    {"name": "aligned", "crop": 108},
    {"name": "rotated", "degrees": 20.0},
    {"name": "rotated", "degrees": 20.5},
    {"name": "rotated", "degrees": 20.0, "crop": 108},
    {"name": "rotated", "degrees": 20.0, "roll": "uniform"},
    {"name": "rotated", "degrees": 20.0, "seed": 1},
    {"name": "rotated", "degrees": 20.0, "shift": 0.1},
    {"name": "rotated", "degrees": 20.0, "scale": 0.1},
    {"name": "rotated", "degrees": 20.0, "draw": "visit"},
    {"name": "wild"},
    {"name": "wild", "margin": 1.1},
    {"name": "wild", "by": "box"},
]


def test_every_view_and_setting_has_its_own_fingerprint_and_pixels(root: Path) -> None:
    sources = [CelebA(spec(view), root) for view in VIEWS]
    assert len({source.fingerprint() for source in sources}) == len(VIEWS)
    assert len({source.pixels() for source in sources}) == len(VIEWS)
    shown = {source.decode(np.array([4]))[0].tobytes() for source in sources}
    assert len(shown) == len(VIEWS)
    for view in VIEWS:
        assert np.array_equal(seen(root, view), seen(root, view))


@settings(max_examples=100, deadline=None)
@given(
    marks=st.lists(
        st.integers(-300, 600) | st.integers(-(2**31) + 1, 2**31 - 1), min_size=10, max_size=10
    ),
    resample=st.sampled_from(["bicubic", "nearest"]),
    margin=st.sampled_from([0.3, 1.0, 5.0]),
)
def test_any_landmarks_are_a_picture_or_a_flag(
    marks: list[int], resample: str, margin: float, tmp_path_factory: Any
) -> None:
    """Degenerate or far away: never a traceback, never a picture of what is not there."""
    root = tmp_path_factory.mktemp("fuzz")
    (root / "img_celeba").mkdir()
    Image.new("RGB", (250, 240), (90, 80, 70)).save(root / "img_celeba" / "000000.jpg", "PNG")
    (root / "list_eval_partition.txt").write_text("000000.jpg 0\n")
    table(root / "list_landmarks_celeba.txt", MARKS, [marks])
    source = CelebA(spec({"name": "wild", "margin": margin}, 16, resample=resample), root)
    images, whole = source.decode(np.array([0]))
    wanted = np.array([90, 80, 70] if whole[0] else [0, 0, 0])
    assert (images[0] == wanted[:, None, None]).all()


def test_an_image_marked_as_turned_is_flagged(tmp_path: Path) -> None:
    """Its annotations may mean it as stored or as shown."""
    exif = Image.Exif()
    exif[0x0112] = 3
    (tmp_path / "img_align_celeba").mkdir()
    path = tmp_path / "img_align_celeba" / "000000.jpg"
    Image.new("RGB", (178, 218)).save(path, "JPEG", exif=exif)
    (tmp_path / "list_eval_partition.txt").write_text("000000.jpg 0\n")
    source = CelebA(spec("aligned"), tmp_path)
    assert source.decode(np.array([0]))[1].tolist() == [False]
    assert source.fault(0) == "marked as turned by its EXIF data"


@pytest.mark.parametrize("view", ["aligned", "rotated", "wild"])
def test_real_faces_in_every_view(view: str, real_faces: Path) -> None:
    chosen = {"name": view, **({"degrees": 45.0} if view == "rotated" else {})}
    images, whole = CelebA(spec(chosen), real_faces).decode(np.arange(0, 10_000, 250))
    assert whole.all()
    assert images.std(axis=(1, 2, 3)).min() > 15
    # Nothing is filled with black: a face's photograph has few pixels that are wholly so.
    assert (images == 0).all(axis=1).mean() < 0.05


def test_real_faces_are_as_large_by_landmarks_as_by_boxes(real_faces: Path) -> None:
    wild = CelebA(spec("wild"), real_faces)
    # Margin 1.0 shows about what the aligned crop of 128 shows: the faces' median size agrees.
    box = CelebA(spec({"name": "wild", "by": "box"}), real_faces)
    assert np.median(wild._squares.side / box._squares.side) == pytest.approx(1, abs=0.05)
