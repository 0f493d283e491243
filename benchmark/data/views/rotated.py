"""The aligned image rotated about the camera's axis, like the paper's rotated faces.

The roll is hashed from the view's seed and the image's index; with `draw: visit`, from the seed of
the run's order, the step and the index, so that an image is rotated differently each time it is
seen. `normal` is the bounded one of data/faces/factors.py: a sum of four uniforms, all within 3.47
sd. The square is sampled from the whole photograph; where it reaches beyond, the photograph's edge
is repeated.
"""

from dataclasses import dataclass, replace
from math import ceil, exp, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.faces.factors import FaceFactors, normal, uniform
from benchmark.data.settings import AlignedView, RotatedView
from benchmark.data.views import aligned
from benchmark.data.views.square import Floats, Resample, Squares, sample

_TAIL = 2 * sqrt(3)  # no draw of `normal` lies further out, in sd
_FAR = 3.0  # a canvas is never wider than this many crops


@dataclass(frozen=True)
class Turns:
    """The transform of each face, (N,): rotation in degrees, scale, and shift (N, 2) in crop
    sides."""

    roll: Floats
    scale: Floats
    shift: Floats


def turns(view: RotatedView, indices: NDArray[np.int64], stream: str = "image") -> Turns:
    """The draws for images by index; another `stream` gives other ones."""
    name = f"view/{view.seed}/{stream}"
    if view.roll == "normal":
        roll = normal(indices, f"{name}/roll", view.degrees)
    else:
        roll = uniform(indices, f"{name}/roll", -view.degrees, view.degrees)
    shift = [normal(indices, f"{name}/shift/{axis}", view.shift) for axis in "xy"]
    scale = np.exp(normal(indices, f"{name}/scale", view.scale))
    return Turns(roll, scale, np.stack(shift, axis=1))


def _about(x: float, y: float, side: float, t: Turns) -> Squares:
    """The squares about (x, y) in which faces appear moved by `t`: shifted, scaled, then turned."""
    sides = side / t.scale
    return Squares(x - t.shift[:, 0] * sides, y - t.shift[:, 1] * sides, sides, t.roll)


def squares(view: RotatedView, count: int) -> Squares:
    """The square of each of the first `count` images, in the 178 x 218 image."""
    t = turns(view, np.arange(count, dtype=np.int64))
    return _about(aligned.WIDTH / 2, aligned.HEIGHT / 2, view.crop, t)


def drawn(f: FaceFactors, view: RotatedView) -> FaceFactors:
    """The factors of procedural faces in this view: drawn turned, not turned afterwards."""
    t = turns(view, f.identity)
    f = aligned.drawn(f, AlignedView(name="aligned", crop=view.crop))
    # Lengths are in half sides there.
    shift = f.shift * t.scale[:, None] + 2 * t.shift
    return replace(f, roll=f.roll + t.roll, scale=f.scale * t.scale, shift=shift)


@dataclass(frozen=True)
class Visits:
    """`draw: visit`: canvases of `canvas` pixels that are rotated when a batch is made.

    A canvas holds the crop, `side` canvas pixels wide, and all surroundings that a rotation can
    bring in. It has twice the images' resolution, so that rotating it costs next to no sharpness.
    """

    view: RotatedView
    size: int
    canvas: int
    side: float
    resample: Resample = "bicubic"

    def batch(
        self, canvases: NDArray[np.uint8], positions: NDArray[np.int64], stream: str
    ) -> NDArray[np.uint8]:
        """Images (n, 3, size, size) of positions (n,) in all canvases (N, 3, canvas, canvas)."""
        middle = self.canvas / 2
        where = _about(middle, middle, self.side, turns(self.view, positions, stream))
        images = np.empty((len(positions), 3, self.size, self.size), dtype=np.uint8)
        for i, position in enumerate(positions.tolist()):
            pixels = canvases[position].transpose(1, 2, 0)
            canvas = Image.fromarray(np.ascontiguousarray(pixels))
            images[i] = sample(canvas, where[i], self.size, self.resample)
        return images

    def squares(self, count: int) -> Squares:
        """The canvases in the 178 x 218 image, the same for all `count` images."""
        full = np.ones(count)
        side = self.canvas * self.view.crop / self.side
        return Squares(full * aligned.WIDTH / 2, full * aligned.HEIGHT / 2, full * side, full * 0.0)

    def drawn(self, f: FaceFactors) -> FaceFactors:
        """The factors of procedural faces on the canvas, turned only by their own roll."""
        zoom = self.side / self.canvas * aligned.STANDARD / self.view.crop
        return aligned.zoomed(f, zoom)


def _reach(view: RotatedView) -> float:
    """Side of the upright square that holds every crop that may be drawn, in crop sides."""
    return min(sqrt(2) * exp(_TAIL * view.scale) + 2 * _TAIL * view.shift, _FAR)


def photograph_visits(view: RotatedView, size: int, resample: Resample) -> Visits:
    """Canvases no finer and no wider than the photograph: beyond it its edge is repeated anyway."""
    density = min(1.0, 2 * size / view.crop)
    side = min(_reach(view) * view.crop, aligned.HEIGHT)
    # An even count of pixels about a whole-numbered centre: at density 1 a mere cut-out.
    return Visits(view, size, 2 * ceil(side * density / 2), view.crop * density, resample)


def face_visits(view: RotatedView, size: int) -> Visits:
    """Canvases of procedural faces."""
    return Visits(view, size, 2 * ceil(size * _reach(view)), 2.0 * size)
