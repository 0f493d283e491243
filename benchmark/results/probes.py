"""probes.csv: from what probes found of runs to one row a run, each number by its dotted name.

A probe of version 1 had other numbers, by other names (evaluation/columns.py): its rows stay as
they are, and no column has numbers of both.
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
"""The folder of the figures of each run's paths."""
SEARCHED = "_searched"
"""Ends the names of those that were found by search, where the method has an encoder too."""
OTHERS = "judges."
"""Begins the columns of judges beside the headline."""
_FIRST = "1"  # the version that wrote its own number as text
_BESIDE = ("judged_by", "versions")  # what made the numbers, and no numbers


def probes(found: Sequence[Source], evaluation: EvaluationSettings) -> pd.DataFrame:
    """One row a run whose last weights were probed, or taught classifiers.

    Where the evaluation has a probe, only rows of its sizes and of this version count: those of
    `bench probe` with other sizes cannot be compared with them.
    """
    rows: list[Row] = []
    for each in found:
        head = {"run_id": each.planned.run_id}
        if each.recorded:
            rows += [{**row, **head} for row in _kept(each.recorded, evaluation)]
        elif own := {**_asked_of(each, evaluation), **_classified(each, evaluation)}:
            rows.append({**head, **own})
        elif each.earlier and probed_of(each) is None:
            rows += [{**row, **head} for row in _kept(each.earlier, evaluation)]
    columns = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame(rows, columns=list(columns) or ["run_id"])


def _asked_of(source: Source, evaluation: EvaluationSettings) -> dict[str, float]:
    """What a probe found of a run whose folder is here, if it is one that counts."""
    probed = probed_of(source)
    row = flat(probed, evaluation) if probed else {}
    return row if row and _is_asked_for(row, evaluation) else {}


def _classified(source: Source, evaluation: EvaluationSettings) -> dict[str, float]:
    """What classifiers learnt from the pair whose first run this is."""
    if evaluation.classify is None or source.result is None:
        return {}
    found = classified.numbers(source.run, evaluation.classify)
    return {f"{CLASSIFIED}{name}": value for name, value in found.items()}


def _kept(recorded: RecordedRun, evaluation: EvaluationSettings) -> list[Row]:
    """Of earlier tables, the rows that count."""
    return [row for row in _recorded(recorded, evaluation) if _is_asked_for(row, evaluation)]


def probed_of(source: Source) -> dict[str, Any] | None:
    """What was found of the last weights of a run whose folder is here."""
    probed = None if source.recorded else source.run.probe()
    same = probed and source.result and probed["weights_sha256"] == source.result.weights_sha256
    return probed if same else None


def flat(probed: Mapping[str, Any], evaluation: EvaluationSettings) -> dict[str, float]:
    """Its numbers by their dotted names: those of the headline judge without the judge's name.

    Judges are called as the evaluation calls them.
    """
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
        if name not in names and name in evaluation.judges:  # another judge of that name
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


def _recorded(run: RecordedRun, evaluation: EvaluationSettings) -> list[Row]:
    """What earlier tables have, without the numbers that are not there.

    Where another judge was their headline, columns without a judge's name are not this one's.
    """
    headline = evaluation.judges[evaluation.headline].identity()
    lost = () if run.record.headline.asked.identity() == headline else (*OF_JUDGE, OTHERS)
    return [
        {k: v for k, v in row.items() if v == v and not (lost and k.startswith(lost))}
        for row in run.rows("probes")
    ]


def write_strips(folder: Path, plan: Plan, found: Sequence[Source]) -> None:
    """The paths of each run that its ablation has probed; those of runs that it has not go."""
    kept = set()
    for each in found:
        run_id = each.planned.run_id
        for suffix in ("", SEARCHED) if plan.evaluation.probe is not None else ():
            path = folder / f"{run_id}{suffix}.png"
            strip = each.run.path / "probe" / f"strip{suffix}.png"
            if each.recorded or each.earlier:
                kept.add(path)
            if probed_of(each) is not None and strip.is_file():
                kept.add(path)
                write_atomic(path, strip.read_bytes())
    for path in folder.glob("*.png"):
        if path not in kept:
            path.unlink()
