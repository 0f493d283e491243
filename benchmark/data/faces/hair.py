"""Hair: a body behind the head, and locks in front of it that end at the hairline."""

import numpy as np

from benchmark.data.faces.canvas import Canvas, Plane, bump, column, depth, wave
from benchmark.data.faces.factors import HAIR_STYLES
from benchmark.data.faces.features import Sitter

# A style: coverage; height above the head; width beside it; where the body behind the head and
# the locks beside the face end (y); the hairline's middle (y), its slope from the parting, its
# square and fourth power in half face widths; height of the curls.
_STYLES = {
    "bald": (0.0, 0.00, 0.00, 0.0, -0.2, -0.75, 0.0, 0.0, 0.0, 0.0),
    "receding": (0.9, 0.05, 0.05, 0.1, 0.06, -0.66, -0.10, 0.10, 0.62, 0.0),
    "buzz": (0.72, 0.02, 0.02, 0.1, 0.02, -0.42, 0.0, 0.0, 0.45, 0.0),
    "short": (1.0, 0.09, 0.05, 0.1, 0.04, -0.40, 0.02, 0.06, 0.40, 0.012),
    "quiff": (1.0, 0.19, 0.02, 0.1, 0.02, -0.45, 0.0, 0.05, 0.46, 0.015),
    "side part": (1.0, 0.12, 0.06, 0.1, 0.06, -0.50, 0.17, 0.06, 0.36, 0.0),
    "curly": (1.0, 0.15, 0.11, 0.2, 0.10, -0.40, 0.0, 0.10, 0.36, 0.085),
    "afro": (1.0, 0.27, 0.25, 0.52, 0.60, -0.44, 0.0, 0.12, 0.40, 0.05),
    "bob": (1.0, 0.11, 0.13, 0.58, 0.52, -0.52, 0.22, 0.10, 0.66, 0.0),
    "fringe": (1.0, 0.11, 0.12, 0.80, 0.75, -0.27, 0.0, 0.02, 0.55, 0.0),
    "long": (1.0, 0.10, 0.12, 1.35, 1.2, -0.54, 0.26, 0.12, 0.70, 0.0),
    "long wavy": (1.0, 0.14, 0.19, 1.15, 1.0, -0.52, 0.22, 0.12, 0.66, 0.055),
    "bun": (1.0, 0.05, 0.03, 0.1, 0.03, -0.48, 0.05, 0.10, 0.40, 0.0),
}
_TABLE = np.array([_STYLES[name] for name in HAIR_STYLES])
_BUN = HAIR_STYLES.index("bun")


class Hair:
    """The hair of n sitters, laid out once and painted in two passes."""

    def __init__(self, canvas: Canvas, a: Sitter) -> None:
        style = _TABLE[a.f.hair_style].T
        cover, above, beside, back, front, line, slope, square, fourth, curls = style
        s, pose = a.s, a.pose
        above, beside = above * s.hair_volume, beside * s.hair_volume
        # The skull's back turns against the face.
        self._x = column(-0.10 * pose.sin_yaw)
        self._y = -0.05
        self._width = column(s.width * 1.02 + beside)
        self._height = column(s.height - 0.03 + above)
        self._back, self._front = column(back), column(front)
        self.cover = column(cover)
        self._side = (canvas.x * a.light_x + canvas.y * a.light_y) * 0.7
        self._a, self._bun = a, column(a.f.hair_style == _BUN)
        # The hairline follows the brow's middle, and its parting lies off it.
        middle = 0.55 * column(s.width * pose.sin_yaw)
        off = (canvas.x - middle) / column(s.width)
        parted = np.abs(off - column(0.45 * s.part * (slope > 0)))
        off2 = off * off
        self.line = column(line + 0.35 * pose.sin_pitch) + column(slope) * parted
        self.line += off2 * (column(square) + column(fourth) * off2)
        self._strands(canvas, column(curls), column(s.wave))
        self._outline(canvas)

    def _strands(self, canvas: Canvas, curls: Plane, phase: Plane) -> None:
        x, y = canvas.x, canvas.y
        ripple = wave(x * 2.3 + phase) * wave(y * 2.1 + phase * 3)
        self._curl = ripple * curls
        # Strands fan out from the crown.
        fan: Plane = x / (np.abs(y) + 0.9)
        self.texture = 0.07 * wave(fan * 4.2 + phase)
        self.texture += ripple * (curls * 2.4)

    def _outline(self, canvas: Canvas) -> None:
        dx, dy = (canvas.x - self._x) / self._width, (canvas.y - self._y)
        top = dy / self._height
        # Below its widest place the body goes straight down and ends with rounded corners.
        down = np.maximum(dy, 0.0) / np.maximum(self._back - self._y, 0.2)
        down *= down
        vertical = np.where(dy < 0, top * top, down * down)
        steep = np.where(dy < 0, top / self._height, 2.0 * down)
        self._q = dx * dx + vertical - self._curl
        self._outer = canvas.edge(depth(self._q, dx / self._width, steep)) * self.cover

    def _tint(self) -> Plane:
        """Brightness of the hair: strands, and the side that the light is on."""
        tone: Plane = self.texture + self._side
        tone += 0.92
        return tone

    def draw_back(self, canvas: Canvas) -> None:
        a = self._a
        if self._bun.any():
            radius = 0.21
            bun = canvas.ellipse(self._x, self._y - self._height - 0.08, radius, radius)
            canvas.paint(bun * self._bun, a.hair * self._tint() * 0.85)
        canvas.paint(self._outer, a.hair * self._tint() * 0.62)

    def draw_front(self, canvas: Canvas) -> None:
        a = self._a
        line = np.minimum(self.line, self._front) + self._curl * 0.4
        area = canvas.edge(line - canvas.y) * self._outer
        gloss = (self._q - 0.52) * 3.2
        crown = np.clip(0.1 - canvas.y * 2, 0, 1)
        tone = self._tint() + bump(gloss * gloss) * crown * 0.26
        canvas.paint(area, a.hair * tone + 0.02)
