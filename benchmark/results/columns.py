"""What each column of the tables in results/ means: the reference page is generated from this.

Columns from a method, a metric or the probe are explained where they are produced.
"""

from benchmark.ablation.claims import BEST_DISTANCE, COLLAPSED, COSTS, ENDS, SIGNALS
from benchmark.ablation.plan import VARIANT, Plan
from benchmark.ablation.tuning import SETTING
from benchmark.column import Column
from benchmark.errors import InputError
from benchmark.evaluation.columns import EARLIER_PROBE_COLUMNS, probe_columns
from benchmark.evaluation.metrics import METRICS
from benchmark.methods.registry import method_class
from benchmark.results.schema import IMAGES, REQUIRED, TEXT, WHOLE

_RUN_ID = Column("the method's name and 12 digits of the hash of the run's description")
_LOW, _HIGH = Column("lower end of the 95 % interval"), Column("upper end of the 95 % interval")
_P_HOLM = Column("p, corrected by Holm over its family")
_LEAST_P = Column("the least p that so few runs could reach at all")
_LEAST_P_HOLM = Column("the same, corrected by Holm")
_RUNS = Column("how many runs the row rests on", "runs")
_RUN_IDS = Column("these runs, separated by blanks")
_OUTCOME = Column("the measure of quality: a metric of the headline judge")
_SQUARED = "squared features"
_METHOD = Column("the method's name")
_SENTENCE = Column("the verdict in words, with what decided or stands in the way")
_ROLE = Column("signal (in training), heldout (on fixed images) or baseline (step, L(x), ...)")
_SIGNAL = Column("the column that is said to track quality")

# Columns of runs.csv, besides the last values of the columns below.
RUN: dict[str, Column] = {
    "run_id": _RUN_ID,
    "label": Column("what people call the run"),
    "cell": Column("what it shares with the runs that differ in their seed alone"),
    "seed": Column("training seed"),
    "method": _METHOD,
    "signal": Column("the column that its paper watches for convergence"),
    "state": Column("done, failed, stopped, running or queued"),
    "reason": Column("why it failed"),
    "step": Column("the last step that has a row", "steps"),
    "collapsed": Column(
        "1 where its spread is below evaluation.collapse_below at its last evaluation, else 0",
        "",
        "lower",
    ),
    "collapsed_at": Column("since which step without a break", "steps"),
    "best_step": Column("the step with the least distance to validation images", "steps"),
    "best_distance": Column("distance at best_step", _SQUARED, "lower"),
    "parameters": Column("weights of both players", "numbers"),
    "wall_s": Column(
        "time that it trained, all its starts together; in tables that were converted, judged too",
        "s",
        "lower",
    ),
    "cpu_s": Column("processor time of the same", "s", "lower"),
    "weights_sha256": Column("hash of the last weights"),
    "commit": Column(
        "the commit of the code that made it, `+` and a hash where the code differed from it; of an"
        " installed package the version, `+` and a hash of the source"
    ),
    "instructions": Column(
        "the processor's vector instructions that made it, as torch names them; `+` separates"
        " those of a run that continued with others"
    ),
    "data": Column("the data's fingerprint"),
}

# Columns of evaluations.csv before the metrics.
EVALUATION: dict[str, Column] = {
    "judge": Column("the judge's name in the ablation's file"),
    "draw": Column("0, or from 1 the number of a further draw of samples from the last weights"),
}

