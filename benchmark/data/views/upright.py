"""The wild image turned upright by the eyes' line.

Centre and side are the wild view's, not the alignment's: it differs from wild only by the removed
roll, and from aligned only by the crop.
"""

from dataclasses import replace

import numpy as np

from benchmark.data.faces.factors import FaceFactors
from benchmark.data.settings import UprightView
from benchmark.data.views import wild
from benchmark.data.views.square import Squares


def squares(view: UprightView, marks: wild.Marks) -> Squares:
    """The wild view's squares, turned so that the eyes are level."""
    assert marks.landmarks is not None
    across, down = (marks.landmarks[:, 1] - marks.landmarks[:, 0]).T
    return replace(wild.squares(view, marks), roll=-np.rad2deg(np.arctan2(down, across)))


def drawn(f: FaceFactors, view: UprightView) -> FaceFactors:
    """The wild view's factors without roll."""
    return replace(wild.drawn(f, view), roll=np.zeros(len(f)))
