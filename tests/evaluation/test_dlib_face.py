"""dlib's face network in torch: dlib's own features to rounding, and no file but its own."""

from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmark.data.faces.dataset import factors, render
from benchmark.errors import BenchError
from benchmark.evaluation import dlib_face
from benchmark.evaluation.dlib_face import DlibFace

needs_weights = pytest.mark.skipif(
    find_spec("face_recognition_models") is None, reason="needs the extra face-judge"
)


@pytest.fixture(scope="module")
def extractor() -> DlibFace:
    return DlibFace()


@pytest.fixture(scope="module")
def content() -> bytes:
    return dlib_face._weights_path().read_bytes()


@pytest.fixture(scope="module")
def drawn() -> Tensor:
    return torch.from_numpy(render(factors(np.arange(12)), 150))


@pytest.fixture
def photographs(real_faces: Path) -> Tensor:
    """Twelve people, cropped as dlib crops faces."""
    files = sorted((real_faces / "celeba" / "img_align_celeba").iterdir())[:12]
    return torch.stack([photograph(file) for file in files])


def photograph(path: Path) -> Tensor:
    with Image.open(path) as image:
        face = image.convert("RGB").crop((34, 77, 144, 187)).resize((150, 150))
    return torch.from_numpy(np.array(face)).permute(2, 0, 1)


def features(extractor: DlibFace, images: Tensor) -> Tensor:
    with torch.inference_mode():
        found: Tensor = extractor(images)
    return found


def features_of_dlib(dlib: ModuleType, images: Tensor) -> Tensor:
    model = dlib.face_recognition_model_v1(str(dlib_face._weights_path()))
    chips = [np.ascontiguousarray(image) for image in images.permute(0, 2, 3, 1).numpy()]
    found = [np.array(model.compute_face_descriptor(chip, 0)) for chip in chips]
    return torch.from_numpy(np.stack(found)).float()


@needs_weights
@pytest.mark.parametrize("faces", ["drawn", "photographs"])
def test_agrees_with_dlib(extractor: DlibFace, faces: str, request: pytest.FixtureRequest) -> None:
    dlib = pytest.importorskip("dlib")
    images = request.getfixturevalue(faces)
    found = features(extractor, images)
    assert found.shape == (len(images), extractor.WIDTH)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, features_of_dlib(dlib, images), rtol=0, atol=1e-5)


@needs_weights
@pytest.mark.parametrize("faces", ["drawn", "photographs"])
def test_people_differ_by_more_than_a_shift_by_one_pixel(
    extractor: DlibFace, faces: str, request: pytest.FixtureRequest
) -> None:
    images = request.getfixturevalue(faces)
    found = features(extractor, images)
    shifted = features(extractor, images.roll(1, dims=3))
    assert (found - shifted).norm(dim=1).max() < torch.pdist(found).min()


@needs_weights
def test_the_batch_around_an_image_changes_nothing(extractor: DlibFace, drawn: Tensor) -> None:
    together = features(extractor, drawn)
    alone = torch.cat([features(extractor, image) for image in drawn.split(1)])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)


@needs_weights
def test_takes_other_sizes(extractor: DlibFace) -> None:
    small = torch.from_numpy(render(factors(np.arange(2)), 64))
    assert features(extractor, small).shape == (2, 128)


@needs_weights
def test_loading_draws_nothing_and_trains_nothing() -> None:
    before = torch.get_rng_state()
    extractor = DlibFace()
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(p.requires_grad for p in extractor.parameters())
    assert extractor.weights_sha256 == DlibFace.WEIGHTS_SHA256


@needs_weights
@pytest.mark.parametrize("cut", ["truncated", "another file"])
def test_another_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, cut: str
) -> None:
    path = tmp_path / "weights.dat"
    path.write_bytes(content[:-1] if cut == "truncated" else b"other weights")
    monkeypatch.setattr(dlib_face, "_weights_path", lambda: path)
    with pytest.raises(
        BenchError, match=r"not the weights .*'began-bench\[face-judge\]'"
    ) as caught:
        DlibFace()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlib_face, "find_spec", lambda name: None)
    with pytest.raises(BenchError, match=r"pip install 'began-bench\[face-judge\]'") as caught:
        DlibFace()
    assert "\n" not in str(caught.value)