EVIDENCE: dict[str, dict[str, Column]] = {
    "claims": {
        "id": Column("the claim's id"),
        "says": Column("what is claimed"),
        "source": Column("where it is from"),
        "kind": Column(
            "trend, contrast, mean, correlation, stopping, event, bound, share or failures"
        ),
        "column": Column("the measured column, or an alias (claims.py)"),
        "over": Column("the swept key that it is compared over"),
        "direction": Column("the direction that is claimed"),
        "least_effect": Column("the least effect that would matter", "the column's"),
        "verdict": Column(
            "supported, refuted, too small, undecided, underpowered, saturated or not run"
        ),
        "sentence": _SENTENCE,
        "effect": Column(
            "shift end to end; difference of means, or of one from a number; rho; share of seeds "
            "that agree; lead of the variance's share",
            "by kind",
        ),
        "low": _LOW,
        "high": _HIGH,
        "p": Column("of the claim's opposite, one-sided; small speaks for the claim"),
        "p_holm": Column(
            "p, corrected over all claims of the file by Holm's steps, or Dunnett's where claims "
            "share runs"
        ),
        "against_p": Column("of the claim itself, one-sided; small speaks against it"),
        "against_p_holm": Column("against_p, corrected in the same way"),
        "least_p": _LEAST_P,
        "least_p_holm": Column("the same, corrected in the same way"),
        "runs": _RUNS,
        "run_ids": _RUN_IDS,
        "power": Column(
            "chance to support the claim, were it true by twice its least effect, at the level of "
            "its family",
            "share, 0 to 1",
        ),
        "status": Column(
            "confirmatory where the claim was registered before its runs, else exploratory and why"
        ),
        "agree": Column("other metrics of the same, and judges, that change the claimed way"),
        "oppose": Column("those that change the other way"),
        "silent": Column("those that show no change"),
    },
    "correlations": {
        "method": _METHOD,
        "cell": Column("empty: over all cells, by ranks within them; else that cell alone"),
        "role": _ROLE,
        "signal": _SIGNAL,
        "outcome": _OUTCOME,
        "level": Column(
            "raw, differences or partial (within a run); between, or at_step (between runs)"
        ),
        "measure": Column("pearson, spearman or kendall"),
        "step": Column("of at_step: the evaluation whose runs are compared", "steps"),
        "value": Column("the correlation: its mean over runs, or over steps and cells", "-1 to 1"),
        "low": _LOW,
        "high": _HIGH,
        "null_mean": Column("the same of mismatched pairs: a run's signal, another's outcome"),
        "p": Column("that matched pairs are no more alike than mismatched ones"),
        "p_holm": _P_HOLM,
        "least_p": _LEAST_P,
        "least_p_holm": _LEAST_P_HOLM,
        "cells": Column("cells that it rests on: those with a run that has a correlation", "cells"),
        "runs": Column("runs that have a correlation, which it rests on", "runs"),
        "points": Column("evaluations of a run that were used", "evaluations"),
        "reading": Column("what the row may be taken to say"),
        "seeds": Column(
            "of its runs, which are those of the method and the cell with these seeds, if they have"
            " a correlation; cells with others come after a semicolon"
        ),
    },
    "stopping": {
        "method": _METHOD,
        "role": _ROLE,
        "signal": Column("the column that stops a run"),
        "rule": Column("minimum or plateau of the signal", source="claims/stopping.py"),
        "against": Column("last, validation, random or mismatched", source="claims/stopping.py"),
        "lost": Column(
            "distance where the signal stops, less the run's least: mean over seeds", _SQUARED
        ),
        "lost_low": Column("lower end of the 95 % interval of lost"),
        "lost_high": Column("upper end of the 95 % interval of lost"),
        "step": Column("at which it stops: median over runs", "steps"),
        "against_lost": Column("the same of the other rule", _SQUARED),
        "difference": Column("lost less against_lost: below 0 the signal stops better", _SQUARED),
        "low": _LOW,
        "high": _HIGH,
        "p": Column("of no difference, two-sided"),
        "p_holm": Column("p, corrected by Holm over the rows of its method"),
        "least_p": _LEAST_P,
        "least_p_holm": _LEAST_P_HOLM,
        "runs": _RUNS,
        "points": Column("evaluations of a run that were used", "evaluations"),
        "reading": Column("what the row may be taken to say"),
        "seeds": Column("of its runs"),
    },
    "collapse": {
        "method": _METHOD,
        "role": _ROLE,
        "signal": _SIGNAL,
        "event": Column("collapsed, or low_coverage (below half of the run's most)"),
        "runs": _RUNS,
        "event_runs": Column("runs that had the event at any evaluation", "runs"),
        "pairs": Column("pairs of a run with and one without it, of one cell at one step", "pairs"),
        "auroc": Column(
            "share of the pairs in which the signal is higher in the run with the event; 0.5 is "
            "chance",
            "share, 0 to 1",
            "higher",
            "Hanley and McNeil 1982",
        ),
        "low": _LOW,
        "high": _HIGH,
        "p": Column(
            "of an AUROC of 0.5, by the jackknife and by permutation, the greater of the two"
        ),
        "p_holm": _P_HOLM,
        "least_p": _LEAST_P,
        "alarmed": Column("runs where the event stayed, whose alarm came by its onset", "runs"),
        "missed": Column("runs where the event stayed, whose alarm did not", "runs", "lower"),
        "false_alarms": Column("quiet runs with an alarm", "runs", "lower"),
        "quiet_runs": Column("runs that never had the event", "runs"),
        "lead_steps": Column("median from the alarm to the onset", "steps", "higher"),
        "verdict": Column("sees it, does not see it, cannot tell or nothing to see"),
        "sentence": _SENTENCE,
        "run_ids": _RUN_IDS,
    },
    "events": {
        "claim": Column("the claim whose event it is"),
        "event": Column("the event in words"),
        "run_id": _RUN_ID,
        "cell": RUN["cell"],
        "seed": RUN["seed"],
        "state": RUN["state"],
        "had": Column("1 where the run had the event, else 0"),
        "first_step": Column("the row that begins its first stretch long enough", "steps"),
        "longest": Column("the longest stretch in which all conditions held", "steps"),
        "held": Column("how much of the run they held in, all together", "share, 0 to 1"),
        "outcome": _OUTCOME,
        "value": Column("of the outcome at the run's end", "the outcome's"),
    },
    "variance": {
        "outcome": _OUTCOME,
        "key": Column("a swept key, several that change together, or the seed and interactions"),
        "levels": Column("values that it takes", "values"),
        "share": Column("of the outcome's variance (eta squared, type II)", "share, 0 to 1"),
        "low": _LOW,
        "high": _HIGH,
        "rank": Column("1 for the largest share"),
        "runs": _RUNS,
        "left_out": Column("runs that have not finished", "runs"),
        "run_ids": _RUN_IDS,
    },
}


def refuse_taken(plan: Plan) -> None:
    """Raise InputError if a column of the plan's methods or metrics clashes with the tables'."""
    tables = {*RUN, *EVALUATION, *IMAGES, *TEXT, *WHOLE, VARIANT, SETTING, *plan.swept}
    tables |= {*probe_columns(), *EARLIER_PROBE_COLUMNS}
    tables |= {name for columns in (*REQUIRED.values(), *EVIDENCE.values()) for name in columns}
    tables |= {*SIGNALS, *COSTS, *ENDS, COLLAPSED, BEST_DISTANCE}  # aliases used in claims
    taken = {**dict.fromkeys(METRICS, "is a metric"), **dict.fromkeys(tables, "is the tables' own")}
    for name in METRICS:
        if name in tables:
            raise InputError(f"metric {name}: the name {taken[name]}; choose another")
    for planned in plan.runs:
        method = planned.spec.method.name
        for name in method_class(method).columns:
            if name in taken:
                raise InputError(
                    f"{method}: the column {name!r} needs another name; this one {taken[name]}"
                )
