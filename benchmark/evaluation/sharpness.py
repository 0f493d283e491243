"""How sharp images are."""

from collections.abc import Iterable, Iterator

from torch import Tensor

# Rec. 601 luma of red, green and blue, in thousandths.
_LUMA = 299, 587, 114


def laplacian_variance(images: Tensor) -> Tensor:
    """Variance (N,) over the pixels of each image's Laplacian, float64, in squared grey levels.

    uint8 (N, 3, H, W), H and W at least 3. The four-neighbour Laplacian of the luma, without the
    border (Pech-Pacheco et al. 2000, ICPR). Blur lowers it; noise and checkerboards raise it, so
    sharper than the data is no better than blurred.
    """
    red, green, blue = images.int().unbind(1)
    grey = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    laplacian = (
        grey[:, :-2, 1:-1]
        + grey[:, 2:, 1:-1]
        + grey[:, 1:-1, :-2]
        + grey[:, 1:-1, 2:]
        - 4 * grey[:, 1:-1, 1:-1]
    )
    return (laplacian.double() / 1000).var((1, 2), correction=0)


class Watched:
    """An iterable of images that measures the mean `laplacian_variance` of those it has yielded."""

    def __init__(self, images: Iterable[Tensor]) -> None:
        self._images, self._sum, self._count = images, 0.0, 0

    def __iter__(self) -> Iterator[Tensor]:
        for part in self._images:
            self._sum += float(laplacian_variance(part).sum())
            self._count += len(part)
            yield part

    @property
    def mean(self) -> float:
        return self._sum / self._count
