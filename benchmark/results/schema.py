"""The tables of results/<ablation>/<profile>/: their names, their columns and ablation.json.

ablation.json     what every number depends on: an AblationRecord
runs.csv          one row per run: what it is, how it ended, its last values by the headline judge
train.csv.gz      one row per logging step: means since the last
heldout.csv       one row per snapshot: the method's own measures over fixed held-out images
evaluations.csv   one row per judge, snapshot and draw of samples: the metrics
probes.csv        one row per probed run
images.csv        one row per external image set and judge, if any
claims.csv, correlations.csv, stopping.csv, collapse.csv, events.csv, variance.csv
                  the evidence, by claims/evidence.py
tuning.json       where arms were tuned, the random settings and the winners (see tuning.py)
search/           the same tables of the runs of these settings
strips/           paths between embedded faces, of each cell's first probed run
preference/       what people chose, a file each (see preference/answers.py)
notes.md          what a person wrote after looking

results/<ablation>/retired/
                  verdicts of tables that a larger scale supersedes (see report/retired.py)
results/generators/ runs packed by `bench export --last`, to be judged again
results/samples/  the first rows of each run's last grid, once for all ablations; beside an
                  ablation's own tables where another has the run with other weights

Whoever changes what is written raises FORMAT and adds a golden folder to tests/results/.
"""

from pathlib import Path
from typing import Any, Final, Literal

from benchmark.ablation.claims import Claim
from benchmark.evaluation.settings import EvaluationSettings, JudgeSettings
from benchmark.strict import Strict

FORMAT: Final = 5
DIGITS = 9
"""Significant digits in a CSV: enough to distinguish any two float32; more would be noise in the
history."""
DISTANCE, VALIDATION, BEST = "distance", "distance_validation", "best_distance"
REAL, BLURRED = "real", "blurred"
"""Floors: the scores of real training images, and of the same blurred, instead of generated
ones."""

# Columns that every table has; those added by methods, metrics and probes are all numeric.
REQUIRED = {
    "runs": (
        *("run_id", "label", "cell", "seed", "method", "signal", "state", "reason", "step"),
        *("parameters", "wall_s", "cpu_s", "weights_sha256", "commit", "instructions", "data"),
    ),
    "train": ("run_id", "step"),
    "heldout": ("run_id", "step"),
    "evaluations": ("run_id", "judge", "step", "draw"),
    "probes": ("run_id",),
}


def table_path(folder: Path, name: str) -> Path:
    """The file of a table; that of training is compressed, as it holds most of the numbers."""
    return folder / (f"{name}.csv.gz" if name == "train" else f"{name}.csv")


# Columns of images.csv before the metrics.
IMAGES = (
    *("name", "judge", "features", "samples", "unusable", "images_sha256", "judge_digest"),
    "reference",
)
# Never parsed as numbers, which a hash may look like. Swept keys are text too.
TEXT = {
    *("run_id", "label", "cell", "method", "signal", "state", "reason", "judge"),
    *("weights_sha256", "commit", "instructions", "data"),
    *("name", "features", "images_sha256", "judge_digest", "reference"),
}
WHOLE = {"seed", "draw", "step", "samples", "unusable"}


class DataRecord(Strict):
    """What was trained on; title, fingerprint and subject are null until a run has started."""

    title: str | None
    fingerprint: str | None
    broken: int
    """Images that could not be read and were left out."""
    settings: dict[str, Any]
    subject: str | None
    """What the images show, in a word: faces, digits."""


class SetupRecord(Strict):
    """Data that several cells may share, and the judges' reference data."""

    data: DataRecord
    references: dict[str, str]
    """By judge, the fingerprint of its reference data, for judges that have rows."""
    floors: dict[str, dict[str, dict[str, float]]]
    """By judge and floor, the metrics of real images in the generator's place."""


class JudgeEntry(Strict):
    """A judge, in the version whose rows are in the tables."""

    name: str
    settings: JudgeSettings
    digest: str | None
    """The judge's own hash; null until it has judged a run, as network and parameters are empty."""
    network: dict[str, Any]
    parameters: dict[str, Any]
    versions: dict[str, str]  # by metric

    @property
    def features(self) -> str:
        return self.settings.features

    @property
    def samples(self) -> int:
        return self.settings.samples


class EvaluationRecord(Strict):
    """The part of EvaluationSettings that does not concern a single judge."""

    every: int
    metrics: list[str]
    """Metrics from outside the package, by import path."""
    repeats: int
    collapse_below: float


class CellRecord(Strict):
    """What the runs of a cell, which differ only in their seed, have in common."""

    cell: str
    point: dict[str, Any]
    method: str
    signal: str
    steps: int
    batch: int
    settings: dict[str, Any]
    """What not all runs of the ablation share, by dotted key."""
    setup: int
    """Index into `setups`."""
    differing: list[str]
    """Runs whose training or reference data differ from the set-up's."""


class RegistrationRecord(Strict):
    """The ablation's registration, and what the checkout's history says about it."""

    path: str
    """The file's path relative to the top of the checkout."""
    sha256: str
    commit: str | None
    """The first commit with the file's current content; null if there is none."""
    time: str | None
    """The date of that commit, in ISO 8601."""
    rules: int
    alpha: float
    looks: list[int]
    """The number of seeds per cell at each look, in order."""
    seeds: list[int]
    pool: bool
    """Whether identical cells of other ablations may lend their seeds."""
    evaluation: EvaluationSettings
    claims: dict[str, str]
    """By the claim's id, its digest."""
    runs: dict[str, list[str]]
    """By cell, the ids of its runs in the order of the seeds."""
    lent: list[str]
    """Runs of the same cells with further seeds, trained by other ablations."""
    amended: list[str]
    """One sentence for each commit of the file with different content."""
    unregistered: list[str]
    """Runs that have begun but are not known to use code from after that commit."""


class AblationRecord(Strict):
    """Everything that the tables' numbers depend on."""

    format: Literal[5]
    name: str
    question: str
    source: str | None
    profile: str
    finding: bool
    """False for a demonstration, which only shows that the harness works."""
    swept: list[str]
    seeds: list[int]
    overrides: list[str]
    judges: list[JudgeEntry]
    """In the file's order; the first is the headline, which decides the claims."""
    evaluation: EvaluationRecord
    settings: dict[str, Any]
    """What all runs share except the seed, by dotted key."""
    setups: list[SetupRecord]
    cells: list[CellRecord]
    commits: list[str]
    devices: list[str]
    lanes: dict[str, int]
    """For runs that shared a process: how many it trained side by side."""
    claims: list[Claim]
    registration: RegistrationRecord | None
    """Null if there is no such file, or the tables were written outside a checkout."""

    @property
    def headline(self) -> JudgeEntry:
        return self.judges[0]

    @property
    def steps(self) -> int:
        """Of training, in the cell that has most."""
        return max(cell.steps for cell in self.cells)

    @property
    def signals(self) -> list[str]:
        """The methods' own measures of convergence, each once."""
        return list(dict.fromkeys(cell.signal for cell in self.cells))
