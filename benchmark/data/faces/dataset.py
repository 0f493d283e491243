"""Procedural faces: the embedded data set, drawn from known factors.

It needs no download, and what a model made of it can be held against the factors. The figure
(head, hair, shoulders and the background behind it) turns as one about the image's centre, as a
turned photograph does, but the background has no end: no corner is ever empty.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from benchmark.data.faces.canvas import Canvas, Frame, Plane, bump, colour, column, depth
from benchmark.data.faces.factors import (
    BEARDS,
    HAIR_RGB,
    HAIR_STYLES,
    NECKLINES,
    FaceFactors,
    factors,
    normal,
)
from benchmark.data.faces.features import (
    Sitter,
    draw_beard,
    draw_eyes,
    draw_glasses,
    draw_mouth,
    draw_nose,
)
from benchmark.data.faces.geometry import pose_of, shape_of
from benchmark.data.faces.hair import Hair
from benchmark.data.selection import chosen
from benchmark.data.settings import AlignedView, FacesSettings, RotatedView, Split
from benchmark.data.source import Complete
from benchmark.data.views import aligned, rotated, wild
from benchmark.errors import InputError

__all__ = ["FaceFactors", "ProceduralFaces", "factors", "render"]

# To be raised whenever the same factors would give other pixels.
RENDERER_VERSION = 1
# Pixels of a plane that are worked on at once: its few dozen planes stay in a core's cache.
_PLANE = 64 * 1024

_SKIN_RGB = np.array(
    [
        (0.98, 0.85, 0.76), (0.95, 0.77, 0.64), (0.87, 0.66, 0.50),
        (0.74, 0.52, 0.36), (0.55, 0.36, 0.25), (0.36, 0.23, 0.17),
    ]
)  # fmt: skip
_SHADOW = np.array([0.60, 0.40, 0.36], dtype=np.float32)[:, None, None, None]


def render(f: FaceFactors, size: int) -> NDArray[np.uint8]:
    """Draw N faces: (N, 3, size, size), RGB. An image depends on its own row of `f` alone."""
    images = np.empty((len(f), 3, size, size), dtype=np.uint8)
    step = max(1, _PLANE // size**2)
    for start in range(0, len(f), step):
        rgb = _draw(f.rows(start, start + step), size)
        rgb *= 255.0
        rgb += 0.5
        np.clip(rgb, 0, 255, out=rgb)
        images[start : start + step] = rgb.transpose(1, 0, 2, 3)
    return images


def _draw(f: FaceFactors, size: int) -> NDArray[np.float32]:
    """n faces as (3, n, size, size)."""
    a = _sitter(f, size)
    canvas = a.frame.canvas()
    _draw_background(canvas, a)
    hair = Hair(canvas, a)
    hair.draw_back(canvas)
    _draw_body(canvas, a)
    _draw_ears(canvas, a)
    head = _draw_head(canvas, a, hair)
    draw_beard(canvas, a, head)
    draw_nose(canvas, a)
    draw_eyes(canvas, a)
    draw_mouth(canvas, a)
    draw_glasses(canvas, a)
    hair.draw_front(canvas)
    return canvas.rgb


def _sitter(f: FaceFactors, size: int) -> Sitter:
    shape, pose = shape_of(f.identity), pose_of(f)
    turn = (column(pose.cos_roll), column(pose.sin_roll), column(f.scale))
    frame = Frame(size, *turn, column(f.shift[:, 0]), column(f.shift[:, 1]))
    stops = np.linspace(0.0, 1.0, len(_SKIN_RGB))
    skin = np.stack([np.interp(f.skin, stops, tone) for tone in _SKIN_RGB.T], axis=1)
    own = 1.0 + normal(f.identity, "shape/hair_tone", 0.12)
    return Sitter(
        f,
        shape,
        pose,
        frame,
        skin=colour(skin),
        hair=colour(HAIR_RGB[f.hair_colour] * own[:, None]),
        light_x=column(0.5 * f.light),
        light_y=column(-0.3 * f.light_height),
    )


def _draw_background(canvas: Canvas, a: Sitter) -> None:
    first, second = colour(a.f.background[:, 0]), colour(a.f.background[:, 1])
    along = canvas.x * column(0.5 * a.f.gradient[:, 0]) + canvas.y * column(
        0.5 * a.f.gradient[:, 1]
    )
    along += 0.5
    np.clip(along, 0, 1, out=along)
    canvas.rgb[:] = first + along * (second - first)


def _draw_body(canvas: Canvas, a: Sitter) -> None:
    """Shoulders without end below, the neck with the chin's shadow on it, and clothing."""
    f, s = a.f, a.s
    away = np.abs(canvas.x - column(0.04 * a.pose.sin_yaw))
    side = 1.0 + canvas.x * a.light_x * 0.5
    away2 = away * away
    shoulder = column(s.height + 0.04) + 0.22 * away2 + away2 * away2 * 0.08
    neck = canvas.edge(column(s.neck) - away) * canvas.edge(canvas.y)
    body = np.maximum(neck, canvas.edge(canvas.y - shoulder))
    chin = column(s.height - 0.06)
    shade = np.clip(1.25 - (canvas.y - chin) * 4.0, 0, 1)
    tone = side * 0.94
    canvas.paint(body, a.skin * tone)
    canvas.darken(body * shade * 0.75, _SHADOW)
    kind = f.neckline
    deep = column(np.array([0.10, 0.20, 0.36, 0.24])[kind])
    pointed = column(np.isin(kind, [NECKLINES.index("v"), NECKLINES.index("collar")]))
    round_ = 1.0 - away2 * 7.0
    v = 1.0 - away * 2.9
    dip = column(s.height + 0.02) + deep * (round_ + pointed * (v - round_))
    cloth = canvas.edge(canvas.y - np.maximum(shoulder - 0.03, dip))
    tint = colour(f.clothing)
    canvas.paint(cloth, tint * side)
    rim = canvas.between(dip, dip + 0.10) * cloth
    canvas.paint(rim * column((kind == NECKLINES.index("collar")) * 0.8), 0.5 * tint + 0.48)
    canvas.darken(rim * column(kind != NECKLINES.index("collar")) * 0.35, _SHADOW)


