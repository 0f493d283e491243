"""The evidence of an ablation, written beside its tables in results/<ablation>/<profile>/.

Numbers are empty where they are undefined or do not apply. Intervals (low, high) are 95 %
percentile bootstraps over training seeds within cells (of bound and failures claims: Clopper and
Pearson's); from fewer than about eight runs they are too narrow, and no verdict rests on one
alone. p is two-sided; p_holm is corrected over its table's family; least_p is the least p that the
design could reach at all, and least_p_holm the same when corrected. run_ids lists the runs, parted
by blanks.

correlations.csv (correlation.py, correlation_table.py): one row a method, signal, outcome, level
    method      its name; rows of different methods never share a signal's values
    cell        empty: over all cells, by ranks or changes within them; else that cell alone
    role        signal (in training: mean of the log since the evaluation before), heldout (on
                fixed held-out images), baseline (the step, L(x), |gamma L(x) - L(G(z))| or k)
    signal, outcome    columns of the tables
    level       raw | differences | partial | between | at_step (between, at one step)
    measure     pearson | spearman | kendall
    step        of at_step
    value       its mean over runs (within a run) or over steps and runs of a cell (between)
    null_mean   the same of mismatched pairs: a run's signal with another's outcome
    p           that matched pairs are no more alike than mismatched ones
    cells, runs, points   how many; points are the evaluations of a run that were used
    reading     what the row may be taken to say

collapse.csv (collapse.py): one row a method, signal and event
    event       collapsed | low_coverage
    event_runs  runs that had the event at any evaluation
    pairs       pairs of a run with and a run without the event, of one cell at one step
    auroc       share of those pairs in which the signal is higher in the run with the event
    alarmed, missed   runs where the event stayed, whose alarm came by its onset, or not
    false_alarms, quiet_runs   runs that never had the event, and those of them with an alarm
    lead_steps  median steps from the alarm to the onset, of the alarmed
    verdict     sees it | does not see it | cannot tell | nothing to see; sentence: why

variance.csv (variance.py): one row an outcome and swept key, and what is left to the seed
    key         a swept key, or several that always change together
    share       of the outcome's variance
    rank        1 for the largest share
    left_out    runs that have not finished

claims.csv (verdicts.py): one row a claim
    kind, column, over, direction, least_effect   its test, as the ablation's file has it
    verdict     supported | refuted | undecided | underpowered | not run
    sentence    what was found, and what decided or stands in the way
    effect      shift end to end; rho; share of runs that agree; lead of the variance's share
    p, p_holm   for the claim; against_p, against_p_holm: against it (see verdicts.py)
    changed     1 where the claims are no longer those of the first run's start, 0 where they are,
                empty where that was not recorded
"""

from pathlib import Path

import pandas as pd

from benchmark.analysis.collapse import collapse_table
from benchmark.analysis.correlation_table import correlation_table
from benchmark.analysis.frames import Tables, read_tables
from benchmark.analysis.variance import variance_table
from benchmark.analysis.verdicts import claims_table
from benchmark.runs import write_atomic

TABLES = {
    "claims": claims_table,
    "correlations": correlation_table,
    "collapse": collapse_table,
    "variance": variance_table,
}


def evidence(tables: Tables) -> dict[str, pd.DataFrame]:
    """Every table by its name, in the order in which a reader wants them."""
    return {name: make(tables) for name, make in TABLES.items()}


def write_evidence(folder: Path) -> dict[str, pd.DataFrame]:
    """Write correlations.csv, collapse.csv, variance.csv and claims.csv from a folder's tables.

    Returns them by name. Raises InputError where the folder's own tables cannot be read.
    """
    found = evidence(read_tables(folder))
    for name, table in found.items():
        text = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
        write_atomic(folder / f"{name}.csv", text.encode())
    return found
