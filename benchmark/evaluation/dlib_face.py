"""dlib's face recognition network in plain torch: features that distinguish people.

Trained by Davis King (dlib, 2017) so that photographs of one person lie less than 0.6 apart; a
residual network (He et al., "Deep residual learning for image recognition", 2015) of 29
convolutions. Its weights, `dlib_face_recognition_resnet_model_v1.dat`, are his too, released under
CC0 1.0; they are read from the package face_recognition_models, which is never imported.
"""

import hashlib
import re
from importlib.util import find_spec
from itertools import starmap
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
# What precedes the elements of a tensor: the name of its layer (followed by the sizes of a linear
# one), a version and four axes. An integer is preceded by a byte with its length.
_INTEGER = rb"(?:\x01.|\x02.{2}|\x03.{3}|\x04.{4})"
_TENSOR = re.compile(
    rb"(?:con_4|affine_|fc_2" + _INTEGER * 2 + rb")\x01\x02" + _INTEGER * 4, re.DOTALL
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
    """The network read from dlib's file, with each batch norm folded into its convolution."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.tensor(_MEAN_RGB)[:, None, None])
        weights = _Weights(content)
        self.stem = weights.convolution(3, 32, size=7, stride=2)
        self.blocks = nn.Sequential()
        before = 32
        for channels, stride in _BLOCKS:
            first = weights.convolution(before, channels, size=3, stride=stride)
            second = weights.convolution(channels, channels, size=3, stride=1)
            self.blocks.append(_Block(first, second))
            before = channels
        self.last = weights.linear(before, 128)

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


class _Weights:
    """The tensors in dlib's file, in the order of its layers: from the image to the features.

    The settings in the file are not read: its checksum identifies the network.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._starts = (header.end() for header in _TENSOR.finditer(content))

    def convolution(self, before: int, after: int, size: int, stride: int) -> nn.Conv2d:
        """A convolution of `before` to `after` channels, merged with the `affine_` that follows."""
        weights = self._next(after * before * size * size + after)
        scale, shift = self._next(2 * after).reshape(2, after)
        kernel, bias = weights[:-after].reshape(after, before, size, size), weights[-after:]
        padding = size // 2 if stride == 1 else 0
        layer = nn.Conv2d(before, after, size, stride, padding, device="meta")
        layer.weight = _parameter(kernel * scale[:, None, None, None])
        layer.bias = _parameter(bias * scale + shift)
        return layer

    def linear(self, before: int, after: int) -> nn.Linear:
        """A linear layer of `before` to `after` features, without bias."""
        layer = nn.Linear(before, after, bias=False, device="meta")
        layer.weight = _parameter(self._next(before * after).reshape(before, after).T)
        return layer

    def _next(self, count: int) -> NDArray[np.float64]:
        values = np.frombuffer(self._content, "<f4", count, next(self._starts))
        return values.astype(np.float64)


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
