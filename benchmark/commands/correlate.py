"""`bench correlate`: the evidence of an ablation, from its tables."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands import completion
from benchmark.commands.options import profile_option, results_of_plan_option, written

if TYPE_CHECKING:
    import pandas as pd

# What fits on a line of a terminal; the files and --json have every column.
SHOWN = {
    "claims": ("id", "verdict", "sentence"),
    "correlations": (
        *("method", "signal", "outcome", "level", "measure", "value", "low", "high", "null_mean"),
        *("p_holm", "least_p", "runs", "reading"),
    ),
    "stopping": (
        *("method", "signal", "rule", "against", "lost", "against_lost", "difference", "low"),
        *("high", "p_holm", "least_p_holm", "runs", "reading"),
    ),
    "events": ("claim", "run_id", "cell", "seed", "had", "first_step", "longest", "value"),
    "collapse": ("method", "signal", "event", "event_runs", "runs", "verdict", "sentence"),
    "variance": ("outcome", "key", "share", "low", "high", "runs"),
}


@click.command()
@click.argument("where", type=click.Path(path_type=Path), shell_complete=completion.ablations)
@profile_option("If WHERE is a file.")
@results_of_plan_option
@click.option("--full", is_flag=True, help="Show every outcome, cell, step and signal.")
@click.option("--json", "as_json", is_flag=True, help="Print every row and column as JSON.")
def correlate(where: Path, profile: str, results: Path | None, full: bool, as_json: bool) -> None:
    """Test the claims of WHERE, and whether signals track quality.

    WHERE is a folder results/ABLATION/PROFILE or an ablation file. The tables are written there
    too: claims.csv, correlations.csv, stopping.csv, collapse.csv, events.csv and variance.csv.
    Shown of them are the claims, and what each method's own signal says of the distance.
    """
    from benchmark.claims.evidence import write_evidence

    folder = where
    if where.is_file():
        from benchmark.ablation.plan import load

        plan = load(where, profile)
        folder = written(plan, results)[0] / plan.place
    tables = write_evidence(folder)
    if as_json:
        parts = (f'"{name}": {table.to_json(orient="records")}' for name, table in tables.items())
        click.echo(f"{{{', '.join(parts)}}}")
        return
    from benchmark.claims.correlation import LEAST_POINTS
    from benchmark.commands.tables import show

    too_few = f"none: it takes {LEAST_POINTS} evaluations in a run, or as many runs of a setting"
    for name, table in tables.items():
        rows = table if full else table[_answers(name, table)]
        empty = too_few if name == "correlations" and table.empty else "none"
        show(f"{name} ({folder / name}.csv)", rows[list(SHOWN[name])], empty)


def _answers(name: str, table: "pd.DataFrame") -> "pd.Series[bool]":
    """Whether a row says how a method's own signal goes with the distance, over all cells.

    Of tables about something else: every row, or those on the distance.
    """
    import pandas as pd

    from benchmark.claims.correlation_table import AT_STEP
    from benchmark.results.schema import DISTANCE

    shown = pd.Series(True, index=table.index)
    if "role" in table:
        shown &= table["role"] == "signal"
    if name in ("correlations", "variance"):
        shown &= table["outcome"] == DISTANCE
    if name == "correlations":
        shown &= (table["cell"] == "") & (table["level"] != AT_STEP)
        shown &= table["measure"] == "spearman"
    return shown
