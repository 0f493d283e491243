"""`bench evaluate`: judge runs that are trained, or anybody's images."""

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmark.commands.checked import load_plan
from benchmark.commands.options import (
    cache_option,
    data_option,
    device_option,
    executor_options,
    instructions_option,
    mlflow_option,
    optional_file,
    output_options,
    profile_options,
    replace_option,
    report_option,
    results_of_plan_option,
    runs_option,
    written,
)
from benchmark.commands.tables import say
from benchmark.errors import InputError


@dataclass(frozen=True)
class ImageOptions:
    """What the command line says of images from outside."""

    images: Path
    against: str | None
    size: int | None
    name: str | None
    judges: tuple[str, ...]
    as_json: bool
    replace: bool


@click.command()
@optional_file
@profile_options
@click.option("--judge", "judges", multiple=True, metavar="NAME", help="Use only this judge.")
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True),
    help="Judge these images instead: a folder, a .zip or an .npz.",
)
@click.option(
    "--against",
    metavar="DATA|CELL",
    help="With --images: faces, celeba or a folder in --data-root; with FILE, one of its cells.",
)
@click.option(
    "--size", type=click.IntRange(16, 512), help="With --against DATA: image size in pixels."
)
@click.option("--as", "name", metavar="NAME", help="With --images: add them to FILE's tables.")
@data_option
@runs_option
@cache_option
@results_of_plan_option
@report_option
@mlflow_option
@device_option
@instructions_option
@executor_options
@replace_option
@output_options
def evaluate(
    file: Path | None,
    profile: str,
    overrides: tuple[str, ...],
    judges: tuple[str, ...],
    images: Path | None,
    against: str | None,
    size: int | None,
    name: str | None,
    data_root: Path | None,
    runs: Path,
    cache: Path,
    results: Path | None,
    report: Path | None,
    mlflow: str,
    device: str,
    instructions: str | None,
    replace: bool,
    quiet: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Judge the runs of FILE, or images; train nothing.

    Each judge evaluates the snapshots that it has not seen yet; where FILE has `evaluation.probe`,
    finished runs are probed. Run the same command again to resume an interrupted evaluation.

    With --images, judge these images instead: by the judges and metrics of FILE, or against DATA
    by the feature networks that --judge names.
    """

    if images is None and (against is not None or size is not None or name is not None):
        raise InputError("--against, --size and --as need --images")
    if file is not None and size is not None:
        raise InputError("--size needs --against DATA; a FILE says the size of its data")
    if images is not None:
        from benchmark.executors.threads import pin_threads

        pin_threads(1)  # before NumPy starts its own, so that figures are those of a run's judge
    plan = load_plan(file, profile, overrides) if file is not None else None
    if images is not None:
        from benchmark.sweep.run import Places

        places = Places(runs, cache, *written(plan, results, report), data_root, mlflow)
        said = ImageOptions(images, against, size, name, judges, as_json, replace)
        _evaluate_images(said, plan, places, device)
        return
    if plan is None:
        raise InputError("FILE is missing; or give --images, with FILE or with --against DATA")
    from benchmark.executors.choice import Asked, choose

    start = choose(Asked(device=device, **asked), plan, runs)
    from benchmark.sweep.output import choose_output
    from benchmark.sweep.run import Places, Work, evaluate_plan

    places = Places(runs, cache, *written(plan, results, report), data_root, mlflow)
    output = choose_output(quiet=quiet, as_json=as_json)
    work = Work(device, instructions=instructions)
    sys.exit(evaluate_plan(plan, judges, places, start, work, output, replace=replace))


def _evaluate_images(options: ImageOptions, plan: Any, places: Any, device: str) -> None:
    from benchmark.sweep.images import against_data, against_plan, evaluate_images
    from benchmark.worker import pick_device

    if plan is not None:
        against = against_plan(plan, options.against, options.judges)
    elif options.against is not None and options.name is None:
        against = against_data(options.against, options.size, options.judges)
    else:
        raise InputError("--images needs a FILE or --against DATA; --as needs a FILE")
    refuse = None
    if options.name is not None:  # before minutes of judging
        from benchmark.report.files import refuse_foreign
        from benchmark.results.images import refuse_others

        folder = places.results / plan.place
        if not (folder / "ablation.json").exists():
            raise InputError(f"{folder}: no tables there yet; `bench run` writes them")
        refuse_foreign(places.report)
        if not options.replace:
            refuse = partial(refuse_others, folder, options.name)
    rows = evaluate_images(
        options.images,
        options.name or options.images.name,
        against,
        places.data_root,
        places.cache,
        pick_device(device),
        refuse,
    )
    if options.as_json:
        click.echo(json.dumps([row.model_dump() for row in rows], indent=2))
    else:
        _print(rows)
    if options.name is not None:
        from benchmark.report.markdown import build
        from benchmark.results.images import add_images

        table = add_images(folder, rows, replace=options.replace)
        click.echo(f"row: {table}", err=options.as_json)
        build(places.results, places.report, partial(say, err=True))


def _print(rows: Any) -> None:
    import pandas as pd

    from benchmark.commands.tables import show
    from benchmark.evaluation.metrics import METRICS
    from benchmark.evaluation.settings import is_mostly_bias

    for row in rows:
        frame = pd.DataFrame(
            {
                "metric": row.values.keys(),
                "better": [METRICS[name].better for name in row.values],
                row.name: row.values.values(),
            }
            | {name: [floor[key] for key in row.values] for name, floor in row.floor.items()}
        )
        show(f"{row.judge}: {row.samples} images against as many real ones", frame)
        if is_mostly_bias(row.samples, row.width):
            say(
                f"warning: {row.judge}: distances of {row.samples:,} images in {row.width:,}"
                " dimensions are mostly bias; compare them with those of equally many alone",
                err=True,
            )
