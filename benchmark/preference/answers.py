"""The answers that people sent back: results/<ablation>/<profile>/preference/*.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from benchmark.ablation.messages import plainly
from benchmark.errors import of_system
from benchmark.preference.samples import Sample, samples
from benchmark.results.tables import Tables
from benchmark.strict import Strict

PAGE = 1
"""Version of the question and its wording; answers to different versions are never mixed."""
FOLDER = "preference"


class PageRecord(Strict):
    """The page that asked."""

    version: int
    ablation: str
    profile: str
    digest: str
    """SHA-256 of the page's pairs."""


class Answer(Strict):
    left: str
    right: str
    """Names of the images: hashes of their pixels."""
    chosen: Literal["left", "right"]
    seconds: Annotated[float, Field(ge=0)]
    """Time taken to answer."""


class AnswersFile(Strict):
    """The file that a person saves from the page and sends back."""

    page: PageRecord
    rater: Annotated[str, Field(min_length=1, max_length=60)]
    """The name that the person gave."""
    answers: list[Answer]


@dataclass(frozen=True)
class Vote:
    """A person's choice between two cells, in samples of runs with one training seed."""

    rater: str
    seed: int
    winner: str
    loser: str


def read_votes(results: Tables) -> tuple[list[Vote], list[str]]:
    """All votes that count, and one line per file about those that do not, and why."""
    counted: list[Vote] = []
    faults: list[str] = []
    seen: dict[tuple[str, str], str] = {}
    paths = sorted((results.folder / FOLDER).glob("*.json"))
    by_name = samples(results) if paths else {}
    for path in paths:
        try:
            content = path.read_bytes()
            file = AnswersFile.model_validate_json(content)
        except (OSError, ValidationError) as error:
            why = of_system(error) if isinstance(error, OSError) else plainly(error)
            faults.append(f"{path.name}: not an answers file ({why})")
            continue
        if why := _mismatch(file.page, results):
            faults.append(f"{path.name}: {why}")
            continue
        # A person's answers to the same page count only once.
        key = file.rater, file.page.digest
        if (other := seen.setdefault(key, path.name)) != path.name:
            faults.append(
                f"{path.name}: {file.rater} also answered that page in {other}, which counts"
            )
            continue
        votes = [vote for each in file.answers if (vote := _vote(file.rater, each, by_name))]
        if lost := len(file.answers) - len(votes):
            faults.append(
                f"{path.name}: {lost} of {len(file.answers)} answers are left out, because they are"
                " about images that no two runs here have"
            )
        counted += votes
    return counted, faults


def _mismatch(page: PageRecord, results: Tables) -> str:
    """Why answers to a page do not belong to this ablation; empty if they do."""
    here = results.record.name, results.folder.name
    if (page.ablation, page.profile) != here:
        return f"answers about {page.ablation}, profile {page.profile}"
    if page.version != PAGE:
        return f"answers to version {page.version} of the page, but this is version {PAGE}"
    return ""


def _vote(rater: str, answer: Answer, by_name: Mapping[str, Sample]) -> Vote | None:
    """The vote that an answer casts; None if no page shows such a pair."""
    left, right = by_name.get(answer.left), by_name.get(answer.right)
    if left is None or right is None or left.cell == right.cell or left.seed != right.seed:
        return None
    winner, loser = (left, right) if answer.chosen == "left" else (right, left)
    return Vote(rater, left.seed, winner.cell, loser.cell)
