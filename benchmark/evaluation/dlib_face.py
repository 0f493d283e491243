"""dlib's face recognition network in plain torch: features that distinguish people.

Trained by Davis King (dlib, 2017) so that photographs of one person lie less than 0.6 apart; a
residual network (He et al., "Deep residual learning for image recognition", 2015) of 29
convolutions. Its weights, `dlib_face_recognition_resnet_model_v1.dat`, are his too, released under
CC0 1.0; they are read from the package face_recognition_models, which is never imported.
"""

import hashlib
from importlib.util import find_spec
from itertools import starmap
from math import prod
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.errors import BenchError

_INSTALL = "pip install 'began-bench[face-judge]'"
_MEAN_RGB = (122.782, 117.001, 104.298)
# (channels, stride) of the residual blocks, from the image to the features.
_BLOCKS = (
    *((32, 1), (32, 1), (32, 1)),
    *((64, 2), (64, 1), (64, 1), (64, 1)),
    *((128, 2), (128, 1), (128, 1)),
    *((256, 2), (256, 1), (256, 1)),
    (256, 2),
)


class DlibFace(nn.Module):
    """The 128 features of dlib's face recognition, meant to be compared by Euclidean distance.

    Images are resized to the 150 x 150 of its training. In dlib's own crops the eyes lie 0.35 of
    the image's side apart and 0.31 of it below the top.
    """

    VERSION = "1"
    domain: ClassVar[str] = "faces"
    seconds_per_sample: ClassVar[float] = 0.011
    INPUT_IMAGE_SIZE = 150
    WIDTH = 128
    WEIGHTS_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"

    def __init__(self) -> None:
        """Raises BenchError if the weights are missing or have another checksum."""
        super().__init__()
        path = _weights_path()
        content = path.read_bytes()
        self.weights_sha256 = hashlib.sha256(content).hexdigest()
        if self.weights_sha256 != self.WEIGHTS_SHA256:
            raise BenchError(
                f"{path}: not the weights that `dlib_face` stands for (SHA-256 "
                f"{self.weights_sha256}, expected {self.WEIGHTS_SHA256}); uninstall the package "
                f"that this file belongs to, then {_INSTALL}"
            )
        network = FaceNetwork(content)
        self.network = network.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) -> float32 (N, 128)."""
        side = self.INPUT_IMAGE_SIZE
        x = nn.functional.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
        features: Tensor = self.network(x.contiguous(memory_format=torch.channels_last))
        return features


class FaceNetwork(nn.Module):
    """The network read from dlib's file, with each batch norm folded into its convolution.

    Raises ValueError if the bytes are not such a file.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.tensor(_MEAN_RGB)[:, None, None])
        file = _File(content)
        file.start()
        self.stem = file.convolution(3, 32, size=7, stride=2)
        file.layer("relu_")
        file.layer("max_pool_2", 3, 3, 2, 2, 0, 0)
        self.blocks = nn.Sequential()
        before = 32
        for channels, stride in _BLOCKS:
            first = file.convolution(before, channels, size=3, stride=stride)
            file.layer("relu_")
            second = file.convolution(channels, channels, size=3, stride=1)
            if stride == 2:
                file.layer("avg_pool_2", 2, 2, 2, 2, 0, 0)
            file.layer("add_prev_")
            file.layer("relu_")
            self.blocks.append(_Block(first, second))
            before = channels
        file.layer("avg_pool_2", 0, 0, 1, 1, 0, 0)  # over the whole image
        self.last = file.linear(before, 128)
        file.end()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 150, 150) in [0, 255] -> (N, 128)."""
        x = nn.functional.relu(self.stem((x - self.mean) / 256))
        x = self.blocks(nn.functional.max_pool2d(x, 3, 2))
        features: Tensor = self.last(x.mean((2, 3)))
        return features


class _Block(nn.Module):
    """Two convolutions around a shortcut, which is average-pooled 2 x 2 if the first has stride
    2."""

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        y = self.second(nn.functional.relu(self.first(x)))
        if self.first.stride == (2, 2):
            x = nn.functional.avg_pool2d(x, 2)
        return nn.functional.relu(_add(x, y))


def _add(x: Tensor, y: Tensor) -> Tensor:
    """x + y where either may have fewer channels, rows or columns: the missing ones are zeros."""
    shape = tuple(starmap(max, zip(x.shape, y.shape, strict=True)))
    return _grown(x, shape) + _grown(y, shape)


def _grown(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x with zeros after its last channel, row and column, up to `shape` (N, C, H, W)."""
    if x.shape == shape:
        return x
    channels, rows, columns = (n - m for n, m in zip(shape[1:], x.shape[1:], strict=True))
    return nn.functional.pad(x, (0, columns, 0, rows, 0, channels))


