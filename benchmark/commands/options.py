"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
MLFLOW = "sqlite:///mlflow/mlflow.db"


def _options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


profile_options = _options(
    click.option("--profile", default="demo", show_default=True, help="Scale: demo, short, paper."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key."),
)
runs_option = click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True)
data_option = click.option(
    "--data-root", type=FOLDER, envvar="BENCH_DATA", help="Folder that holds celeba/."
)
cache_option = click.option("--cache", type=FOLDER, default=Path("cache"), show_default=True)
results_option = click.option("--results", type=FOLDER, default=Path("results"), show_default=True)
report_option = click.option("--report", type=FILE, default=Path("REPORT.md"), show_default=True)
mlflow_option = click.option(
    "--mlflow", envvar="MLFLOW_TRACKING_URI", default=MLFLOW, show_default=True, metavar="URI"
)
device_option = click.option("--device", default="auto", show_default=True, help="cpu, cuda, auto.")
narrator_options = _options(
    click.option("--quiet", is_flag=True, help="Say only what fails, and one line at the end."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs."),
)
