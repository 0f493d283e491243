"""What the page on adding things shows works as it stands."""

from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmark.data.external import External
from benchmark.data.settings import ExternalData
from benchmark.errors import EXIT_STOPPED, BusyError
from tests.docs.commands import FENCE, ROOT

PAGE = (ROOT / "docs" / "how-to" / "extend.md").read_text(encoding="utf-8")
BLOCKS = list(FENCE.finditer(PAGE))


def test_the_data_set_of_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [block for block in BLOCKS if block["title"] == "disks.py"]
    (tmp_path / "disks.py").write_text(code["text"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (block,) = [each["text"] for each in BLOCKS if "disks:Disks" in each["text"]]
    written = YAML(typ="safe").load(block)["data"]
    data = External(ExternalData.model_validate(written), None)
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
