"""What the pages on adding things show works as it stands."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from benchmark.data.external import External
from benchmark.data.settings import ExternalData
from benchmark.errors import EXIT_STOPPED, BusyError
from benchmark.evaluation.catalogue import domain, seconds_per_sample
from benchmark.evaluation.metrics import METRICS, Comparison, Reference, load_metric
from benchmark.evaluation.networks import load_network
from benchmark.evaluation.settings import EvaluationSettings
from tests.docs.commands import FENCE, ROOT

HOW_TO = ROOT / "docs" / "how-to"
PAGE = (HOW_TO / "extend.md").read_text(encoding="utf-8")
BLOCKS = list(FENCE.finditer(PAGE))
EVALUATE = list(FENCE.finditer((HOW_TO / "evaluate.md").read_text(encoding="utf-8")))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where people call `bench` from, with the files of both pages."""
    for block in BLOCKS + EVALUATE:
        if block["title"]:
            (tmp_path / block["title"]).write_text(block["text"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def written(blocks: list[re.Match[str]], word: str) -> Any:
    """The YAML block that has this word."""
    (found,) = [
        block["text"] for block in blocks if block["kind"] == "yaml" and word in block["text"]
    ]
    return YAML(typ="safe").load(found)


def test_the_judge_of_the_page_is_one(folder: Path) -> None:
    judges = written(EVALUATE, "thumbnail:Thumbnail")["judges"]
    settings = EvaluationSettings.model_validate({"every": 1, "judges": judges})
    name = settings.judges["colours"].features
    network = load_network(name, torch.device("cpu"))
    grey = torch.full((2, 3, 32, 32), 100, dtype=torch.uint8)
    assert network(grey).tolist() == [[100.0] * network.width] * 2
    assert (network.version, domain(name)) == ("1", "colours")
    assert seconds_per_sample(name) is not None


def test_the_metric_of_the_page_is_one(folder: Path) -> None:
    (path,) = written(EVALUATE, "nearest:NEAREST")["evaluation"]["metrics"]
    before = dict(METRICS)
    try:
        metric = load_metric(path)
        assert list(METRICS) == [*before, "nearest_real"]
    finally:
        METRICS.clear()
        METRICS.update(before)
    real = np.random.default_rng(0).normal(size=(60, 3)) * 100
    shifted = Comparison(real + np.array([3, 0, 4]), 1.0, Reference(real, real, 1.0))
    assert metric.compute(shifted) == pytest.approx(5, rel=0.2)


def test_the_block_of_the_page_is_one() -> None:
    block = written(EVALUATE, "collapse_below")["evaluation"]
    settings = EvaluationSettings.model_validate(block)
    assert settings.headline == "efficientnet_lite0"
    assert settings.judges["faces"].features == "dlib_face"


def test_the_data_set_of_the_page_is_one(folder: Path) -> None:
    block = written(BLOCKS, "disks:Disks")["data"]
    data = External(ExternalData.model_validate(block), None)
    assert data.subject == "disks"
    images, whole = data.decode(np.array([0, 1, 0]))
    assert images.shape == (3, 3, 64, 64)
    assert whole.all()
    assert (images[0] == images[2]).all()  # an image depends on its index alone
    assert len(np.unique(images[0].reshape(3, -1).T, axis=0)) == 2  # a disk and its ground
    parts = [set(part.tolist()) for part in data.splits().values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(data) == 5000


def test_the_exit_codes_of_the_page_are_the_workers() -> None:
    assert f"| {EXIT_STOPPED} | asked to stop" in PAGE
    assert f"| {BusyError.exit_code} | another process holds the run" in PAGE
