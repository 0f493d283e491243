"""claims.csv and its like as the analysis writes them, made up."""

from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.results.columns import EVIDENCE

VERDICT = {
    "id": "began-better",
    "says": "BEGAN is better",
    "source": "the review",
    "kind": "contrast",
    "column": "distance",
    "over": "variant",
    "direction": "lower",
    "least_effect": 20.0,
    "verdict": "refuted",
    "sentence": "Mean distance: 205 and 110\nwith a break.",
    "effect": 95.125,
    "low": 80.0,
    "high": 110.5,
    "p": 0.9,
    "p_holm": 1.0,
    "against_p": 0.01,
    "against_p_holm": 0.0123456,
    "least_p": 0.008,
    "least_p_holm": 0.0081,
    "runs": 5,
    "run_ids": "began-a ebgan-b",
    "status": "exploratory: no registration",
    "power": 0.25,
    "agree": "",
    "oppose": "kid, coverage",
    "silent": "recall",
}
CORRELATION = {
    **{"method": "began", "cell": "", "role": "signal", "signal": "m_global"},
    **{"outcome": "distance", "level": "differences", "measure": "spearman"},
    **{"step": float("nan")},
    **{"value": 0.51234, "low": -0.1, "high": 0.9, "null_mean": 0.02, "p": 0.2, "p_holm": 0.6},
    **{"least_p": 0.17, "least_p_holm": 0.5, "cells": 1, "runs": 3, "points": 3},
    **{"reading": "no sign of it", "seeds": "0 1 2"},
}
AT_STEP = {**CORRELATION, "level": "at_step", "step": 300.0, "value": 0.25}
STOPPING = {
    **{"method": "began", "role": "signal", "signal": "m_global", "rule": "minimum"},
    **{"lost": 12.5, "lost_low": 2, "lost_high": 23, "step": 300, "runs": 3},
}
EVENT = {
    **{"claim": "began-better", "event": "k above 0.9", "run_id": "began-a", "cell": "BEGAN"},
    **{"seed": 0, "state": "done", "had": 1, "first_step": 350, "longest": 400, "held": 0.4},
    **{"outcome": "distance", "value": 95.0},
}
BASELINE = {**CORRELATION, "role": "baseline", "signal": "step", "value": -0.987}


def write(folder: Path, **changes: Any) -> None:
    """One claim, and a row or two of each other table."""
    collapse = {"method": "began", "event": "collapsed", "auroc": 0.123456, "run_ids": "began-a"}
    variance = {"outcome": "kid", "key": "variant", "share": 0.81234, "run_ids": "began-a"}
    for name, rows in (
        ("claims", [{**VERDICT, **changes}]),
        ("correlations", [CORRELATION, AT_STEP, BASELINE]),
        (
            "stopping",
            [
                {**STOPPING, "against": "last", "against_lost": 30.25, "reading": "better"},
                {**STOPPING, "against": "random", "against_lost": 13.0, "reading": "no"},
            ],
        ),
        ("events", [EVENT]),
        ("collapse", [collapse]),
        ("variance", [variance]),
    ):
        table = pd.DataFrame(rows, columns=[*EVIDENCE[name]])
        table.to_csv(folder / f"{name}.csv", index=False)
