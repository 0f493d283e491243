"""Claims: a statement and the test that decides it, written before the runs.

These models define the claims of an ablation file; verdicts are reached in claims/verdicts.py,
whose docstring states the rules. Every test names columns of the results. Metrics are those of the
headline judge. Besides the columns of methods and metrics there are:

    best_distance           the distance at the step with the least distance_validation
    signal, heldout_signal  the method's own measure of convergence, in training or held out
    wall_s, cpu_s           what a run cost
    collapsed               1 where the samples' spread is below evaluation.collapse_below, else 0
    failed                  1 where the run failed, else 0
    broken                  1 where the run failed or was collapsed at its end, else 0

and, where `evaluation` has a probe or `classify`, what these measure of the last weights: the
columns of probes.csv, as embedded.middle.distance or classified.generated_alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from benchmark.ablation.messages import FileError, refuse_unknown
from benchmark.evaluation.metrics import METRICS
from benchmark.methods import heldout_columns, train_columns
from benchmark.spec import RunSpec
from benchmark.strict import Slug, Strict

Column = Annotated[str, Field(description="A column of the results, or an alias.")]
SweptKey = Annotated[
    str, Field(description="A swept key, as in the sweep; `variant` where it has variants.")
]
Effect = Annotated[float, Field(ge=0)]
Value = bool | int | float | str | None
BEST_DISTANCE = "best_distance"
SIGNALS = ("signal", "heldout_signal")
COSTS = ("wall_s", "cpu_s")
COLLAPSED = "collapsed"
ENDS = ("failed", "broken")
DEFAULT_KIND = "trend"


# Directions that claim no effect: they need a least effect to be provable.
_ABSENCES = ("none", "not_higher", "not_lower")


class _Test(Strict):
    where: dict[str, Value] = {}  # noqa: RUF012 - pydantic copies defaults
    """Only the runs with these values of swept keys."""

    def selects(self, point: Mapping[str, Any]) -> bool:
        """Whether `where` selects the runs with these swept values."""
        return all(swept_text(point.get(k)) == swept_text(v) for k, v in self.where.items())

    @model_validator(mode="after")
    def _absence_has_a_size(self) -> Self:
        direction = getattr(self, "direction", None)
        if direction in _ABSENCES and not getattr(self, "least_effect", 0) > 0:
            raise ValueError(f"direction {direction} needs a least_effect above 0")
        return self


class Condition(Strict):
    """A condition: a column lies below or above a value."""

    column: Column
    below: float | None = None
    """The column is less than this."""
    above: float | None = None
    """The column is more than this."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.below is None) == (self.above is None):
            raise ValueError("one of below and above, and not both")
        return self

    @property
    def limit(self) -> str:
        """In words: `below 0.1`."""
        return f"above {self.above:g}" if self.below is None else f"below {self.below:g}"

    def holds(self, values: Any) -> Any:
        """Whether each of an array's values is beyond the limit."""
        return values > self.above if self.below is None else values < self.below


class TrendTest(_Test):
    """How `column` changes, end to end, as the numbers of the swept key `over` grow."""

    kind: Literal["trend"] = "trend"
    column: Column
    over: SweptKey
    direction: Literal["increasing", "decreasing", "none"]
    """What happens to the column as the swept key grows."""
    least_effect: Effect
    """The smallest change of the column, end to end, that would matter."""


class ContrastTest(_Test):
    """`column` where `over` is `of`, minus `column` where it is `against`.

    "not_higher" and "not_lower" claim that it is not worse by `least_effect` or more; "none" is
    both.
    """

    kind: Literal["contrast"]
    column: Column
    over: SweptKey
    of: Value
    """The value whose runs the claim is about."""
    against: Value
    """The value whose runs they are compared with."""
    direction: Literal["higher", "lower", "none", "not_higher", "not_lower"]
    """Whether the column is higher or lower at `of` than at `against`."""
    least_effect: Effect
    """The smallest difference of means that would matter."""


class MeanTest(_Test):
    """The mean of `column` over seeds lies on one side of a number; a seed's runs are averaged
    first."""

    kind: Literal["mean"]
    column: Column
    direction: Literal["higher", "lower", "none"]
    """Whether the mean is above or below `than`."""
    than: float
    """The number that it is compared with."""
    least_effect: Effect
    """The smallest difference from it that would matter."""


