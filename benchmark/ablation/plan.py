"""An ablation file: one question, what varies, over which seeds, and which claims are tested.

YAML 1.2 -> validated by pydantic -> a profile and overrides applied -> one RunSpec per run.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from benchmark.ablation.claims import Claim, check_claims, swept_text
from benchmark.ablation.messages import FileError, found, one_line, refuse_unknown
from benchmark.ablation.tuning import TUNE, Tuning, draw, merged, tuned_cell
from benchmark.ablation.written import parse
from benchmark.classes import generators
from benchmark.errors import InputError, of_system
from benchmark.evaluation.columns import classified_columns, probed_by_judges
from benchmark.evaluation.metrics import load_metric
from benchmark.evaluation.settings import EvaluationSettings, JudgeSettings
from benchmark.methods.registry import method_class
from benchmark.redact import redact
from benchmark.spec import RunSpec
from benchmark.strict import Slug, Strict
from benchmark.text import single_line
from benchmark.training.settings import Seed

Seeds = Annotated[list[Seed], Field(min_length=1)]
Block = dict[str, Any]
BLOCKS = ("method", "data", "training")  # of a run
EVALUATION = "evaluation"  # who judges the runs; not part of a run
SEARCH = "search"  # the part of a plan that tunes its arms
PAIRED, VARIANTS, VARIANT = "paired", "variants", "variant"
LONGEST_NAME = 80  # of overrides in the name of a folder
VARIANT_NAME = r"\w[\w .+-]{0,39}"


class AblationFile(Strict):
    """The file as written; `base` and `profiles` are checked once they are merged."""

    name: Slug
    """Its name in folders, tables and MLflow."""
    question: Annotated[str, Field(min_length=1)]
    """One sentence; it heads the report."""
    source: str | None = None
    """Where the question comes from: a paper's section, a reader's issue."""
    base: Block
    """The settings that every run has unless a profile or the sweep changes them."""
    sweep: Annotated[Block, Field(min_length=1)]
    """What varies between runs."""
    seeds: Seeds
    """Every point of the sweep is trained once with each of these seeds."""
    profiles: dict[Slug, Block]
    """Named scales, as in demo, short and paper: each lists only what it changes."""
    tune: Block | None = None
    """Random settings of every arm, the best of which is trained in addition to the arm's own."""
    claims: list[Claim] = []  # noqa: RUF012 - pydantic copies defaults
    """Statements made beforehand, and the tests that decide them."""

    @model_validator(mode="after")
    def _no_twins(self) -> Self:
        ids = [claim.id for claim in self.claims]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"claim {name!r} occurs twice")
        return self


@dataclass(frozen=True)
class PlannedRun:
    """One run of an ablation: its description and where it stands in the sweep."""

    spec: RunSpec
    point: Mapping[str, Any]

    @cached_property  # a hash of all that the run is
    def run_id(self) -> str:
        return self.spec.run_id

    @property
    def label(self) -> str:
        """Its label for people: `gamma=0.3 seed=1`, or `EBGAN-PT seed=1`."""
        return f"{single_line(self.cell)} seed={self.spec.seed}"

    @property
    def cell(self) -> str:
        """What the runs of one cell, which differ only in their seed, have in common."""
        return " ".join(
            str(value) if key == VARIANT else f"{key.rsplit('.', 1)[-1]}={value}"
            for key, value in self.point.items()
        )


