"""The features of a procedural face: eyes, nose, mouth, beard and glasses."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmark.data.faces.canvas import Canvas, Colour, Frame, Plane, bump, colour, column
from benchmark.data.faces.factors import BEARDS, EYE_RGB, GLASSES, FaceFactors
from benchmark.data.faces.geometry import (
    EYE_DEPTH,
    MOUTH_DEPTH,
    NOSE_DEPTH,
    SMILE,
    Pose,
    Shape,
    foreshortening,
    mouth_half_width,
    turned,
)

_SHADOW = np.array([0.60, 0.40, 0.36], dtype=np.float32)[:, None, None, None]
_SHADE = np.array([0.66, 0.52, 0.50], dtype=np.float32)[:, None, None, None]
_INK = np.array([0.10, 0.06, 0.06], dtype=np.float32)[:, None, None, None]
_WHITE = np.array([0.97, 0.96, 0.95], dtype=np.float32)[:, None, None, None]


@dataclass(frozen=True)
class Sitter:
    """What all the parts of n figures share."""

    f: FaceFactors
    s: Shape
    pose: Pose
    frame: Frame
    skin: Colour
    hair: Colour
    light_x: Plane  # towards the light, in the image
    light_y: Plane


@dataclass(frozen=True)
class Eye:
    """Where one eye lies, (n, 1, 1) each; `side` is -1 on the image's left."""

    side: int
    x: Plane
    y: Plane
    width: Plane
    height: Plane


def _eye(a: Sitter, side: int) -> Eye:
    x, y = turned(side * a.s.eye_gap, a.s.eye_y, EYE_DEPTH, a.pose)
    width = a.s.eye_width * foreshortening(side * a.s.eye_gap, EYE_DEPTH, a.pose)
    return Eye(side, column(x), column(y), column(width), column(a.s.eye_height))


def draw_eyes(canvas: Canvas, a: Sitter) -> None:
    for eye in (_eye(a, -1), _eye(a, 1)):
        box = (eye.x - 0.30, eye.y - 0.36, eye.x + 0.30, eye.y + 0.22)
        canvas.within(box, a.frame, partial(_draw_eye, a, eye))


def _draw_eye(a: Sitter, eye: Eye, canvas: Canvas) -> None:
    f, s = a.f, a.s
    across = (canvas.x - eye.x) / eye.width
    arch = np.maximum(1.0 - across * across, 0.0)
    tilt = across * column(eye.side * s.slant)
    open_ = eye.height * column(f.eye_open)
    # The socket, then the ball between the lids, the iris and the lids' lines.
    socket = bump(canvas.radii(eye.x, eye.y - 0.05, column(s.eye_width * 1.65), eye.height * 2.4))
    canvas.darken(socket * 0.26, _SHADE)
    middle = eye.y + tilt
    upper, lower = middle - open_ * arch * 1.1, middle + open_ * arch * 0.8
    ball = canvas.between(upper, lower)
    canvas.paint(ball, _WHITE * 0.97)
    iris_x = eye.x + column(0.045 * f.gaze + 0.02 * a.pose.sin_yaw)
    radius = eye.height * 0.98
    dx, dy = canvas.x - iris_x, canvas.y - eye.y
    out: Plane = np.sqrt(dx * dx + dy * dy)
    canvas.paint(ball * canvas.edge(radius - out), colour(EYE_RGB[f.eye_colour]))
    canvas.paint(ball * canvas.edge(radius * 0.52 - out), _INK)
    glint_x = iris_x + 0.4 * radius * np.sign(a.light_x)
    spark = radius * 0.30
    canvas.paint(ball * canvas.ellipse(glint_x, eye.y - radius * 0.38, spark, spark), _WHITE)
    lash = column(0.016 + 0.020 * f.makeup)
    line = canvas.between(upper - lash * (arch + 0.35), upper + 0.004)
    inside = canvas.edge(eye.width * 1.12 - np.abs(canvas.x - eye.x))
    canvas.paint(line * inside * 0.9, _INK)
    below = canvas.between(lower, lower + 0.014) * inside
    canvas.darken(below * 0.5, _SHADOW)
    _draw_brow(canvas, a, eye)


