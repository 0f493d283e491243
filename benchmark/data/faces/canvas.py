"""A small batch of images under the brush: coordinates, coverage and painting.

Only exactly rounded operations (+ - * / sqrt, minimum, maximum, rint) touch pixels, so that the
bits depend neither on the batch nor on the processor's vector units.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# (n, h, w), or (n, 1, 1) for one value an image. All are float32; NumPy's type hints for mixed
# arithmetic do not know it.
Plane = NDArray[np.floating]
Colour = NDArray[np.floating]  # (3, n, h, w), or (3, n, 1, 1) for one colour an image
Length = Plane | float
Box = tuple[Plane, Plane, Plane, Plane]  # left, top, right, bottom, (n, 1, 1) each


def column(values: ArrayLike) -> Plane:
    """One value an image, (N,), to stand against planes: (N, 1, 1)."""
    return np.asarray(values, dtype=np.float32)[:, None, None]


def colour(values: ArrayLike) -> Colour:
    """One colour an image, (N, 3), to stand against the pixels: (3, N, 1, 1)."""
    return np.asarray(values, dtype=np.float32).T[:, :, None, None]


def bump(q: Plane) -> Plane:
    """A soft hill: 1 at q = 0, exactly 0 from q = 1."""
    t: Plane = np.maximum(1.0 - q, 0.0)
    return t * t


def wave(t: Plane) -> Plane:
    """Like sin(2 pi t), from parabolas."""
    t = t - np.rint(t)
    return t * (8.0 - 16.0 * np.abs(t))


def depth(q: Plane, gx: Plane, gy: Plane) -> Plane:
    """Distance to the curve q = 1, positive where q < 1, with (2 gx, 2 gy) the gradient of q."""
    slope = np.sqrt(gx * gx + gy * gy)
    slope += 1e-6
    slope += slope
    return (1.0 - q) / slope


@dataclass(frozen=True)
class Canvas:
    """Pixels and where they lie in the figure's frame."""

    rgb: NDArray[np.float32]  # (3, n, h, w) in [0, 1]
    x: Plane
    y: Plane
    pixel: Plane  # side of a pixel in the figure's frame, (n, 1, 1)
    sharp: Plane  # its reciprocal

    def paint(self, coverage: Plane, tint: Colour) -> None:
        """Lay `tint`, (3, n, 1, 1) or (3, n, h, w), over the pixels by `coverage` (n, h, w)."""
        step = tint - self.rgb
        step *= coverage
        np.add(self.rgb, step, out=self.rgb)

    def darken(self, amount: Plane, tint: Colour) -> None:
        """Multiply towards `tint` by `amount` (n, h, w)."""
        np.multiply(self.rgb, 1.0 + amount * (tint - 1.0), out=self.rgb)

    def edge(self, distance: Plane) -> Plane:
        """Share of a pixel inside an edge `distance` away (positive: the middle is inside)."""
        share = distance * self.sharp
        share += 0.5
        return np.clip(share, 0.0, 1.0, out=share)

    def between(self, top: Plane, bottom: Plane) -> Plane:
        """Share of a pixel between two curves y = top(x) and y = bottom(x), however close."""
        share = self.edge(self.y - top)
        share += self.edge(bottom - self.y)
        share -= 1.0
        return np.maximum(share, 0.0, out=share)

    def radii(self, x: Plane, y: Plane, width: Length, height: Length) -> Plane:
        """Squared distance from (x, y) in units of the half-axes: below 1 inside the ellipse."""
        dx, dy = (self.x - x) / width, (self.y - y) / height
        dx *= dx
        dy *= dy
        dx += dy
        return dx

    def ellipse(self, x: Plane, y: Plane, width: Length, height: Length) -> Plane:
        """Share of each pixel inside an ellipse."""
        return self.edge(self.depth(x, y, width, height))

    def depth(self, x: Plane, y: Plane, width: Length, height: Length) -> Plane:
        """How far inside an ellipse each pixel lies, right near its edge."""
        dx, dy = (self.x - x) / width, (self.y - y) / height
        return depth(dx * dx + dy * dy, dx / width, dy / height)

    def within(self, box: Box, frame: "Frame", draw: Callable[["Canvas"], None]) -> None:
        """Let `draw` work on the rectangle of pixels that holds every image's `box`.

        What it draws must lie inside its box; then the rectangle, which depends on the batch,
        leaves no trace.
        """
        rows, columns = frame.rectangle(box, self.pixel)
        part = Canvas(
            np.ascontiguousarray(self.rgb[:, :, rows, columns]),
            np.ascontiguousarray(self.x[:, rows, columns]),
            np.ascontiguousarray(self.y[:, rows, columns]),
            self.pixel,
            self.sharp,
        )
        draw(part)
        self.rgb[:, :, rows, columns] = part.rgb


@dataclass(frozen=True)
class Frame:
    """From the figure's frame to the image: turn, then scale and shift, (n, 1, 1) each."""

    size: int
    cos: Plane
    sin: Plane
    scale: Plane
    shift_x: Plane
    shift_y: Plane

    def canvas(self) -> Canvas:
        """Black pixels that know where they lie."""
        half = self.size / 2
        centre = ((np.arange(self.size) + 0.5) / half - 1.0).astype(np.float32)
        across, down = centre[None, None, :], centre[None, :, None]
        x = (self.cos * across + self.sin * down - self.shift_x) / self.scale
        y = (self.cos * down - self.sin * across - self.shift_y) / self.scale
        rgb = np.zeros((3, len(self.cos), self.size, self.size), dtype=np.float32)
        pixel = (1 / half) / self.scale
        return Canvas(rgb, x, y, pixel, 1.0 / pixel)

    def rectangle(self, box: Box, margin: Plane) -> tuple[slice, slice]:
        """Rows and columns that hold `box` and a `margin` about it in every image."""
        left, top, right, bottom = box
        xs = np.stack([left - margin, right + margin, left - margin, right + margin])
        ys = np.stack([top - margin, top - margin, bottom + margin, bottom + margin])
        xs, ys = xs * self.scale + self.shift_x, ys * self.scale + self.shift_y
        return self._span(self.sin * xs + self.cos * ys), self._span(self.cos * xs - self.sin * ys)

    def _span(self, positions: Plane) -> slice:
        half = self.size / 2
        low = int(np.floor((float(positions.min()) + 1.0) * half)) - 1
        high = int(np.ceil((float(positions.max()) + 1.0) * half)) + 1
        low = min(max(low, 0), self.size)
        return slice(low, min(max(high, low), self.size))
