"""`bench correlate`: the evidence of an ablation, from its tables."""

from pathlib import Path

import click

from benchmark.commands import completion
from benchmark.commands.options import profile_option, results_of_plan_option, written

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
@click.option("--json", "as_json", is_flag=True, help="Print every row and column as JSON.")
def correlate(where: Path, profile: str, results: Path | None, as_json: bool) -> None:
    """Test the claims of WHERE, and whether signals track quality.

    WHERE is a folder results/ABLATION/PROFILE or an ablation file. The tables are written there
    too: claims.csv, correlations.csv, stopping.csv, collapse.csv, events.csv and variance.csv.
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

    for name, table in tables.items():
        empty = "none"
        if name == "correlations":
            table = table[(table["cell"] == "") & (table["role"] != "baseline")]
            empty = (
                f"none: it takes {LEAST_POINTS} evaluations in a run, or as many runs of a setting"
            )
        show(f"{name} ({folder / name}.csv)", table[list(SHOWN[name])], empty)