def _draw_brow(canvas: Canvas, a: Sitter, eye: Eye) -> None:
    f, s = a.f, a.s
    width = eye.width * 1.30
    across = (canvas.x - eye.x) / width
    outward = across * eye.side
    y = eye.y - column(s.brow_gap + 0.03 * f.brow_raise)
    # An arch whose top lies outward, and thinner there.
    bow = outward - 0.2
    y = y + 0.035 * bow * bow + outward * column(s.brow_tilt)
    thick = column(s.brow_thick * (1.0 - 0.25 * f.makeup)) * (0.8 - 0.4 * outward)
    taper = np.maximum(1.0 - across * across, 0.0)
    thick = thick * np.minimum(taper * 2.5, 1.0)
    ends = canvas.edge(width - np.abs(canvas.x - eye.x))
    tint = a.hair * 0.55 + a.skin * 0.10
    canvas.paint(canvas.between(y - thick, y + thick) * ends * 0.88, tint)


def draw_nose(canvas: Canvas, a: Sitter) -> None:
    s, pose = a.s, a.pose
    x, y = (column(v) for v in turned(np.zeros(len(a.f)), s.nose_y, NOSE_DEPTH, pose))
    root_x, root_y = (column(v) for v in turned(np.zeros(len(a.f)), s.eye_y, 0.42, pose))
    box = (x - 0.40, root_y - 0.14, x + 0.40, y + 0.16)
    half = column(s.nose_width)

    def draw(part: Canvas) -> None:
        along = np.clip((part.y - root_y) / (y - root_y), 0.0, 1.0)
        ridge = root_x + (x - root_x) * along
        spread = half * (0.42 + 0.58 * along * along)
        away = (part.x - ridge) / spread
        # The flank that the light leaves dark; the ridge that catches it.
        reach = bump(np.abs((part.y - (root_y + y) * 0.5) / (0.72 * (y - root_y))))
        flank = away + 1.1 * np.where(a.light_x < 0, np.float32(-1), np.float32(1))
        lit = np.minimum(np.abs(a.light_x) * 1.2 + 0.35, 1.0)
        dark = bump(flank * flank / 1.1) * reach * lit
        part.darken(dark * 0.85, _SHADOW)
        ridge_light = bump(away * away * 3) * reach * 0.30
        part.paint(ridge_light, a.skin * 0.35 + 0.68)
        tip = bump(part.radii(x, y - 0.035, half * 0.75, half * 0.75))
        part.paint(tip * 0.42, a.skin * 0.4 + 0.62)
        under = bump(part.radii(x, y + 0.035, half * 1.35, half * 0.55 + part.pixel * 0.3))
        part.darken(under * 0.70, _SHADOW)
        for side in (-1, 1):
            hole = part.ellipse(x + side * half * 0.52, y + 0.018, half * 0.30, half * 0.19)
            part.darken(hole * 0.85, _SHADOW * 0.75)

    canvas.within(box, a.frame, draw)


