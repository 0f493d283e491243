"""Options that several commands share."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark.commands import completion
from benchmark.executors.instructions import NAMES

if TYPE_CHECKING:
    from benchmark.ablation.plan import Plan

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
file_argument = click.argument("file", type=FILE, shell_complete=completion.ablations)
optional_file = click.argument(
    "file", type=FILE, required=False, shell_complete=completion.ablations
)
run_argument = click.argument("run", shell_complete=completion.runs)
MLFLOW = "sqlite:///mlflow/mlflow.db"
RESULTS, REPORT = Path("results"), Path("REPORT.md")
# Where results and report of demonstrations, and of other runs by --set, go: a clone ignores it.
ASIDE = Path("out")


def _options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def profile_option(text: str) -> Callable[[Command], Command]:
    """--profile with this help; demo unless it is given."""
    return click.option(
        "--profile",
        default="demo",
        show_default=True,
        shell_complete=completion.profiles,
        help=text,
    )


profile_options = _options(
    profile_option("Scale: demo, short, small or paper."),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a key, as in training.steps=500.",
    ),
)


class _Folder(click.Path):
    """A folder; a URL is refused in words."""

    def convert(self, value: Any, *where: Any) -> Any:
        if "://" in str(value):
            self.fail(f"{value}: not a folder; runs are kept in a folder", *where)
        return super().convert(value, *where)


runs_option = click.option(
    "--runs",
    type=_Folder(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder with the runs.",
)
data_option = click.option(
    "--data-root", type=FOLDER, envvar="BENCH_DATA", help="Folder that holds celeba/."
)
cache_option = click.option(
    "--cache",
    type=FOLDER,
    default=Path("cache"),
    show_default=True,
    help="Cache folder; all of it can be rebuilt.",
)
results_option = click.option(
    "--results", type=FOLDER, default=RESULTS, show_default=True, help="Folder with the tables."
)
report_option = click.option(
    "--report",
    type=FILE,
    help=f"The report. [default: {REPORT} beside the folder {RESULTS}, or in one of another name]",
)
# Of a command that has an ablation, which may be a demonstration: see `written`.
results_of_plan_option = click.option(
    "--results",
    type=FOLDER,
    help="Folder with the tables."
    f" [default: {RESULTS}; {ASIDE / RESULTS} for a demonstration, or with --set]",
)


def _device(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r} is not cpu, cuda, cuda:N or auto")
    return value


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse nan and infinity, which a range lets through."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no finite number")
    return value


def _not_empty(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value:
        raise click.BadParameter("is empty; leave it out for the default")
    return value


mlflow_option = click.option(
    "--mlflow",
    envvar="MLFLOW_TRACKING_URI",
    default=MLFLOW,
    show_default=True,
    callback=_not_empty,
    metavar="URI",
    help="Where MLflow keeps the runs.",
)
replace_option = click.option(
    "--replace",
    is_flag=True,
    help="Drop finished runs that FILE no longer has, or of other data, from the tables.",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    callback=_device,
    help="cpu, cuda or auto.",
)
graphs_option = click.option(
    "--graphs/--no-graphs",
    default=False,
    help="On a GPU, run each step as one CUDA graph.  [default: no-graphs]",
)

instructions_option = click.option(
    "--instructions",
    type=click.Choice(NAMES),
    help="Use only these vector instructions, for the same bits on other processors.",
)
allow_slow_option = click.option(
    "--allow-slow", is_flag=True, help="Train in bfloat16 on a processor without AMX."
)


def written(
    plan: "Plan | None", results: Path | None, report: Path | None = None
) -> tuple[Path, Path]:
    """Where results and report of a plan go unless the command line says where.

    What a demonstration (`finding: false`) or other runs by --set write stays apart: it changes no
    file of a clone, and has a report of its own.
    """
    aside = plan is not None and (not plan.finding or plan.apart)
    folder = results or (ASIDE if aside else Path()) / RESULTS
    return folder, report or report_of(folder)


def report_of(results: Path) -> Path:
    """Where the report of a folder of tables goes, so that no other folder's is replaced."""
    return (results.parent if results.name == RESULTS.name else results) / REPORT


def written_before(ablation: str, profile: str) -> Path:
    """The folder of results that has these tables: the one aside, if no other has."""
    here = (RESULTS / ablation / profile).is_dir()
    return ASIDE / RESULTS if not here and (ASIDE / RESULTS / ablation).is_dir() else RESULTS


def _minutes(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Slurm's ways to write a time: MINUTES, HH:MM:SS and D-HH:MM:SS."""
    if text is None:
        return None
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)|(\d+)", text)
    days, hours, minutes, seconds, plain = map(int, found.groups("0")) if found else [0] * 5
    total = (days * 24 + hours) * 60 + minutes + plain + (seconds > 0)
    if not total:
        raise click.BadParameter(f"{text!r}; allowed: MINUTES, HH:MM:SS, D-HH:MM:SS")
    return total


def _lanes(context: click.Context, parameter: click.Parameter, text: str) -> int | None:
    """A number; None for auto."""
    if text == "auto":
        return None
    if not (text.isdecimal() and int(text) > 0):
        raise click.BadParameter(f"{text!r}; allowed: auto, or a number from 1")
    return int(text)


executor_options = _options(
    click.option(
        "--executor",
        type=click.Choice(["local", "ray", "slurm"]),
        default="local",
        show_default=True,
        help="Where the runs train.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1),
        help="Runs in parallel.  [default: what fits here, or in the cluster]",
    ),
    click.option("--address", help="Ray: the cluster's address.  [default: this machine's]"),
    click.option(
        "--gpus-per-run",
        type=click.FloatRange(0),
        callback=finite,
        help="Ray, Slurm: GPUs of a run; on Ray also a fraction, as in 0.25.  [default: 0]",
    ),
    click.option("--partition", help="Slurm: partition to queue jobs in."),
    click.option(
        "--time",
        callback=_minutes,
        metavar="MINUTES|HH:MM:SS",
        help="Slurm: time limit of a job; a run that needs longer is requeued.  [default: 60]",
    ),
    click.option(
        "--sbatch",
        multiple=True,
        metavar="KEY=VALUE",
        help="Slurm: an option of sbatch, as in account=faces.",
    ),
)
lanes_option = click.option(
    "--lanes",
    callback=_lanes,
    default="1",
    show_default=True,
    metavar="N|auto",
    help="Local: runs in one process; --jobs then counts processes.",
)
output_options = _options(
    click.option("--quiet", is_flag=True, help="Print only failures and one line at the end."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line."),
)