@dataclass(frozen=True)
class Plan:
    """An ablation with its profile and overrides resolved into runs."""

    name: str
    question: str
    source: str | None
    profile: str
    overrides: tuple[str, ...]
    claims: tuple[Claim, ...]
    evaluation: EvaluationSettings
    runs: tuple[PlannedRun, ...]
    finding: bool = True  # false: a demonstration, which only shows that the tool works
    path: Path | None = None  # the file
    apart: str = ""  # what --set changes, if it results in other runs than the file's
    tuning: Tuning | None = None  # random settings of its arms
    part: str = ""  # SEARCH where the runs are those of the random settings

    @property
    def place(self) -> Path:
        """The path of its tables below a results folder; runs with --set have a separate folder."""
        own = f"{self.profile}+{self.apart}" if self.apart else self.profile
        return Path(self.name, own, self.part)

    @property
    def search(self) -> "Plan | None":
        """The plan of the random settings' runs, without claims; None if nothing is tuned."""
        if self.tuning is None:
            return None
        return replace(
            self,
            runs=tuple(PlannedRun(each.search, each.point) for each in self.tuning.drawn),
            evaluation=self.tuning.evaluation,
            claims=(),
            path=None,
            tuning=None,
            part=SEARCH,
        )

    def with_tuned(self, numbers: Mapping[str, int]) -> "Plan":
        """With the runs of one random setting of each of these arms, after the arm's own."""
        assert self.tuning is not None
        cells = set(map(tuned_cell, self.tuning.arms))
        own = [planned for planned in self.runs if planned.point[VARIANT] not in cells]
        runs: list[PlannedRun] = []
        for arm, group in itertools.groupby(own, lambda planned: str(planned.point[VARIANT])):
            runs += (mine := list(group))
            for planned in mine if arm in numbers else ():
                spec = self.tuning.tuned(arm, numbers[arm], planned.spec.seed)
                runs.append(PlannedRun(spec, {VARIANT: tuned_cell(arm)}))
        return replace(self, runs=tuple(runs))

    @property
    def with_costliest(self) -> "Plan":
        """The plan at the largest size possible after the search; unchanged if nothing is tuned."""
        return self.with_tuned(self.tuning.costliest) if self.tuning else self

    def judges(self, names: Sequence[str]) -> dict[str, JudgeSettings]:
        """Those of these names, or all if there are none; raises InputError for an unknown one."""
        known = self.evaluation.judges
        for name in names:
            if name not in known:
                raise InputError(
                    f"--judge {name}: no such judge; {self.name} has: {', '.join(known)}"
                )
        return {name: judge for name, judge in known.items() if not names or name in names}

    @property
    def seeds(self) -> list[int]:
        """In the order of the file."""
        return list(dict.fromkeys(run.spec.seed for run in self.runs))

    @property
    def swept(self) -> list[str]:
        return list(self.runs[0].point)


def load(path: Path, profile: str, overrides: tuple[str, ...] = ()) -> Plan:
    """Read, check and resolve; every fault raises InputError with the file and the key's path."""
    written = _read(path)
    try:
        file = AblationFile.model_validate(written)
        if profile not in file.profiles:
            known = ", ".join(file.profiles) or "none"
            raise FileError(f"no profile {profile!r}; the file has: {known}")
        plan = _resolve(file, profile, overrides)
        ours = not overrides or _are_of_file(plan, file)
        return replace(plan, path=path, apart="" if ours else _in_a_name(plan.overrides))
    except ValidationError as error:
        raise InputError(f"{path}: {one_line('', error, written, AblationFile)}") from None
    except FileError as fault:
        raise InputError(f"{path}: {fault}") from None


def _are_of_file(plan: Plan, file: AblationFile) -> bool:
    """Whether the file by itself plans all of these runs: --set may ask for fewer seeds."""
    try:
        whole = _resolve(file, plan.profile, ())
    except InputError:
        return False
    planned, own = ({run.run_id for run in each.runs} for each in (plan, whole))
    return plan.tuning == whole.tuning and planned <= own


def _in_a_name(overrides: tuple[str, ...]) -> str:
    """Overrides as a folder name, with a hash if they are too long for one."""
    said = "+".join(overrides)
    name = re.sub(r"[^A-Za-z0-9_.=+-]+", "_", said)[:LONGEST_NAME]
    return name if name == said else f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:6]}"


def check(path: Path) -> list[Plan]:
    """Resolve every profile of a file; raises InputError on the first fault."""
    profiles = _read(path).get("profiles")
    names = list(profiles) if isinstance(profiles, dict) and profiles else ["demo"]
    return [load(path, name) for name in names]


def _read(path: Path) -> Block:
    try:
        written = parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({of_system(error)})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: it is not text in UTF-8") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if written is None:
        raise InputError(f"{path}: is empty; expected keys (name, question, base, ...)")
    if not isinstance(written, dict):
        raise InputError(f"{path}: expected keys (name, question, base, ...), {found(written)}")
    return written


