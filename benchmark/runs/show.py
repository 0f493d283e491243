"""A run directory in words, for people."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.durations import duration
from benchmark.errors import InputError
from benchmark.numbers import significant
from benchmark.runs.directory import RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.spec import RunSpec
from benchmark.text import single_line


def find_run(name: str, runs: Path) -> RunDirectory:
    """The run at a path, or with an id (or unambiguous prefix) in the runs folder."""
    path = Path(name)
    if (path / "spec.json").exists():
        return RunDirectory(path.resolve() if path.name in ("", "..") else path)
    if not name:
        raise InputError("RUN is empty; give an id or a folder")
    found = named(name, runs)
    if len(found) == 1:
        return RunDirectory(found[0])
    if found:
        raise InputError(f"{name}: ambiguous: {', '.join(path.name for path in found[:5])}")
    if any((folder / "metrics.jsonl").exists() for folder in (path, runs / name)):
        raise InputError(f"{name}: its spec.json is missing; `bench run FILE` writes it again")
    raise InputError(f"{name}: no such run in {runs} (--runs); `bench ls` lists the runs")


def named(name: str, runs: Path) -> list[Path]:
    """The runs in a folder with this id or, if there is none, whose ids begin so."""
    found = sorted(path.parent for path in runs.glob("*/spec.json"))
    begin = [path for path in found if path.name.startswith(name)]
    return [path for path in begin if path.name == name] or begin


def describe(run: RunDirectory) -> Iterator[str]:
    """Lines: the run's state, description, provenance and outcome."""
    spec, result, provenance = run.spec(), run.result(), run.provenance()
    rows = run.rows()
    step = rows[-1].step if rows else 0
    yield f"{run.run_id}: {run.state()}, step {step} of {spec.training.steps}"
    if result is not None:
        yield from ended(result.reason, result.weights_sha256, result.wall_s, result.cpu_s)
    yield from described(spec)
    if provenance is not None:
        yield from _made_by(provenance)
    for kind in ("train", "heldout"):
        last = next((row for row in reversed(rows) if row.kind == kind), None)
        if last is not None:
            yield last_row(kind, last.step, last.values)
    for each in Evaluations.all(run.path):
        judged = each.last()
        if judged is not None:
            record = each.record()
            by = f"{record.settings['features']}, {record.settings['samples']} samples"
            yield last_row(f"evaluation by {by}", judged.step, judged.values)


def ended(reason: str | None, weights_sha256: str, wall_s: float, cpu_s: float) -> Iterator[str]:
    """How a run ended."""
    if reason:
        yield f"  reason: {single_line(reason)}"
    yield f"  weights: {weights_sha256}"
    yield f"  time: {duration(wall_s)}, of processor time {duration(cpu_s)}"


def described(spec: RunSpec) -> Iterator[str]:
    """All settings of a run, a line a block."""
    for block, settings in spec.model_dump(mode="json").items():
        yield f"{block}: {inline(settings)}"


def last_row(kind: str, step: int, found: Mapping[str, float]) -> str:
    """The contents of a run's last row of a kind."""
    return f"last {kind} (step {step}): {values(found)}"


def values(found: Mapping[str, float]) -> str:
    """Numbers by name on one line."""
    return ", ".join(f"{name} {significant(value) or 'nan'}" for name, value in found.items())


def _made_by(provenance: dict[str, Any]) -> Iterator[str]:
    yield "made by:"
    for key, value in provenance.items():
        if key == "earlier":
            yield f"  earlier: begun {len(value)} times by other code or elsewhere:"
            for record in value:
                yield f"    commit {record['code']['commit']}, {record['cpu']}, {record['device']}"
        elif key == "code":
            yield f"  code: {inline({k: v for k, v in value.items() if k != 'diff'})}"
            if value.get("diff"):
                changed = sum(line[:1] in "+-" for line in value["diff"].splitlines())
                yield f"  diff: {changed} changed lines, in provenance.json"
        elif key == "command":
            yield f"  command: {' '.join(value)}"
        else:
            yield f"  {key}: {inline(value)}"


def inline(value: Any) -> str:
    """A setting or a block of them on one line."""
    if isinstance(value, dict):
        return ", ".join(
            f"{single_line(k)} {inline(v)}" for k, v in value.items() if v not in (None, [], {})
        )
    if isinstance(value, list):
        return ", ".join(single_line(str(each)) for each in value) or "none"
    if value is None:
        return "not known"
    return f"{value:g}" if isinstance(value, float) else single_line(str(value))
