"""Results and their document, made once: drawing is the slow part."""

import json
import shutil
from pathlib import Path

import pytest

from benchmark.report.document import Document
from benchmark.report.overview import compose
from benchmark.results.tables import read_all
from benchmark.results.writer import write_results
from tests.report import evidence
from tests.report.material import fill_all, latent


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two ablations; not to be written to."""
    root = tmp_path_factory.mktemp("made")
    for plan in (None, latent()):
        write_results(fill_all(root / "runs", plan), root / "runs", root / "results")
    return root / "results"


@pytest.fixture(scope="session")
def document(made: Path) -> Document:
    return compose(read_all(made))


@pytest.fixture
def results(tmp_path: Path, made: Path) -> Path:
    """A results folder of this test's own, with one ablation."""
    for name in ("baselines", "samples"):
        shutil.copytree(made / name, tmp_path / "results" / name)
    return tmp_path / "results"


@pytest.fixture
def folder(results: Path) -> Path:
    """The folder of ablation.json."""
    return results / "baselines" / "short"


@pytest.fixture
def longer(folder: Path) -> Path:
    """The same ablation under a profile with ten times the steps, with other verdicts."""
    evidence.write(folder)
    other = folder.parent / "longer"
    shutil.copytree(folder, other)
    record = json.loads((other / "ablation.json").read_text())
    record["profile"] = "longer"
    for cell in record["cells"]:
        cell["steps"] *= 10
    (other / "ablation.json").write_text(json.dumps(record))
    evidence.write(other, verdict="supported", effect=-40.0, low=-60.0, high=-20.0)
    return other
