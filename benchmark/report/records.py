"""ablation.json as the report reads it (written by results/description.py)."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.ablation.claims import Claim
from benchmark.errors import BenchError
from benchmark.strict import Strict

FORMAT = 2
MEND = "run `bench run FILE` again, which writes these tables anew from the runs"


class DataRecord(Strict):
    """Which faces; title and fingerprint are null until a run has started."""

    title: str | None
    fingerprint: str | None
    broken: int
    settings: dict[str, Any]


class EvaluationRecord(BaseModel):
    """What judged the samples, and how many of them. It may say more than a caption needs."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    features: str
    features_version: str
    input_size: int
    weights_sha256: str
    reference: str
    samples: int
    kid_subsets: int
    kid_subset_size: int
    precision_recall_neighbours: int
    density_coverage_neighbours: int
    fidelity_version: str
    collapse_below: float | None = None


class SetupRecord(Strict):
    """Faces and judge that several cells may share, and what real images get from that judge."""

    distance: str
    data: DataRecord
    evaluation: EvaluationRecord | None
    # The view that samples are compared with, where it is not the one trained on.
    reference_view: dict[str, Any] | None
    floor: dict[str, float] | None


class CellRecord(Strict):
    """What the runs of a cell, which differ in their seed alone, have in common."""

    cell: str
    point: dict[str, Any]
    method: str
    signal: str
    steps: int
    batch: int
    settings: dict[str, Any]
    setup: int
    # Runs that saw other faces or another judge than the set-up says.
    differing: list[str]


class AblationRecord(Strict):
    """What every number of the tables depends on."""

    format: Literal[2]
    name: str
    question: str
    source: str | None
    profile: str
    swept: list[str]
    seeds: list[int]
    overrides: list[str]
    distance: str
    settings: dict[str, Any]
    setups: list[SetupRecord]
    cells: list[CellRecord]
    commits: list[str]
    devices: list[str]
    # Runs of one process, by the ids of those that shared theirs.
    lanes: dict[str, int] = Field(default_factory=dict)
    claims: list[Claim]
    claims_sha256: str
    claims_at_start: str | None

    @property
    def distances(self) -> list[str]:
        """The Fréchet distances in use, each once; one unless the extractor is swept."""
        return list(dict.fromkeys(setup.distance for setup in self.setups))

    @property
    def signals(self) -> list[str]:
        """The methods' own measures of convergence, each once."""
        return list(dict.fromkeys(cell.signal for cell in self.cells))

    @property
    def demonstration(self) -> bool:
        return self.profile == "demo"

    @property
    def claims_changed(self) -> bool:
        """Whether the claims are other ones than when the first run began."""
        return self.claims_at_start not in (None, self.claims_sha256)

    def setup(self, cell: str) -> SetupRecord:
        return self.setups[next(each.setup for each in self.cells if each.cell == cell)]


def read_record(path: Path) -> AblationRecord:
    """Raises BenchError where the file is torn, of another format or not what it should be."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); {MEND}") from None
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise BenchError(
            f"{path}: format {version!r}, and this version of bench reads format {FORMAT}; {MEND}"
        )
    try:
        return AblationRecord.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BenchError(f"{path}: {where}: {first['msg']}; {MEND}") from None
