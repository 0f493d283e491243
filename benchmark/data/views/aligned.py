"""As CelebA's authors aligned the faces: the centre square of the 178 x 218 image.

The crop is centred in the image, at (89, 109), as torchvision's CenterCrop does it (some chins
are cut at 108 and 128); progressive GANs (arXiv 1710.10196, 128 wide) and StyleGAN
centre it 12 pixels lower, at (89, 121). Here every allowed crop fits without a shift.
"""

from dataclasses import replace

import numpy as np

from benchmark.data.faces.factors import FaceFactors
from benchmark.data.settings import AlignedView
from benchmark.data.views.square import Squares

WIDTH, HEIGHT = 178, 218
# The crop at which a procedural face is drawn at its own scale.
STANDARD = 128


def squares(view: AlignedView, count: int) -> Squares:
    """The centre square, the same for all `count` images."""
    full = np.ones(count)
    return Squares(full * WIDTH / 2, full * HEIGHT / 2, full * view.crop, full * 0.0)


def zoomed(f: FaceFactors, zoom: float) -> FaceFactors:
    """Procedural faces seen through a crop narrower (zoom > 1) or wider (< 1) than STANDARD."""
    return f if zoom == 1.0 else replace(f, scale=f.scale * zoom, shift=f.shift * zoom)


def drawn(f: FaceFactors, view: AlignedView) -> FaceFactors:
    """The factors of procedural faces in this view."""
    return zoomed(f, STANDARD / view.crop)