class CorrelationTest(_Test):
    """The correlation of `signal` and `column`, as Spearman's rho: see claims/correlation.py."""

    kind: Literal["correlation"]
    signal: str = "signal"
    """The column, or its alias, that is claimed to track the other."""
    column: Column
    level: Literal["within", "between", "last"]
    """within: of their changes between evaluations of one run; between: of the runs of one cell at
    the same steps, averaged over the steps; last: of the runs of one cell at their last step."""
    direction: Literal["positive", "negative", "none"]
    """The sign of rho."""
    least_effect: Annotated[float, Field(ge=0, lt=1)]
    """The smallest rho that would matter."""


class StoppingTest(_Test):
    """`column` where `signal` stops a run, minus `column` where another rule stops the same run.

    Runs are stopped at their evaluations: see claims/stopping.py. A lower signal counts as better.
    """

    kind: Literal["stopping"]
    signal: str = "signal"
    """The column, or its alias, that is claimed to tell when to stop."""
    column: Column
    rule: Literal["minimum", "plateau"] = "minimum"
    """minimum: at its least value; plateau: once two evaluations have hardly lowered it."""
    against: Literal["last", "validation", "random", "mismatched"]
    """last: at the last evaluation; validation: at the least distance_validation; random: the mean
    over all evaluations; mismatched: where the signals of the other runs of the cell stop."""
    direction: Literal["higher", "lower", "none", "not_higher", "not_lower"]
    """Whether the column is higher or lower at the signal's stop than at the other rule's."""
    least_effect: Effect
    """The smallest mean difference that would matter."""


class EventTest(_Test):
    """`column` at the end of runs with an event, minus `column` of runs of the same cell without
    it.

    The event: all conditions hold in every training row of a long enough stretch.
    """

    kind: Literal["event"]
    event: Annotated[list[Condition], Field(min_length=1)]
    """Conditions on columns of the training rows that must hold simultaneously."""
    lasting: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the run's steps for which they must hold without a break; 0: in one row."""
    after: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the run's steps before which rows do not count."""
    column: Column
    direction: Literal["higher", "lower", "none", "not_higher", "not_lower"]
    """Whether the column is higher or lower in runs with the event than in those without."""
    least_effect: Effect
    """The smallest difference of means that would matter."""


class BoundTest(_Test, Condition):
    """`column` stays below or above a value in every run; one run that does not refutes it."""

    kind: Literal["bound"]
    at: Literal["throughout", "end"] = "end"
    """At the last row, or in every row."""
    after: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """With `throughout`: the share of the run's steps before which rows do not count."""


class ShareTest(_Test):
    """The swept key `over` explains more of the variance of `column` than any other swept key."""

    kind: Literal["share"]
    column: Column
    over: SweptKey
    least_effect: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """By how much its share of the variance must lead the next key's."""


class FailuresTest(_Test):
    """No run fails or ends collapsed; one that does refutes it."""

    kind: Literal["failures"]


def _kind(test: Any) -> str | None:
    found = (
        test.get("kind", DEFAULT_KIND) if isinstance(test, dict) else getattr(test, "kind", None)
    )
    return found if isinstance(found, str) else None


ClaimTest = Annotated[
    Annotated[TrendTest, Tag("trend")]
    | Annotated[ContrastTest, Tag("contrast")]
    | Annotated[MeanTest, Tag("mean")]
    | Annotated[CorrelationTest, Tag("correlation")]
    | Annotated[StoppingTest, Tag("stopping")]
    | Annotated[EventTest, Tag("event")]
    | Annotated[BoundTest, Tag("bound")]
    | Annotated[ShareTest, Tag("share")]
    | Annotated[FailuresTest, Tag("failures")],
    Discriminator(_kind),
]


class Claim(Strict):
    """A statement of the paper (or of its readers) and the test that decides it."""

    id: Slug
    """Its name in tables."""
    says: Annotated[str, Field(min_length=1)]
    """The statement."""
    source: Annotated[str, Field(min_length=1)]
    """Its source: a paper's section, readers."""
    test: ClaimTest
    """The test that decides it."""


