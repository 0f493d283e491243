"""As photographed: roll and pose kept, a square about the face.

By landmarks, margin 1.0 is the side that CelebA's own alignment would have given to a crop 128
wide of a frontal face. In CelebA's aligned images the eyes are about 38.3 pixels apart and the
mouth's middle lies about 40.9 below theirs; a face's size is what it measures in these units, and
the side is 128 times that. Yaw shortens the first distance and pitch the second, so the larger
counts, as in FFHQ (Karras et al., arXiv 1812.04948). The square's centre lies where the aligned
crop's does, 2.7 of those pixels from the eyes' middle towards the forehead, along the face's axis.

By box, the square has the box's centre and, at margin 1.0, its area. CelebA's boxes lie lower.
"""

from dataclasses import replace

import numpy as np

from benchmark.data.faces.factors import FaceFactors
from benchmark.data.settings import WildView
from benchmark.data.views import aligned
from benchmark.data.views.square import Floats, Squares

_EYES, _MOUTH, _ABOVE = 38.3, 40.9, 2.7
# How much wider than in the aligned set the procedural faces in the wild vary, by what they are
# cropped by: roll's sd becomes 7 degrees, yaw's 15; a detector's boxes jitter more than landmarks.
_ROLL, _YAW = 7 / 3, 1.35
_SCALE = {"landmarks": 2.0, "box": 3.5}
_SHIFT = {"landmarks": 1.5, "box": 3.0}
_MEAN_SCALE = 1.08


def about_boxes(view: WildView, boxes: Floats) -> Squares:
    """The square of every face by its box (N, 4): left, top, width, height, in image pixels.

    Sides that are not positive mark faces without size.
    """
    left, top, width, height = boxes.T
    side = np.sqrt(np.maximum(width, 0) * np.maximum(height, 0))
    return Squares(left + width / 2, top + height / 2, view.margin * side, np.zeros(len(side)))


def about_landmarks(view: WildView, landmarks: Floats) -> Squares:
    """The square of every face by its landmarks (N, 5, 2), in LANDMARKS' order and image pixels.

    The middle of the first pixel is at (0.5, 0.5).
    """
    eyes, mouth = landmarks[:, 0:2], landmarks[:, 3:5]
    middle = eyes.mean(axis=1)
    down = mouth.mean(axis=1) - middle
    apart = np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1)
    size = np.maximum(apart / _EYES, np.linalg.norm(down, axis=1) / _MOUTH)
    x, y = (middle - down * _ABOVE / _MOUTH).T
    return Squares(x, y, view.margin * (aligned.STANDARD * size), np.zeros(len(size)))


def drawn(f: FaceFactors, view: WildView) -> FaceFactors:
    """The same people further turned and less well centred; a margin shows more about them."""
    scale = _MEAN_SCALE + _SCALE[view.by] * (f.scale - _MEAN_SCALE)
    wild = replace(
        f,
        roll=f.roll * _ROLL,
        yaw=f.yaw * _YAW,
        scale=scale,
        shift=f.shift * _SHIFT[view.by],
    )
    return aligned.zoomed(wild, 1 / view.margin)