def _draw_ears(canvas: Canvas, a: Sitter) -> None:
    s, pose = a.s, a.pose
    y = column(s.eye_y + 0.11 + 0.05 * pose.sin_pitch)
    high = column(s.ear)
    for side in (-1, 1):
        x = column(side * (s.width * (0.2 + 0.8 * pose.cos_yaw) + 0.02) - 0.10 * pose.sin_yaw)

        def draw(part: Canvas, x: Plane = x, side: int = side) -> None:
            tone = 0.88 + side * a.light_x * 0.5
            part.paint(part.ellipse(x, y, high * 0.62, high), a.skin * tone)
            hollow = bump(part.radii(x + side * 0.01, y, high * 0.45, high * 0.75))
            part.darken(hollow * 0.6, _SHADOW)

        canvas.within((x - 0.14, y - 0.22, x + 0.14, y + 0.22), a.frame, draw)


def _draw_head(canvas: Canvas, a: Sitter, hair: Hair) -> Plane:
    """The shaded head without features; gives its coverage (n, h, w)."""
    s, pose = a.s, a.pose
    y = (canvas.y + 0.03) / column(s.height)
    low = np.maximum(y, 0.0)
    # The jaw narrows, and under yaw the chin goes with the face, the skull's back against it.
    width = column(s.width) * (1.0 - column(s.jaw) * low * low)
    x = (canvas.x - column(0.10 * pose.sin_yaw) * (y + 0.1)) / width
    y2 = y * y
    square = column(0.45 * s.square)
    q = x * x + y2 + square * (y2 * low * low - y2 * low)
    head = canvas.edge(depth(q, x / width, y / column(s.height)))
    # Lambert's law on the ellipsoid that bulges towards the viewer.
    facing = np.sqrt(np.maximum(1.0 - q, 0.0))
    bright = x * a.light_x + y * a.light_y + facing * 0.40 + 0.68
    np.clip(bright, 0, 1.12, out=bright)
    dark = a.skin * _SHADOW
    canvas.paint(head, dark + bright * (a.skin - dark))
    # The hair's shadow on the forehead.
    shade = np.clip(1.0 - (canvas.y - hair.line) * 7.0, 0, 1) * hair.cover
    canvas.darken(shade * head * 0.5, _SHADOW)
    return head


