"""Fair tuning: equally many random settings for every arm, drawn from ranges given in the file.

Short runs of all of them are judged by validation images. An arm's best setting is then trained
like the arm's own, with fresh seeds, in addition to it. So every arm gets the same number of tries
(Lucic et al., arXiv 1711.10337; Gulrajani and Lopez-Paz's DomainBed, arXiv 2007.01434).

A draw is a function of (tune.seed, arm, number of the setting, key), so that adding a range or
raising the count changes no other draw, unless the band or an equal setting refuses others for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, ValidationError, model_validator

from benchmark.ablation.cost import work_of
from benchmark.ablation.messages import FileError, one_line, refuse_unknown
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods.cost import Work
from benchmark.seeds import derive
from benchmark.spec import RunSpec
from benchmark.strict import Strict
from benchmark.training.settings import Seed, Steps

TUNE, SETTING = "tune", "setting"
MOST_DRAWS = 200
"""Attempts to draw one setting that is new and within the band."""
FIXED = ("method.name", "training.steps", "training.log_every", "training.checkpoint_every")
"""Keys that no range may be for, besides the data, threads, precision and seeds."""

Ends = Annotated[list[float], Field(min_length=2, max_length=2)]
WholeEnds = Annotated[list[int], Field(min_length=2, max_length=2)]


def _unless_none() -> Any:
    """A key that a record has only where the file has it."""
    return Field(default=None, exclude_if=lambda value: value is None)


class Range(Strict):
    """What a setting is drawn from: a list of choices, or a distribution's minimum and maximum."""

    choices: Annotated[list[Any], Field(min_length=2)] | None = None
    """Equally likely choices; a plain list means the same."""
    uniform: Ends | None = None
    """Uniform numbers, rounded to three digits."""
    log_uniform: Ends | None = None
    """Log-uniform numbers, rounded to three digits."""
    integers: WholeEnds | None = None
    """Uniform whole numbers, both ends included."""
    log_integers: WholeEnds | None = None
    """Log-uniform numbers, rounded down, from the first end to the last, both included."""

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_choices(cls, written: Any) -> Any:
        return {"choices": written} if isinstance(written, list) else written

    @model_validator(mode="after")
    def _one_that_rises(self) -> Self:
        given = self.model_dump(exclude_none=True)
        if len(given) != 1:
            raise ValueError(f"name one of {', '.join(type(self).model_fields)}")
        ((name, values),) = given.items()
        if name == "choices":
            if any(values.count(each) > 1 for each in values):
                raise ValueError("choices must differ")
        elif not values[0] < values[1]:
            raise ValueError(f"{name} needs two ends, the lower first")
        elif name.startswith("log") and values[0] <= 0:
            raise ValueError(f"{name} needs ends above 0")
        return self

    @property
    def values(self) -> list[Any]:
        """The choices, or the minimum and maximum."""
        ((_, values),) = self.model_dump(exclude_none=True).items()
        return list(values)

    @property
    def written(self) -> Any:
        """In the file's short form."""
        return self.choices or self.model_dump(exclude_none=True)

    def at(self, share: float) -> Any:
        """The quantile at `share`, 0 <= share < 1."""
        if self.choices:
            return self.choices[int(share * len(self.choices))]
        low, high = self.values
        # In floating point a share just below 1 may come out above the highest.
        if self.integers:
            return min(int(low + share * (high + 1 - low)), int(high))
        if self.log_integers:
            return min(int(low * ((high + 1) / low) ** share), int(high))
        value = low * (high / low) ** share if self.log_uniform else low + share * (high - low)
        # Rounded, so that the description does not depend on the mathematical library.
        return min(max(float(f"{value:.3g}"), float(low)), float(high))


