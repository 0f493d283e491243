"""An ablation at one scale in short, and the tables that are replaced by it.

Once networks that learnt longer have been asked, `retire` keeps of a smaller scale's tables their
verdicts and each cell's last distances, as results/<ablation>/retired/<profile>.json; the tables
themselves stay in the history.
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
KEPT = ("verdict", "effect", "interval", "waits")  # of a claim's verdict


class Answer(Strict):
    """A claim's verdict, its effect as text."""

    says: str
    verdict: str
    effect: str
    interval: str
    waits: bool
    """Whether runs that it needs have failed or are yet to come."""

    @property
    def is_asked(self) -> bool:
        return self.verdict not in NOT_ASKED

    @property
    def said(self) -> str:
        """As a table has it."""
        size = " ".join(each for each in (self.effect, self.interval) if each != NONE)
        return f"**{self.verdict}**" + f": {size}" * bool(size) if self.is_asked else self.verdict


class Distances(Strict):
    """The headline distance at the end of a cell's finished runs."""

    planned: int
    """Runs, finished or not."""
    values: list[float]


class Scale(Strict):
    """An ablation's answers under one profile."""

    format: Literal[1] = 1
    name: str
    profile: str
    steps: int
    """Of training, in the cell that has most."""
    sources: tuple[list[str], list[str]]
    """The words of captions for the data and for the headline judge."""
    distance: str
    """What the headline judge's distance is called."""
    real: float | None
    """The distance of real images from real ones."""
    answers: dict[str, Answer]
    """By the claim's id."""
    cells: dict[str, Distances]
    commit: str | None = None
    """The last commit of the tables, where these have been retired."""

    @property
    def title(self) -> str:
        return f"{self.profile}, {self.steps:,} steps"

    @classmethod
    def of(cls, results: Tables) -> Self:
        record, evidence = results.record, Evidence(results.folder)
        judged = [(claim, evidence.of(claim)) for claim in record.claims]
        floors = [cell.floors.get(REAL, {}).get(DISTANCE) for cell in results.cells]
        return cls(
            # Of the place: runs with --set, or a copy, have the record's name and profile too.
            name=results.folder.parent.name,
            profile=results.folder.name,
            steps=record.steps,
            sources=sources([record]),
            distance=distance_name(record, record.headline),
            real=next((each for each in floors if each is not None), None),
            answers={
                claim.id: Answer(
                    says=claim.says,
                    **{name: getattr(found, name) for name in KEPT},
                )
                for claim, found in judged
            },
            cells={
                cell.title: Distances(planned=cell.planned, values=finite(cell.values(DISTANCE)))
                for cell in results.cells
            },
        )


def read_retired(results: Path) -> list[Scale]:
    """Those without new tables, by path; raises BenchError where a file cannot be read."""
    paths = sorted(results.glob(f"*/{RETIRED}/*.json"))
    found = []
    for path in paths:
        if not (path.parents[1] / path.stem).is_dir():
            with readable(path, "; `bench retire` wrote it"):
                found.append(Scale.model_validate_json(path.read_bytes()))
    return found


def retire(folder: Path) -> Path:
    """Replace the tables in `folder`, results/<ablation>/<profile>, by their verdicts.

    Returns the file of these. Raises InputError unless the ablation has tables of more steps, and
    BenchError unless the history has everything that is deleted.
    """
    found = read_tables(folder)
    others = [read_record(path.parent) for path in folder.parent.glob("*/ablation.json")]
    if found.record.steps >= max((each.steps for each in others if each.finding), default=0):
        raise InputError(f"{folder}: the ablation has no tables of more steps")
    mine = states(folder).keys() - other_weights(folder).keys()
    samples = [path for path in (shared_samples(folder, each) for each in mine) if path.is_file()]
    kept = Scale.of(found).model_copy(update={"commit": _commit_of_all(folder, samples)})
    path = folder.parent / RETIRED / f"{folder.name}.json"
    write_atomic(path, f"{kept.model_dump_json(indent=1)}\n".encode())
    shutil.rmtree(folder)
    for each in samples:
        each.unlink()
    return path


def _commit_of_all(folder: Path, samples: Sequence[Path]) -> str:
    """Of the tables; raises BenchError if anything here is not in the history."""
    here = [str(path.absolute()) for path in (folder, *samples)]
    changed = ask(folder, "status", "--porcelain", "--ignored", "--", *here)
    commit = ask(folder, "log", "-1", "--format=%H", "--", here[0])
    if changed is None or not commit:
        raise BenchError(f"{folder}: not in a git history, which would keep what is deleted")
    if changed:
        raise BenchError(f"{folder}: not all committed, and would be lost:\n{changed.rstrip()}")
    return commit.strip()
