"""Simulated ablations with a known answer, as the tables of results/<ablation>/<profile>/."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.results.ends import ends
from benchmark.results.schema import FORMAT, REQUIRED, AblationRecord, table_path
from benchmark.results.tables import Tables
from benchmark.results.writer import write_table

Floats = NDArray[np.float64]
DISTANCE = "distance"
OUTCOMES = (DISTANCE, "kid", "precision", "recall", "density", "coverage", "sharpness")
EVERY = 100
JUDGE = "efficientnet_lite0"
BELOW = 0.3  # a spread below it is a collapse


def falling_walks(rng: np.random.Generator, runs: int, steps: int, drift: float = 3.0) -> Floats:
    """(runs, steps) independent random walks that fall by `drift` sd of their steps at a step."""
    walks: Floats = np.cumsum(rng.standard_normal((runs, steps)) - drift, axis=1)
    return walks - walks.min() + 1


def tables(
    curves: Mapping[str, Floats],
    cells: Sequence[Mapping[str, Any]],
    *,
    seeds: int,
    heldout: bool = True,
    apart: bool = False,
    state: Mapping[int, str] | None = None,
    claims: Sequence[Mapping[str, Any]] = (),
) -> Tables:
    """Runs cell by cell, seed by seed; `curves` are (runs, evaluations), `signal` among them.

    The cells have the same seeds, unless they are `apart`. The training log has two rows an
    evaluation whose mean is the curve's value.
    """
    points, swept = [dict(c) for c in cells for _ in range(seeds)], list(cells[0])
    ids = [f"began-{i:012x}" for i in range(len(points))]
    judged = {name: curve for name, curve in curves.items() if name in OUTCOMES}
    if "collapsed" in curves:
        judged["spread"] = 1 - curves["collapsed"]
    others = {n: c for n, c in curves.items() if n not in (*judged, "collapsed")}
    logged = {"m_global" if name == "signal" else name: curve for name, curve in others.items()}
    runs, train, held, evaluations = [], [], [], []
    for i, (run_id, point) in enumerate(zip(ids, points, strict=True)):
        ended = (state or {}).get(i, "done")
        count = 0 if ended == "queued" else len(next(iter(curves.values()))[i])
        last = {name: curve[i, -1] for name, curve in logged.items()}
        runs.append(
            {
                **dict.fromkeys(REQUIRED["runs"], ""),
                **{"run_id": run_id, "label": f"run {i}", "cell": _cell(point)},
                **{key: str(value) for key, value in point.items()},
                **{"seed": i if apart else i % seeds, "method": "began", "signal": "m_global"},
                **{"state": ended, "step": count * EVERY},
                "reason": "not finite: l_real" if ended == "failed" else "",
                **dict.fromkeys(("parameters", "wall_s", "cpu_s"), np.nan),
                **(last if count else {}),
            }
        )
        for j in range(count):
            step = (j + 1) * EVERY
            row = {name: curve[i, j] for name, curve in judged.items()}
            evaluations.append({"run_id": run_id, "judge": JUDGE, "step": step, "draw": 0, **row})
            if heldout and "signal" in curves:
                value = curves["signal"][i, j]
                held.append({"run_id": run_id, "step": step, "heldout_m_global": value})
            for at, off in ((step - EVERY // 2, 0.25), (step, -0.25)):
                values = {name: curve[i, j] + off for name, curve in logged.items()}
                train.append({"run_id": run_id, "step": at, **values})
    seen = pd.DataFrame(evaluations, columns=[*REQUIRED["evaluations"], *judged])
    done = {run["run_id"]: run["step"] for run in runs if run["state"] == "done"}
    return Tables(
        Path("simulated"),
        record(cells, swept, seeds, claims),
        JUDGE,
        pd.DataFrame(runs).join(ends(seen, JUDGE, BELOW, done), "run_id"),
        pd.DataFrame(train, columns=["run_id", "step", *logged]),
        pd.DataFrame(held, columns=["run_id", "step", *(["heldout_m_global"] if held else [])]),
        seen,
        pd.DataFrame(columns=["run_id"]),
    )


def _cell(point: Mapping[str, Any]) -> str:
    return " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in point.items())


def record(
    cells: Sequence[Mapping[str, Any]],
    swept: list[str],
    seeds: int,
    claims: Sequence[Mapping[str, Any]],
    **judge: Any,
) -> AblationRecord:
    """ablation.json; `judge` goes into the parameters of the one judge."""
    settings = {"features": JUDGE, "samples": 1000, "reference": "test"}
    settings |= {"reference_view": None, "snapshots": "all"}
    data = {"title": "Simulated", "fingerprint": "a" * 64, "broken": 0, "subject": "faces"}
    cell = {"method": "began", "signal": "m_global", "steps": 1000, "batch": 16, "setup": 0}
    return AblationRecord.model_validate(
        {
            **{"format": FORMAT, "name": "simulated", "question": "Is it so?", "source": None},
            **{"profile": "short", "finding": True, "swept": swept, "overrides": []},
            "seeds": list(range(seeds)),
            "judges": [
                {
                    **{"name": JUDGE, "settings": settings, "digest": "d" * 64},
                    "network": {"name": JUDGE, "width": 1280, "weights_sha256": "e" * 64},
                    **{"parameters": {"kid_subsets": 100, **judge}, "versions": {"kid": "1"}},
                }
            ],
            "evaluation": {"every": EVERY, "metrics": [], "repeats": 0, "collapse_below": BELOW},
            "settings": {},
            "setups": [
                {
                    "data": {**data, "settings": {"size": 32}},
                    **{"references": {JUDGE: "a" * 64}, "floors": {}},
                }
            ],
            "cells": [
                {
                    **{"cell": _cell(point), "point": dict(point), "differing": []},
                    **{**cell, "settings": {}},
                }
                for point in cells
            ],
            **{"commits": [], "devices": [], "lanes": {}, "claims": list(claims)},
            "registration": None,
        }
    )


def write(folder: Path, found: Tables) -> Path:
    """The tables as files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ablation.json").write_text(found.record.model_dump_json())
    for name in REQUIRED:
        write_table(table_path(folder, name), getattr(found, name))
    return folder