class Budget(Strict):
    """How long a run of the search trains; steps or core-seconds, the same for every arm."""

    steps: Steps | None = _unless_none()
    """Updates."""
    core_seconds: Annotated[float, Field(gt=0)] | None = _unless_none()
    """Seconds of one core, estimated from operation counts and rates."""
    rates: dict[str, Annotated[float, Field(gt=0)]] | None = _unless_none()
    """By arm, multiply-adds a second and core, as `bench plan` measures them with `--pilot`;
    without them the methods' own estimates count, which another processor or precision may miss by
    a factor of three."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.steps is None) == (self.core_seconds is None):
            raise ValueError("name one of steps, core_seconds")
        if self.rates and self.core_seconds is None:
            raise ValueError("rates need core_seconds")
        return self


class Band(Strict):
    """Limits of every drawn setting, by minimum and maximum."""

    parameters: Ends | None = None
    """Weights of both players, without biases."""
    gflop: Ends | None = None
    """Billions of operations per step, a multiply-add counting as two."""

    @model_validator(mode="after")
    def _rise(self) -> Self:
        for name, (low, high) in self.model_dump(exclude_none=True).items():
            if not low < high:
                raise ValueError(f"{name} needs two ends, the lower first")
        return self

    def holds(self, work: Work, batch: int) -> bool:
        sizes = {"parameters": work.parameters, "gflop": gflop(work, batch)}
        return all(
            low <= sizes[name] <= high
            for name, (low, high) in self.model_dump(exclude_none=True).items()
        )


class TuneSettings(Strict):
    """The search: random settings of every arm, in short runs, chosen by validation images."""

    count: Annotated[int, Field(ge=2, le=1000)]
    """Settings that are drawn for each arm."""
    seed: Seed = 1000
    """Seed of the draws, and of the search's training; the winners use the ablation's `seeds`."""
    budget: Budget
    """How long a run of the search trains."""
    band: Band | None = None
    """Sizes that every drawn setting keeps to."""
    arms: Annotated[dict[str, dict[str, Range]], Field(min_length=1)]
    """By variant, the range of each setting: a list of choices, or a distribution."""


def tuned_cell(arm: str) -> str:
    """The name of the runs of an arm's winning setting."""
    return f"{arm} tuned"


def gflop(work: Work, batch: int) -> float:
    """Cost of a training step: billions of operations, a multiply-add counting as two."""
    return 2e-9 * work.macs * batch


class Make(Protocol):
    def __call__(
        self, arm: str, values: Mapping[str, Any], seed: int, steps: int | None = None
    ) -> RunSpec:
        """The run of an arm with these settings; raises FileError if they are not valid for it."""


@dataclass(frozen=True)
class Candidate:
    """A random setting of an arm."""

    arm: str
    number: int  # from 1
    values: Mapping[str, Any]  # by dotted key
    search: RunSpec

    @property
    def point(self) -> dict[str, Any]:
        return {"variant": self.arm, SETTING: self.number}


@dataclass(frozen=True)
class Tuning:
    """The random settings of every arm of a profile."""

    settings: TuneSettings
    evaluation: EvaluationSettings  # of the search
    arms: Mapping[str, Sequence[Candidate]]
    make: Make = field(compare=False)

    def tuned(self, arm: str, number: int, seed: int) -> RunSpec:
        """A run of an arm with one of its random settings, as long as the arm's own."""
        return self.make(arm, self.arms[arm][number - 1].values, seed)

    @property
    def drawn(self) -> list[Candidate]:
        """Those of all arms, in order."""
        return [each for found in self.arms.values() for each in found]

    @property
    def costliest(self) -> dict[str, int]:
        """By arm, the number of the setting with the most costly step; 1 if costs are not
        declared."""
        return {arm: max(found, key=_cost).number for arm, found in self.arms.items()}


