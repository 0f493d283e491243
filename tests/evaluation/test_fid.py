"""FID by us, by torch-fidelity and by pytorch-fid, from images to number, on the same images.

The weights are drawn at random, for the real ones cannot be part of the tests.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from benchmark.data.faces.dataset import factors, render
from benchmark.evaluation import inception_2015
from benchmark.evaluation.features import extract
from benchmark.evaluation.frechet import Gaussian
from benchmark.evaluation.metrics import Comparison, Reference
from benchmark.evaluation.networks import FeatureNetwork, load_network

CPU = torch.device("cpu")
COUNT = 6


class Untrained(FeatureExtractorInceptionV3):
    """Weights that keep a signal's size from layer to layer, so that features differ."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


class Listed(Dataset[Tensor]):
    def __init__(self, images: Tensor) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        return self._images[index]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save({}, path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Untrained("untrained", ["2048"], feature_extractor_weights_path=str(path))
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def inception(weights: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureNetwork:
    monkeypatch.setattr(inception_2015, "_weights", lambda: weights)
    return load_network("inception_2015", CPU)


def some_faces(side: int) -> tuple[Tensor, Tensor]:
    faces = render(factors(np.arange(2 * COUNT)), 32)
    images = torch.from_numpy(faces).repeat_interleave(-(-side // 32), 2)
    images = images.repeat_interleave(-(-side // 32), 3)[..., :side, :side]
    return images[:COUNT], images[COUNT:] // 2 + 20


def features(network: FeatureNetwork, images: Tensor) -> NDArray[np.float64]:
    return extract(network, [images]).double().numpy()


def test_fid_and_kid_are_torch_fidelitys(inception: FeatureNetwork, weights: Path) -> None:
    fake, real = some_faces(32)
    theirs = calculate_metrics(
        input1=Listed(fake),
        input2=Listed(real),
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        kid_subset_size=COUNT // 2,
        **dict.fromkeys(("fid", "kid", "save_cpu_ram"), True),
        **dict.fromkeys(("cuda", "cache", "verbose", "samples_shuffle"), False),
    )
    x, y = features(inception, fake), features(inception, real)
    ours = Comparison(x, 1.0, Reference(y, y, 1.0))
    assert theirs["frechet_inception_distance"] > 1
    assert ours.distance == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert ours.kid.mean() == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3)
    assert ours.kid.std() == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-3)


def of_pytorch_fid(
    images: Tensor, width: int, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> NDArray[np.float64]:
    """Its network's features of images of 299 px, which neither package then resizes.

    It scales to (x - 127.5) / 127.5, where the 2015 graph and torch-fidelity have (x - 128) / 128.
    """
    module: Any = pytest.importorskip("pytorch_fid.inception", reason="the dev extra has it")
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *_, **__: torch.load(weights))
    block = module.InceptionV3.BLOCK_INDEX_BY_DIM[width]
    network = module.InceptionV3([block], normalize_input=False).eval()
    with torch.inference_mode():
        (maps,) = network((images.float() - 128) / 128)
    return maps.mean((2, 3)).double().numpy()


def distance_of_pytorch_fid(
    fake: NDArray[np.float64], real: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> float:
    module: Any = pytest.importorskip("pytorch_fid.fid_score", reason="the dev extra has it")

    def sqrtm(matrix: NDArray[np.float64], disp: bool = True) -> Any:
        root = scipy.linalg.sqrtm(matrix)
        return root if disp else (root, 0.0)

    # SciPy is about to drop `disp`, which it still passes.
    monkeypatch.setattr(module, "linalg", SimpleNamespace(sqrtm=sqrtm))
    moments = [m for f in (fake, real) for m in (f.mean(0), np.cov(f, rowvar=False))]
    return float(module.calculate_frechet_distance(*moments))


@pytest.mark.filterwarnings("ignore:Matrix is singular")  # fewer images than features
@pytest.mark.parametrize("width", [192, pytest.param(2048, marks=pytest.mark.slow)])
def test_fid_is_pytorch_fids(
    inception: FeatureNetwork, weights: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pooled features of FID, and quickly those of an early layer."""
    inception.module.network.features_list = [str(width)]
    sides, network = some_faces(299), replace(inception, width=width)
    ours = [features(network, images) for images in sides]
    theirs = [of_pytorch_fid(images, width, weights, monkeypatch) for images in sides]
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)
    expected = distance_of_pytorch_fid(*theirs, monkeypatch)
    assert Gaussian(ours[1]).distance(ours[0]) == pytest.approx(expected, rel=1e-3)