def swept_text(value: object) -> str:
    """A swept value as text, in claims and in tables, without conversion to a float.

    1 and 1.0 have the same text, and so do 1 and "1": a plan has at most one of two such values.
    """
    if value is None:
        return ""
    if isinstance(value, Mapping | list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def check_claims(
    claims: Sequence[Claim],
    specs: Sequence[RunSpec],
    points: Sequence[Mapping[str, Any]],
    probed: Sequence[str],
) -> None:
    """Raise FileError for a claim about a column, swept key or value that no run has.

    `probed` are the columns of probes.csv, if any. `points` are those of the profile and of the
    file: a profile may leave out an arm that the file has, and its claims then end as "not run".
    """
    trained, heldout = logged_columns(specs)
    evaluated = [*METRICS, COLLAPSED, *heldout]
    values: dict[str, dict[str, Any]] = {}
    for point in points:
        for key, value in point.items():
            values.setdefault(key, {})[swept_text(value)] = value
    for claim in claims:
        at = f"claims.{claim.id}.test"
        _check_columns(at, claim.test, trained, evaluated, probed)
        _check_values(at, claim.test, values)


def _check_columns(
    at: str, test: Any, trained: list[str], evaluated: list[str], probed: Sequence[str]
) -> None:
    rows = (*trained, *evaluated, *SIGNALS)
    allowed = (*rows, BEST_DISTANCE, *COSTS, *ENDS, *probed)
    # For means, not for yes/no columns.
    if isinstance(test, TrendTest | ContrastTest | MeanTest | ShareTest | EventTest):
        allowed = tuple(name for name in allowed if name not in (COLLAPSED, *ENDS))
    if isinstance(test, CorrelationTest | StoppingTest):
        allowed = tuple(evaluated)
    if isinstance(test, BoundTest) and test.at == "throughout":
        allowed = rows
    for name, columns in (("column", allowed), ("signal", rows)):
        if (found := getattr(test, name, None)) is not None:
            refuse_unknown(f"{at}.{name}", "column", found, columns)
    for i, condition in enumerate(test.event if isinstance(test, EventTest) else ()):
        refuse_unknown(f"{at}.event.{i}.column", "column", condition.column, tuple(trained))


def _check_values(at: str, test: Any, values: dict[str, dict[str, Any]]) -> None:
    over = getattr(test, "over", None)
    if over is not None:
        refuse_unknown(f"{at}.over", "swept key", over, tuple(values))
    for key in test.where:
        refuse_unknown(f"{at}.where.{key}", "swept key", key, tuple(values))
    for key, name, value in _values(test):
        _refuse_unquoted(f"{at}.{name}", value, values[key].values())
        refuse_unknown(f"{at}.{name}", "value", swept_text(value), tuple(values[key]))
    if isinstance(test, TrendTest) and not all(map(_is_number, values[test.over].values())):
        raise FileError(
            f"{at}.over: {test.over} has values that are no numbers, and a trend needs "
            "an order; use kind: contrast"
        )


def _refuse_unquoted(at: str, value: Value, swept: Iterable[Any]) -> None:
    """A number may stand for a text value only if exactly one text reads as that number."""
    alike = [text for text in swept if not isinstance(value, str) and _number(text) == value]
    if len(alike) > 1:
        raise FileError(
            f"{at}: found {value!r}, which may be {' or '.join(map(repr, alike))}; put the "
            "one that is meant in quotes"
        )


def _number(text: object) -> float | None:
    """The number that a text reads as; None if it is not a text, or not a number."""
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None


def logged_columns(specs: Sequence[RunSpec]) -> tuple[list[str], list[str]]:
    """The columns of training rows, and those that methods measure at snapshots.

    Of all methods, in the order of their first appearance.
    """
    trained = dict.fromkeys(name for each in specs for name in train_columns(each.method))
    heldout = dict.fromkeys(name for each in specs for name in heldout_columns(each.method))
    return list(trained), list(heldout)


def _values(test: Any) -> list[tuple[str, str, Value]]:
    """(swept key, name in the file, value) of every value that a test names."""
    named = [(key, f"where.{key}", value) for key, value in test.where.items()]
    if isinstance(test, ContrastTest):
        named += [(test.over, "of", test.of), (test.over, "against", test.against)]
    return named


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