def merged(base: Any, patch: Any) -> Any:
    """A profile's `tune` block over the file's: a range, budget or band is replaced whole."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    whole = {**base, **patch}
    old, new = base.get("arms"), patch.get("arms")
    if isinstance(old, dict) and isinstance(new, dict):
        whole["arms"] = {**old, **new} | {
            arm: {**old[arm], **new[arm]}
            for arm in new
            if isinstance(old.get(arm), dict) and isinstance(new[arm], dict)
        }
    return whole


def draw(
    where: str,
    block: Any,
    variants: Mapping[str, Any],
    seeds: Sequence[int],
    evaluation: EvaluationSettings,
    make: Make,
) -> Tuning:
    """The random settings of all arms that the profile has.

    `where`: how a fault of the block begins. `variants`: all of the file, None where the profile
    leaves one out. Raises FileError for the first fault.
    """
    try:
        settings = TuneSettings.model_validate(block)
    except ValidationError as error:
        raise FileError(one_line(f"{where}.", error, block, TuneSettings)) from None

    if settings.seed in seeds:
        raise FileError(
            f"{where}.seed: {settings.seed} is one of `seeds`; the winners need fresh ones"
        )
    headline = evaluation.judges[evaluation.headline]
    if headline.reference != "test":
        raise FileError(
            f"{where}.arms: settings are chosen by validation images; let the first judge have test"
        )
    for arm in settings.budget.rates or ():
        refuse_unknown(f"{where}.budget.rates", "arm", arm, tuple(settings.arms))
    for arm in settings.arms:
        refuse_unknown(f"{where}.arms", "variant", arm, tuple(variants))
        if tuned_cell(arm) in variants:
            said = f"its winner would have the same name as variant {tuned_cell(arm)}"
            raise FileError(f"{where}.arms.{arm}: {said}")
    arms = {arm: ranges for arm, ranges in settings.arms.items() if variants[arm] is not None}
    if not arms:
        raise FileError(f"{where}.arms: the profile leaves every one of them out")
    for arm, ranges in arms.items():
        if not ranges:
            raise FileError(f"{where}.arms.{arm}: no range to draw from")
        for key, each in ranges.items():
            part, _, name = key.partition(".")
            closed = key in FIXED or name.startswith(("seeds", "threads", "precision"))
            if part not in ("method", "training") or not name or closed:
                said = "no setting of a method or its training to draw"
                raise FileError(f"{where}.arms.{arm}.{key}: {said}")
            for value in each.values:
                make(arm, {key: value}, seeds[0])  # an invalid end is an error even if never drawn
    drawn = {arm: _of_arm(where, arm, ranges, settings, make) for arm, ranges in arms.items()}
    longest = max(each.search.training.steps for found in drawn.values() for each in found)
    judge = headline.model_copy(update={"reference": "validation", "snapshots": "last"})
    judged = EvaluationSettings(
        every=longest,
        judges={evaluation.headline: judge},
        repeats=0,
        collapse_below=evaluation.collapse_below,
    )
    return Tuning(settings, judged, drawn, make)


def _of_arm(
    where: str, arm: str, ranges: Mapping[str, Range], settings: TuneSettings, make: Make
) -> list[Candidate]:
    """Distinct settings, within the band and unlike the arm's own; other draws are repeated."""
    seen, found = {make(arm, {}, settings.seed).run_id}, []
    for number in range(1, settings.count + 1):
        for again in range(MOST_DRAWS):
            values = {
                key: each.at(derive(settings.seed, f"tune/{arm}/{key}/{again}", number) / 2**63)
                for key, each in ranges.items()
            }
            spec = make(arm, values, settings.seed)
            if spec.run_id not in seen and (
                settings.band is None
                or settings.band.holds(_work(f"{where}.band", arm, spec), spec.training.batch)
            ):
                break
        else:
            band = " within the band" if settings.band else ""
            raise FileError(
                f"{where}.arms.{arm}: of {MOST_DRAWS} draws none is a new setting{band}, which"
                f" number {number} of {settings.count} needs; widen the ranges or lower tune.count"
            )
        seen.add(spec.run_id)
        steps = _steps(f"{where}.budget", arm, spec, settings.budget)
        found.append(Candidate(arm, number, values, make(arm, values, settings.seed, steps)))
    return found


def _steps(where: str, arm: str, spec: RunSpec, budget: Budget) -> int:
    """Steps of a search run; a budget in seconds is rounded to whole log rows."""
    if budget.steps is not None:
        return budget.steps
    assert budget.core_seconds is not None
    work, training = _work(f"{where}.core_seconds", arm, spec), spec.training
    rate = work.rate
    if budget.rates:
        if arm not in budget.rates:
            raise FileError(f"{where}.rates: {arm} has none, and every arm needs one")
        rate = budget.rates[arm]
    steps = budget.core_seconds * rate / (work.macs * training.batch)
    rows = int(steps / training.log_every)
    if rows < 1:
        raise FileError(
            f"{where}.core_seconds: {budget.core_seconds:g} are {steps:.0f} steps of {arm}, fewer"
            f" than a row of its log ({training.log_every})"
        )
    return rows * training.log_every


def _work(where: str, arm: str, spec: RunSpec) -> Work:
    work = work_of(spec)
    if work is None:
        raise FileError(f"{where}: {spec.method.name} of {arm} does not say what a step costs")
    return work


def _cost(candidate: Candidate) -> float:
    work = work_of(candidate.search)
    return 0.0 if work is None else work.macs * candidate.search.training.batch