class ProceduralFaces(Complete):
    """The first `count` procedural faces as a data set."""

    title, subject = "procedural faces", "faces"

    def __init__(self, settings: FacesSettings) -> None:
        self._settings, self.size = settings, settings.size
        view = settings.view
        self.visits: rotated.Visits | None = None
        if isinstance(view, RotatedView) and view.draw == "visit":
            self.visits = rotated.face_visits(view, self.size)
        self._side = self.visits.canvas if self.visits else self.size

    def __len__(self) -> int:
        return self._settings.count

    def factors(self, indices: NDArray[np.int64]) -> FaceFactors:
        """What is known of the faces `indices` (N,) as they are drawn in this view."""
        view, f = self._settings.view, factors(indices)
        if self.visits is not None:
            return self.visits.drawn(f)
        if isinstance(view, AlignedView):
            return aligned.drawn(f, view)
        if isinstance(view, RotatedView):
            return rotated.drawn(f, view)
        return wild.drawn(f, view)

    def labels(self) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
        """Some of the factors, by the names that CelebA has for them."""
        f = factors(np.arange(len(self), dtype=np.int64))
        found = {
            "Bald": f.hair_style == HAIR_STYLES.index("bald"),
            "Bangs": f.hair_style == HAIR_STYLES.index("fringe"),
            "Eyeglasses": f.glasses > 0,
            "Mouth_Slightly_Open": f.mouth_open > 0,
            "No_Beard": f.beard == BEARDS.index("none"),
            "Smiling": f.smile > 0.4,
        }
        return tuple(found), np.stack(list(found.values()), axis=1).astype(np.uint8)

    def pixels(self) -> str:
        """Over what decides them, the renderer's version and a few images' pixels.

        The pixels are there for a change of the renderer that forgot the version.
        """
        settings = self._settings.model_dump_json(exclude={"only", "mix"})
        digest = hashlib.sha256(f"faces/{RENDERER_VERSION}/{settings}".encode())
        digest.update(render(self.factors(np.arange(64, dtype=np.int64)), self._side).tobytes())
        return digest.hexdigest()

    def fingerprint(self) -> str:
        settings = self._settings
        if not settings.only and settings.mix is None:
            return self.pixels()
        return hashlib.sha256(f"{self.pixels()}/{settings.model_dump_json()}".encode()).hexdigest()

    def splits(self) -> dict[Split, NDArray[np.int64]]:
        """Train, validation and test: the first 80 %, the next 10 % and the last 10 %.

        Of these those that `only` and `mix` leave. Raises InputError where they name no attribute,
        or nothing is left of a part.
        """
        count = len(self)
        train, validation = count * 8 // 10, count * 9 // 10
        parts: dict[Split, NDArray[np.int64]] = {
            "train": np.arange(train, dtype=np.int64),
            "validation": np.arange(train, validation, dtype=np.int64),
            "test": np.arange(validation, count, dtype=np.int64),
        }
        return chosen(parts, self._settings, self._having, self.title)

    def _having(self, attribute: str) -> NDArray[np.bool_]:
        names, labels = self.labels()
        if attribute not in names:
            raise InputError(
                f"data: {self.title} have no attribute {attribute!r}; they have: {', '.join(names)}"
            )
        return labels[:, names.index(attribute)] > 0

    def decode(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images (N, 3, size, size), or canvases, of `indices` (N,), all of them whole."""
        return render(self.factors(indices), self._side), np.ones(len(indices), dtype=np.bool_)

    def name(self, index: int) -> str:
        return f"face {index}"