def _resolve(file: AblationFile, profile: str, overrides: tuple[str, ...]) -> Plan:
    settings: Block = {**file.base, "seeds": file.seeds, "sweep": file.sweep, "finding": True}
    where, patch = f"profiles.{profile}", file.profiles[profile]
    _check_keys(where, patch, (*BLOCKS, EVALUATION, TUNE, "seeds", "sweep", "finding"))
    settings = _merge(settings, {key: value for key, value in patch.items() if key != TUNE})
    settings[TUNE] = merged(file.tune, patch.get(TUNE, file.tune))
    for override in overrides:
        settings = _override(settings, override)
    seeds, sweep, finding, tune = (settings.pop(key) for key in ("seeds", "sweep", "finding", TUNE))
    if not isinstance(finding, bool):
        raise FileError(f"{where}.finding: {found(finding)}; allowed: true, false")
    _check_seeds(seeds)
    evaluation = _evaluation(profile, settings.pop(EVALUATION, {}))
    # The base by itself too: a value that the sweep covers can still be wrong.
    _spec(profile, {}, {**settings, "seed": seeds[0]})
    runs = []
    for point in _points(sweep):
        block = _at(settings, sweep, point)
        specs = (_spec(profile, point, {**block, "seed": seed}) for seed in seeds)
        runs += [PlannedRun(spec, point) for spec in specs]
    _refuse_twins(runs)
    _refuse_alike(runs)
    _check_views(evaluation, runs)
    _check_pairs(evaluation, runs)
    tuning = None
    if tune is not None:
        tuning = _tuning(profile, settings, tune, sweep, seeds, evaluation)
        winners = (
            PlannedRun(tuning.tuned(each.arm, each.number, seeds[0]), each.point)
            for each in tuning.drawn
        )
        _refuse_twins([*(run for run in runs if run.spec.seed == seeds[0]), *winners])
    points = [*(run.point for run in runs), *_points(file.sweep)]
    points += [{VARIANT: tuned_cell(arm)} for arm in _arms(file.tune) | _arms(tune)]
    check_claims(file.claims, [run.spec for run in runs], points, _probed(evaluation))
    return Plan(
        name=file.name,
        question=file.question,
        source=file.source,
        profile=profile,
        overrides=tuple(map(redact, overrides)),  # for the record
        claims=tuple(file.claims),
        evaluation=evaluation,
        runs=tuple(runs),
        finding=finding,
        tuning=tuning,
    )


def _tuning(
    profile: str,
    settings: Block,
    tune: Any,
    sweep: Block,
    seeds: list[int],
    evaluation: EvaluationSettings,
) -> Tuning:
    where = f"profile {profile}: {TUNE}"
    if set(sweep) != {VARIANTS}:
        raise FileError(f"{where}: its arms are variants; sweep variants alone")

    def make(arm: str, values: Mapping[str, Any], seed: int, steps: int | None = None) -> RunSpec:
        block = _at(settings, sweep, {VARIANT: arm})
        for key, value in values.items():
            block = _set(f"{TUNE}.arms.{arm}.{key}", block, key, value)
        if steps is not None:
            block = _merge(block, {"training": {"steps": steps}})
        return _spec(profile, {VARIANT: arm, **values}, {**block, "seed": seed})

    return draw(where, tune, sweep[VARIANTS], seeds, evaluation, make)


def _arms(tune: Any) -> set[str]:
    arms = tune.get("arms") if isinstance(tune, dict) else None
    return set(arms) if isinstance(arms, dict) else set()


def _evaluation(profile: str, block: Any) -> EvaluationSettings:
    where = f"profile {profile}: {EVALUATION}."
    try:
        found = EvaluationSettings.model_validate(block)
    except ValidationError as error:
        raise FileError(one_line(where, error, block, EvaluationSettings)) from None
    for metric in found.metrics:
        try:
            load_metric(metric)
        except InputError as error:
            raise FileError(f"{where}metrics: {error}") from None
    return found


def _probed(evaluation: EvaluationSettings) -> list[str]:
    """The columns measured on the last weights, besides the metrics."""
    found = []
    if evaluation.probe is not None:
        found += probed_by_judges(list(evaluation.judges), evaluation.probe.attributes)
    if evaluation.classify is not None:
        found += classified_columns(evaluation.classify.real)
    return found


