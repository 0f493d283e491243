"""probes.csv: one row per run from its probe, each number under its dotted name.

Version 1 of the probe had other numbers under other names (evaluation/columns.py): its rows are
kept, and no column mixes both versions.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.ablation.plan import Plan
from benchmark.evaluation.columns import CLASSIFIED, OF_JUDGE
from benchmark.evaluation.settings import PROBE_VERSION, EvaluationSettings
from benchmark.files import write_atomic
from benchmark.results.source import Source
from benchmark.results.tables import RecordedRun
from benchmark.runs import classified

Row = Mapping[str, Any]
STRIPS = "strips"
"""The folder for figures of each run's paths."""
SEARCHED = "_searched"
"""Suffix of columns for codes found by search, if the method has an encoder too."""
OTHERS = "judges."
"""Prefix of columns of judges other than the headline."""
_FIRST = "1"  # the version that wrote its own number as text
_BESIDE = ("judged_by", "versions")  # provenance, not numbers


def probes(found: Sequence[Source], evaluation: EvaluationSettings) -> pd.DataFrame:
    """One row per run whose last weights were probed or used to train classifiers.

    If the evaluation has a probe, only rows with its sizes and this version count.
    """
    rows: list[Row] = []
    for each in found:
        head, recorded = {"run_id": each.planned.run_id}, each.recorded or each.earlier
        if own := {**_asked_of(each, evaluation), **_classified(each, evaluation)}:
            rows.append({**head, **own})
        elif recorded and probed_of(each) is None:
            rows += [{**row, **head} for row in _kept(recorded, evaluation)]
    columns = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame(rows, columns=list(columns) or ["run_id"])


def _asked_of(source: Source, evaluation: EvaluationSettings) -> dict[str, float]:
    """The probe of a run whose folder is here, if it counts."""
    probed = probed_of(source)
    row = flat(probed, evaluation) if probed else {}
    return row if _is_asked_for(row, evaluation) else {}


def _classified(source: Source, evaluation: EvaluationSettings) -> dict[str, float]:
    """Results of classifiers trained on the pair whose first run this is."""
    if evaluation.classify is None or source.result is None:
        return {}
    found = classified.numbers(source.run, evaluation.classify)
    return {f"{CLASSIFIED}{name}": value for name, value in found.items()}


def _kept(run: RecordedRun, evaluation: EvaluationSettings) -> list[Row]:
    """The rows of earlier tables that count, without missing numbers.

    If their headline was another judge, columns without a judge's name are not this one's.
    """
    headline = evaluation.judges[evaluation.headline].identity()
    lost = () if run.record.headline.settings.identity() == headline else (*OF_JUDGE, OTHERS)
    rows = [
        {k: v for k, v in row.items() if v == v and not (lost and k.startswith(lost))}
        for row in run.rows("probes")
    ]
    return [row for row in rows if _is_asked_for(row, evaluation)]


def probed_of(source: Source) -> dict[str, Any] | None:
    """Everything measured on the last weights of a run whose folder is here."""
    probed = None if source.recorded else source.run.probe()
    same = probed and source.result and probed["weights_sha256"] == source.result.weights_sha256
    return probed if same else None


def flat(probed: Mapping[str, Any], evaluation: EvaluationSettings) -> dict[str, float]:
    """Its numbers by their dotted names: those of the headline judge without the judge's name, of
    the others with that which the evaluation has for them."""
    if probed["version"] == _FIRST:
        return _numbers(probed)
    names = {
        name: new
        for name, said in probed["judged_by"].items()
        for new, asked in evaluation.judges.items()
        if asked.identity() == said["settings"]
    }
    rest = {key: value for key, value in probed.items() if key not in ("judges", *_BESIDE)}
    row = _numbers(rest)
    for name, said in probed["judges"].items():
        if name not in names and name in evaluation.judges:  # another judge with that name
            continue
        new = names.get(name, name)
        row |= _numbers(said, "" if new == evaluation.headline else f"{OTHERS}{new}.")
    return row


def _numbers(block: Mapping[str, Any], above: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in block.items():
        if isinstance(value, Mapping):
            found |= _numbers(value, f"{above}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{above}{key}"] = value
    return found


def _is_asked_for(row: Row, evaluation: EvaluationSettings) -> bool:
    if evaluation.probe is None:
        return True
    sizes = {f"sizes.{name}": size for name, size in evaluation.probe.sizes().items()}
    asked = {"version": PROBE_VERSION, **sizes}
    return all(row.get(name) == value for name, value in asked.items())


def write_strips(folder: Path, plan: Plan, found: Sequence[Source]) -> None:
    """Copy the path figures of each cell's first probed run; those of other runs are removed."""
    kept: dict[str, set[Path]] = {}  # by cell
    for each in found if plan.evaluation.probe is not None else ():
        if each.planned.cell in kept:
            continue
        paths = set()
        for suffix in ("", SEARCHED):
            path = folder / f"{each.planned.run_id}{suffix}.png"
            strip = each.run.path / "probe" / f"strip{suffix}.png"
            if probed_of(each) is not None and strip.is_file():
                write_atomic(path, strip.read_bytes())
                paths.add(path)
            elif (each.recorded or each.earlier) and path.is_file():
                paths.add(path)
        if paths:
            kept[each.planned.cell] = paths
    for path in set(folder.glob("*.png")).difference(*kept.values()):
        path.unlink()
