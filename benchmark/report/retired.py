"""A summary of an ablation at one scale, and the retirement of its tables in favour of it.

Once networks that trained longer have been judged, `retire` reduces a smaller scale's tables to
their verdicts and each cell's last distances, in results/<ablation>/retired/<profile>.json; the
tables themselves stay in the git history.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from benchmark.errors import BenchError, InputError
from benchmark.files import write_atomic
from benchmark.git import ask
from benchmark.report.captions import distance_name, sources
from benchmark.report.evidence import NOT_JUDGED, Evidence
from benchmark.report.numbers import NONE, finite
from benchmark.results.places import other_weights, shared_samples, states
from benchmark.results.schema import DISTANCE, REAL
from benchmark.results.tables import Tables, read_record, read_tables, readable
from benchmark.strict import Strict

RETIRED = "retired"
NOT_ASKED = ("not run", NOT_JUDGED)
KEPT = ("verdict", "effect", "interval", "waits")  # fields of a claim's Verdict


class Answer(Strict):
    """A claim's verdict, with its effect as text."""

    says: str
    verdict: str
    effect: str
    interval: str
    waits: bool
    """Whether runs that it needs have failed or are yet to be trained."""

    @property
    def is_asked(self) -> bool:
        return self.verdict not in NOT_ASKED

    @property
    def words(self) -> str:
        """The answer as tables show it."""
        size = " ".join(each for each in (self.effect, self.interval) if each != NONE)
        return f"**{self.verdict}**" + f": {size}" * bool(size) if self.is_asked else self.verdict


class Distances(Strict):
    """The headline distance at the end of a cell's finished runs."""

    planned: int
    """Number of runs, finished or not."""
    values: list[float]


class Scale(Strict):
    """An ablation's answers under one profile."""

    format: Literal[1] = 1
    name: str
    profile: str
    steps: int
    """Training steps, of the cell that has most."""
    sources: tuple[list[str], list[str]]
    """The data and the headline judge, as captions describe them."""
    distance: str
    """What the headline judge's distance is called."""
    real: float | None
    """The distance of real images from real ones."""
    answers: dict[str, Answer]
    """Keyed by the claim's id."""
    cells: dict[str, Distances]
    commit: str | None = None
    """The last commit of the tables, if they have been retired."""

    @property
    def title(self) -> str:
        return f"{self.profile}, {self.steps:,} steps"

    @classmethod
    def of(cls, results: Tables) -> Self:
        record, evidence = results.record, Evidence(results.folder)
        judged = [(claim, evidence.of(claim)) for claim in record.claims]
        floors = [cell.floors.get(REAL, {}).get(DISTANCE) for cell in results.cells]
        return cls(
            # From the folder: runs with --set, or a copy, have the same name in their record.
            name=results.folder.parent.name,
            profile=results.folder.name,
            steps=record.steps,
            sources=sources([record]),
            distance=distance_name(record, record.headline),
            real=next((each for each in floors if each is not None), None),
            answers={
                claim.id: Answer(
                    says=claim.says,
                    **{name: getattr(verdict, name) for name in KEPT},
                )
                for claim, verdict in judged
            },
            cells={
                cell.title: Distances(planned=cell.planned, values=finite(cell.values(DISTANCE)))
                for cell in results.cells
            },
        )


def read_retired(results: Path) -> list[Scale]:
    """The retired scales that have no new tables, by path.

    Raises BenchError if a file cannot be read.
    """
    paths = sorted(results.glob(f"*/{RETIRED}/*.json"))
    scales = []
    for path in paths:
        if not (path.parents[1] / path.stem).is_dir():
            with readable(path, "; `bench retire` wrote it"):
                scales.append(Scale.model_validate_json(path.read_bytes()))
    return scales


def retire(folder: Path) -> Path:
    """Replace the tables in `folder`, results/<ablation>/<profile>, with their verdicts.

    Returns the file that holds these. Raises InputError unless the ablation also has tables with
    more steps, BenchError unless the git history has everything that is deleted.
    """
    tables = read_tables(folder)
    others = [read_record(path.parent) for path in folder.parent.glob("*/ablation.json")]
    if tables.record.steps >= max((each.steps for each in others if each.finding), default=0):
        raise InputError(f"{folder}: the ablation has no tables with more steps")
    runs = states(folder).keys() - other_weights(folder).keys()
    samples = [path for path in (shared_samples(folder, each) for each in runs) if path.is_file()]
    scale = Scale.of(tables).model_copy(update={"commit": _commit_of_all(folder, samples)})
    path = folder.parent / RETIRED / f"{folder.name}.json"
    write_atomic(path, f"{scale.model_dump_json(indent=1)}\n".encode())
    shutil.rmtree(folder)
    for each in samples:
        each.unlink()
    return path


def _commit_of_all(folder: Path, samples: Sequence[Path]) -> str:
    """The last commit of the tables; raises BenchError if anything here is not in the history."""
    here = [str(path.absolute()) for path in (folder, *samples)]
    changed = ask(folder, "status", "--porcelain", "--ignored", "--", *here)
    commit = ask(folder, "log", "-1", "--format=%H", "--", here[0])
    if changed is None or not commit:
        raise BenchError(f"{folder}: not in a git history, which must keep what is deleted here")
    if changed:
        raise BenchError(f"{folder}: not all is committed and would be lost:\n{changed.rstrip()}")
    return commit.strip()
