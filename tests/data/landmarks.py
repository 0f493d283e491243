"""Where the eyes, nose and mouth of drawn faces are."""

import numpy as np
from numpy.typing import NDArray

from benchmark.data.faces.factors import FaceFactors
from benchmark.data.faces.geometry import (
    EYE_DEPTH,
    MOUTH_DEPTH,
    NOSE_DEPTH,
    SMILE,
    mouth_half_width,
    pose_of,
    shape_of,
    turned,
)


def landmarks(f: FaceFactors, size: int) -> NDArray[np.float64]:
    """Positions (N, 5, 2) in pixels, x then y; the middle of the first pixel is at (0, 0).

    CelebA's order: the eye and then the mouth corner on the image's left come first: left eye,
    right eye, nose, left mouth, right mouth.
    """
    s, pose = shape_of(f.identity), pose_of(f)
    width = mouth_half_width(f, s)
    corner = s.mouth_y - 0.6 * SMILE * f.smile
    parts = [
        turned(-s.eye_gap, s.eye_y, EYE_DEPTH, pose),
        turned(s.eye_gap, s.eye_y, EYE_DEPTH, pose),
        turned(np.zeros(len(f)), s.nose_y, NOSE_DEPTH, pose),
        turned(-width, corner, MOUTH_DEPTH, pose),
        turned(width, corner, MOUTH_DEPTH, pose),
    ]
    points = np.array(parts).transpose(2, 0, 1)
    points = points * f.scale[:, None, None] + f.shift[:, None, :]
    cos, sin = pose.cos_roll[:, None], pose.sin_roll[:, None]
    x, y = points[..., 0], points[..., 1]
    turned_points = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    return (turned_points + 1.0) * (size / 2) - 0.5