def draw_mouth(canvas: Canvas, a: Sitter) -> None:
    """Lips between curves, inside the same box whatever the expression."""
    f, s = a.f, a.s
    x, y = (column(v) for v in turned(np.zeros(len(f)), s.mouth_y, MOUTH_DEPTH, a.pose))
    half = column(mouth_half_width(f, s) * a.pose.cos_yaw)
    gap = column(0.075 * f.mouth_open)
    lip = column(s.lips * (1.0 + 0.25 * f.makeup - 0.12 * np.abs(f.smile)))
    rouge = colour(np.stack([0.80 - 0.1 * f.makeup, 0.16 + 0 * f.skin, 0.22 + 0 * f.skin], axis=1))
    amount = column(0.36 + 0.5 * f.makeup)
    natural = a.skin * np.array([0.90, 0.66, 0.64], dtype=np.float32)[:, None, None, None]
    tint = natural + amount * (rouge - natural)

    def draw(part: Canvas) -> None:
        across = (part.x - x) / half
        square = across * across
        full = np.maximum(1.0 - square, 0.0)
        ends = part.edge(half - np.abs(part.x - x))
        line = y + column(SMILE * f.smile) * (0.4 - np.minimum(square, 1.2))
        upper: Plane = line - gap * 0.5 * full
        lower: Plane = line + gap * full
        bow = full * (0.75 + np.minimum(square * 2, 0.35))
        part.paint(part.between(upper - lip * bow, lower + lip * 1.35 * full) * ends, tint)
        inner = part.between(upper, lower) * ends
        part.paint(inner, np.array([0.24, 0.06, 0.07], dtype=np.float32)[:, None, None, None])
        teeth = part.between(upper, upper + (lower - upper) * 0.62) * ends
        part.paint(teeth * column(np.clip(0.35 + f.smile, 0, 1)), _WHITE * 0.96)
        seam = part.between(line - 0.011, line + 0.011) * ends
        shut = np.clip(1.0 - gap * 40, 0, 1)
        part.darken(seam * shut * 0.9, _SHADOW * 0.55)
        gloss = bump(part.radii(x, lower + lip * 0.6, half * 0.45, lip * 0.7 + part.pixel * 0.3))
        part.paint(gloss * 0.25, _WHITE)

    canvas.within((x - 0.36, y - 0.17, x + 0.36, y + 0.22), a.frame, draw)


def draw_beard(canvas: Canvas, a: Sitter, head: Plane) -> None:
    """Stubble, full beard, moustache or goatee, inside the head's coverage (n, h, w)."""
    f, s = a.f, a.s
    if not f.beard.any():
        return
    x, y = (column(v) for v in turned(np.zeros(len(f)), s.mouth_y, MOUTH_DEPTH, a.pose))
    low = column(s.eye_y + 0.16)
    cheek = canvas.radii(x, y - 0.36, column(s.width * 0.92), 0.44)
    jaw = np.clip((cheek - 1) * 4, 0, 1) * np.clip((canvas.y - low) * 7, 0, 1)
    lip = canvas.between(
        y - 0.125 + 0.9 * (canvas.x - x) * (canvas.x - x), y - 0.045 + 0.5 * np.abs(canvas.x - x)
    ) * canvas.edge(0.22 - np.abs(canvas.x - x))
    chin = canvas.ellipse(x, y + 0.24, 0.16, 0.17)
    full, kind = np.maximum(np.maximum(jaw, lip), chin), f.beard
    area = (
        column((kind == BEARDS.index("stubble")) * 0.36) * full
        + column((kind == BEARDS.index("full")) * 0.95) * full
        + column((kind == BEARDS.index("moustache")) * 0.92) * lip
        + column((kind == BEARDS.index("goatee")) * 0.92) * np.maximum(chin, lip)
    )
    canvas.paint(area * head, a.hair * 0.78)


def draw_glasses(canvas: Canvas, a: Sitter) -> None:
    f = a.f
    if not f.glasses.any():
        return
    worn = column(f.glasses > 0)
    tinted = column((f.glasses == GLASSES.index("dark")) * 0.9 + (f.glasses > 0) * 0.08)
    left, right = _eye(a, -1), _eye(a, 1)
    y = left.y + 0.01

    def draw(part: Canvas) -> None:
        rim = np.zeros_like(part.x)
        glass = np.zeros_like(part.x)
        for eye in (left, right):
            width, height = eye.width * 1.38, eye.height * 2.1
            inside = part.depth(eye.x, y, width, height)
            lens = part.edge(inside)
            rim = np.maximum(rim, part.edge(inside + 0.034) - lens)
            glass = np.maximum(glass, lens)
        bridge = part.between(y - 0.045, y - 0.010) * part.edge(
            (right.x - left.x) * 0.5 - np.abs(part.x - (left.x + right.x) * 0.5)
        )
        rim = np.maximum(rim, bridge * (1.0 - glass))
        part.paint(glass * tinted, np.array([0.10, 0.10, 0.13], np.float32)[:, None, None, None])
        part.paint(rim * worn * 0.9, _INK)

    box = (left.x - 0.32, y - 0.28, right.x + 0.32, y + 0.28)
    canvas.within(box, a.frame, draw)