def _check_pairs(evaluation: EvaluationSettings, runs: list[PlannedRun]) -> None:
    """Check that every run serves a classifier with both classes, or has a counterpart."""
    if evaluation.classify is None:
        return
    from benchmark.methods.method import takes_labels  # imports torch, as the method itself does

    attribute, ids = evaluation.classify.attribute, {run.run_id for run in runs}
    for run in runs:
        own, name = generators(run.spec, attribute), run.spec.method.name
        if not own or not {each.run_id for each in own} <= ids:
            raise FileError(
                f"{EVALUATION}.classify: {run.label} has no run of the other class beside "
                f"it; of each two runs one needs data.only: [{attribute}] and the other "
                f"data.only: [not {attribute}], and nothing else may differ; or one run needs "
                f"{attribute} among its method.attributes"
            )
        if len(own) == 1 and not takes_labels(method_class(name)):
            raise FileError(
                f"{EVALUATION}.classify: {run.label}: {name} makes no samples of "
                "the labels asked for (sample_with); give it a run a class by data.only"
            )


def _check_views(evaluation: EvaluationSettings, runs: list[PlannedRun]) -> None:
    for name, judge in evaluation.judges.items():
        for run in runs if judge.reference_view is not None else ():
            if not hasattr(run.spec.data, "view"):
                raise FileError(
                    f"{EVALUATION}.judges.{name}.reference_view: the data "
                    f"{run.spec.data.name!r} have no views"
                )


def _merge(base: Block, patch: Block) -> Block:
    """`patch` over `base`.

    A block with another `name` (or `on`) replaces the old one, as do judges if any of them is new.
    """
    merged = dict(base)
    for key, value in patch.items():
        old: Any = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        other = both and any(tag in value and value[tag] != old.get(tag) for tag in ("name", "on"))
        other = other or (both and key == "judges" and not set(value) <= set(old))
        merged[key] = _merge(old, value) if both and not other else value
    return merged


def _at(settings: Block, sweep: Block, point: Block) -> Block:
    """The settings at one point of the sweep."""
    for key, value in point.items():
        if key == VARIANT:
            settings = _merge(settings, sweep[VARIANTS][value])
        else:
            settings = _set(f"sweep.{key}", settings, key, value)
    return settings


def _override(settings: Block, override: str) -> Block:
    key, sign, text = override.partition("=")
    if not sign:
        raise InputError(f"--set {override}: expected KEY=VALUE, as in training.steps=500")
    try:
        value = parse(text)
    except InputError as error:
        raise InputError(
            f"--set {override[:80]}: {found(text, '')} is not a YAML value ({error})"
        ) from None
    if key == "seeds":
        return {**settings, "seeds": value}
    if key in settings["sweep"]:
        raise FileError(
            f"--set {override}: {key} is what the file sweeps; copy the file, give the copy "
            "another `name`, and change its `sweep`"
        )
    return _set(f"--set {key}", settings, key, value)


def _set(where: str, settings: Block, key: str, value: Any) -> Block:
    block, _, rest = key.partition(".")
    if not rest:
        raise FileError(f"{where}: expected BLOCK.KEY, as in method.gamma")
    if block == EVALUATION and where.startswith("sweep."):
        raise FileError(
            f"{where}: {EVALUATION} is no part of a run and cannot be swept; name several "
            f"judges under {EVALUATION}.judges"
        )
    told = where.startswith("--set ") and settings.get(TUNE) is not None
    refuse_unknown(where, "key", block, (*BLOCKS, EVALUATION, *[TUNE] * told))
    size = settings.get("data", {}).get("size")
    if where.startswith("--set ") and key == "data.name" and size is not None:
        # Every data set has a size; one that is only renamed keeps it.
        return _merge(settings, {"data": {"name": value, "size": size}})
    nested: Any = value
    for part in reversed(rest.split(".")):
        nested = {part: nested}
    return _merge(settings, {block: nested})


