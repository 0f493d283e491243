"""Simulated ablations with a known answer, as the tables of results/<ablation>/<profile>/."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.results.tables import Tables

Floats = NDArray[np.float64]
DISTANCE = "fd_efficientnet_lite0"
OUTCOMES = (DISTANCE, "kid", "precision", "recall", "density", "coverage", "sharpness")
EVERY = 100


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
    judged = {name: curve for name, curve in curves.items() if name in (*OUTCOMES, "collapsed")}
    logged = {"m_global" if n == "signal" else n: c for n, c in curves.items() if n not in judged}
    runs, train, evaluations = [], [], []
    for i, (run_id, point) in enumerate(zip(ids, points, strict=True)):
        ended = (state or {}).get(i, "done")
        count = 0 if ended == "queued" else len(next(iter(curves.values()))[i])
        last = {name: curve[i, -1] for name, curve in {**judged, **logged}.items()}
        runs.append(
            {
                "run_id": run_id,
                "label": f"run {i}",
                "cell": " ".join(f"{k.rpartition('.')[2]}={v}" for k, v in point.items()),
                "seed": i if apart else i % seeds,
                **{key: str(value) for key, value in point.items()},
                "method": "began",
                "signal": "m_global",
                "distance": DISTANCE,
                "state": ended,
                "reason": "not finite: l_real" if ended == "failed" else "",
                "step": count * EVERY,
                **(last if count else {}),
            }
        )
        for j in range(count):
            step = (j + 1) * EVERY
            row = {name: curve[i, j] for name, curve in judged.items()}
            held = (
                {"heldout_m_global": curves["signal"][i, j]}
                if heldout and "signal" in curves
                else {}
            )
            evaluations.append({"run_id": run_id, "step": step, **row, **held})
            for at, off in ((step - EVERY // 2, 0.25), (step, -0.25)):
                values = {name: curve[i, j] + off for name, curve in logged.items()}
                train.append({"run_id": run_id, "step": at, **values})
    record = {
        "name": "simulated",
        "profile": "short",
        "swept": swept,
        "seeds": list(range(seeds)),
        "claims": list(claims),
    }
    return Tables(
        record,
        pd.DataFrame(runs),
        pd.DataFrame(train, columns=["run_id", "step", *logged]),
        pd.DataFrame(
            evaluations if evaluations else None,
            columns=None if evaluations else ["run_id", "step"],
        ),
    )


def write(folder: Path, found: Tables) -> Path:
    """The tables as files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ablation.json").write_text(json.dumps(dict(found.record)))
    for name in ("runs", "train", "evaluations"):
        getattr(found, name).to_csv(folder / f"{name}.csv", index=False)
    return folder