class _File:
    """dlib's serialization of this network, read from its first byte to its last.

    Layers come innermost first, that is from the image to the features. Any unexpected content
    raises ValueError.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def start(self) -> None:
        """Everything before the first convolution: loss, format versions, input layer."""
        self._expect(1)
        self._name("loss_metric_2")
        self._skip_reals(2)  # its margin and its distance
        for _ in range(130):  # the format's version for every layer, tag and skip
            self._integer()
        self._name("input_rgb_image_sized")
        self._skip_reals(3)  # the mean RGB
        self._expect(150, 150)

    def convolution(self, before: int, after: int, size: int, stride: int) -> nn.Conv2d:
        """A convolution of `before` to `after` channels, merged with the `affine_` that follows."""
        padding = size // 2 if stride == 1 else 0
        self._name("con_4")
        weights = self._tensor(after * before * size * size + after, 1, 1, 1)
        self._expect(after, size, size, stride, stride, padding, padding)
        self._expect(1, after, before, size, size, 1, 1, after, 1, 1)
        self._skip_reals(4)  # learning rates
        self._finish()
        if size == 7:
            self._expect(1)  # only in the innermost layer
        self._name("affine_")
        scale, shift = self._tensor(2 * after, 1, 1, 1).reshape(2, after)
        self._expect(1, 1, after, 1, 1, 1, 1, after, 1, 1, 0)
        self._finish()

        layer = nn.Conv2d(before, after, size, stride, padding, device="meta")
        kernel, bias = weights[:-after].reshape(after, before, size, size), weights[-after:]
        layer.weight = _parameter(kernel * scale[:, None, None, None])
        layer.bias = _parameter(bias * scale + shift)
        return layer

    def linear(self, before: int, after: int) -> nn.Linear:
        """A linear layer of `before` to `after` features, without bias."""
        self._name("fc_2")
        self._expect(after, before)
        weights = self._tensor(before, after, 1, 1)
        self._expect(1, before, after, 1, 1, 1, 0, 0, 0, 0, 1)
        self._skip_reals(4)  # learning rates
        self._finish()

        layer = nn.Linear(before, after, bias=False, device="meta")
        layer.weight = _parameter(weights.reshape(before, after).T)
        return layer

    def layer(self, name: str, *settings: int) -> None:
        """A layer without weights."""
        self._name(name)
        self._expect(*settings)
        self._finish()

    def end(self) -> None:
        if self._at != len(self._content):
            raise self._fault(self._at, "end")

    def _finish(self) -> None:
        """The trailer of every layer: three flags and three tensors left over from training."""
        at = self._at
        if self._take(3).strip(b"01"):
            raise self._fault(at, "three flags")
        for _ in range(3):
            self._tensor(0, 0, 0, 0)

    def _tensor(self, *shape: int) -> NDArray[np.float64]:
        """The elements of a tensor of four axes, flat."""
        self._expect(2, *shape)
        return np.frombuffer(self._take(4 * prod(shape)), "<f4").astype(np.float64)

    def _name(self, name: str) -> None:
        at, wanted = self._at, bytes([1, len(name)]) + name.encode()
        if self._take(len(wanted)) != wanted:
            raise self._fault(at, name)

    def _skip_reals(self, count: int) -> None:
        for _ in range(2 * count):  # each a mantissa and an exponent
            self._integer()

    def _expect(self, *numbers: int) -> None:
        for number in numbers:
            at = self._at
            if self._integer() != number:
                raise self._fault(at, f"number {number}")

    def _integer(self) -> int:
        """A byte with the size (low four bits) and the sign (high bit), then the magnitude."""
        (control,) = self._take(1)
        magnitude = int.from_bytes(self._take(control & 15), "little")
        return -magnitude if control & 128 else magnitude

    def _take(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError(f"dlib's face network breaks off after {len(self._content)} bytes")
        self._at += count
        return taken

    def _fault(self, at: int, wanted: str) -> ValueError:
        return ValueError(f"not dlib's face network: no {wanted} at byte {at}")


def _parameter(values: NDArray[np.float64]) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float32), requires_grad=False)


def _weights_path() -> Path:
    """The weights file in the installed package, located without running the package's code."""
    spec = find_spec("face_recognition_models")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "models" / "dlib_face_recognition_resnet_model_v1.dat"
        if path.is_file():
            return path
    raise BenchError(f"the weights of `dlib_face` are not installed: {_INSTALL}")