def _check_keys(where: str, patch: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(patch, dict):
        raise FileError(f"{where}: {found(patch)}; allowed: {', '.join(allowed)}")
    for key in patch:
        refuse_unknown(f"{where}.{key}", "key", key, allowed)


def _check_seeds(seeds: Any) -> None:
    whole = isinstance(seeds, list) and all(type(s) is int and 0 <= s < 2**32 for s in seeds)
    if not whole or not seeds:
        raise FileError(f"seeds: {found(seeds)}; allowed: a list of whole numbers >= 0")
    twins = [seed for seed in seeds if seeds.count(seed) > 1]
    if twins:
        raise FileError(f"seeds: {twins[0]} occurs twice; each seed counts once")


def _points(sweep: Any) -> Iterator[Block]:
    """The variants, crossed with the grid of all dotted keys and the list of paired settings."""
    if not isinstance(sweep, dict) or not sweep:
        raise FileError("sweep: is empty; name at least one key and its values")
    variants = [{VARIANT: name} for name in _variants(sweep)] or [{}]
    grid = {key: values for key, values in sweep.items() if key not in (PAIRED, VARIANTS)}
    paired = sweep.get(PAIRED, [{}])
    for key, values in [*grid.items(), (PAIRED, paired)]:
        if not isinstance(values, list) or not values:
            raise FileError(f"sweep.{key}: {found(values)}; allowed: a list of values")
    for pair in paired:
        if not isinstance(pair, dict) or set(pair) != set(paired[0]):
            raise FileError(
                f"sweep.paired: {found(pair)}; allowed: settings of the same keys each, "
                "as in {method.h: 128, method.z: 16}"
            )
    for variant, *values in itertools.product(variants, *grid.values()):
        for pair in paired:
            yield {**variant, **dict(zip(grid, values, strict=True)), **pair}


def _variants(sweep: Block) -> list[str]:
    """Names of the arms; a profile leaves one out by giving it no settings (null)."""
    variants = sweep.get(VARIANTS, {})
    if not isinstance(variants, dict):
        raise FileError(f"sweep.variants: {found(variants)}; allowed: NAME: settings")
    kept = {name: patch for name, patch in variants.items() if patch is not None}
    for name, patch in kept.items():
        if not isinstance(name, str) or not re.fullmatch(VARIANT_NAME, name):
            raise FileError(
                f"sweep.variants: {found(name, 'found the name ')}; allowed: up to 40 "
                "letters, digits, blanks and . + - _"
            )
        _check_keys(f"sweep.variants.{name}", patch, BLOCKS)
    if variants and not kept:
        raise FileError("sweep.variants: every one is left out")
    return list(kept)


def _spec(profile: str, point: Block, settings: Block) -> RunSpec:
    for key in settings:
        refuse_unknown(f"base.{key}", "key", key, (*BLOCKS, "seed"))
    try:
        return RunSpec.model_validate(settings)
    except ValidationError as error:
        at = "".join(f", {key}={value}" for key, value in point.items())
        where = f"profile {profile}{at}: "
        raise FileError(one_line(where, error, settings, RunSpec)) from None


def _refuse_twins(runs: list[PlannedRun]) -> None:
    seen: dict[str, PlannedRun] = {}
    # If all streams have their own seeds, another `seed` trains the same network again.
    split = any(not run.spec.training.seeds.whole for run in runs)
    for run in runs:
        key = run.spec.trains_as().run_id if split else run.run_id
        twin = seen.setdefault(key, run)
        if twin is not run:
            what = "is the same run" if twin.run_id == run.run_id else "trains the same weights"
            raise FileError(f"sweep: {run.label} {what} as {twin.label}")


def _refuse_alike(runs: list[PlannedRun]) -> None:
    """Tables identify a value by its text and a setting by its cell, so different ones must not
    share either."""
    values: dict[tuple[str, str], Any] = {}
    named: dict[str | tuple[str, ...], PlannedRun] = {}
    for run in runs:
        texts = {key: swept_text(value) for key, value in run.point.items()}
        for key, text in texts.items():
            other, value = values.setdefault((key, text), run.point[key]), run.point[key]
            if _kind(other) is not _kind(value):
                raise FileError(
                    f"sweep.{key}: {other!r} and {value!r} would have one name in the "
                    "tables; write one of them in another way"
                )
        for name in (run.cell, tuple(texts.values())):
            twin = named.setdefault(name, run)
            if (twin.cell, twin.point) != (run.cell, run.point):
                raise FileError(
                    f"sweep: {dict(twin.point)} and {dict(run.point)} would have one name "
                    "in the tables; write one of them in another way"
                )


def _kind(value: Any) -> type:
    """All numbers are of one kind."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float if number else type(value)
