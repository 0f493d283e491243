"""`bench data`: fetch, check and look at the data."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import FILE, FOLDER, data_option

if TYPE_CHECKING:
    from benchmark.data.check import Report
    from benchmark.data.photographs import Photographs
    from benchmark.data.survey import Item


@click.group()
def data() -> None:
    """Fetch, check and look at data."""


@data.command()
@click.argument("name", type=click.Choice(["celeba"]))
@click.option(
    "--data-root", type=FOLDER, envvar="BENCH_DATA", required=True, help="Folder to put it in."
)
@click.option("--wild", is_flag=True, help="Also fetch the images in the wild (10 GB).")
def get(name: str, data_root: Path, wild: bool) -> None:
    """Fetch CelebA into --data-root and unpack it.

    Continues from what is there.
    """
    from benchmark.data.celeba.fetch import fetch_celeba

    fetch_celeba(data_root, wild=wild, say=click.echo)


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Decode every image as training would.")
@click.option(
    "--near",
    is_flag=True,
    help="Warn of held-out images that are near copies of training images, by a judge's features.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(path: Path, deep: bool, near: bool, as_json: bool) -> None:
    """Describe the data at PATH, what is broken and how to fix it.

    PATH holds CelebA or other faces in one of its layouts, or is a plain folder or an archive of
    images.

    Exit code 1: something is broken, or no view can be trained on.
    """
    from benchmark.data.check import check as look

    report = look(path, deep, _progress, _near if near else None)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print(report)
    sys.exit(0 if report.usable else 1)


def _near(source: "Photographs") -> dict[str, str]:
    """Held-out images that are nearly images of another part, and which."""
    import torch

    from benchmark.evaluation.near import near_copies
    from benchmark.evaluation.networks import load_network

    network = load_network("efficientnet_lite0", torch.device("cpu"))
    found = near_copies(source, network, _progress)
    return {source.name(pair.image): source.name(pair.nearest) for pair in found}


def _progress(things: "Iterable[Item]", name: str, count: int, /) -> "Iterable[Item]":
    from rich.console import Console
    from rich.progress import track

    yield from track(things, name, count, console=Console(stderr=True), transient=True)


def _print(report: "Report") -> None:
    import pandas as pd

    from benchmark.commands.tables import say, show

    rows = [(item.name, item.state, item.says) for item in report.items]
    show(report.title, pd.DataFrame(rows, columns=["what", "state", "says"]))
    for image, why in list(report.broken.items())[:20]:
        say(f"{image}: {why}")
    if len(report.broken) > 20:
        say(f"... and {len(report.broken) - 20} more (--json lists all)")
    for copy, first in list(report.copies.items())[:5]:
        say(f"{copy}: a copy of {first}")
    if len(report.copies) > 5:
        say(f"... and {len(report.copies) - 5} more copies (--json lists all)")
    for image, nearest in list(report.near_copies.items())[:20]:
        say(f"{image}: nearly {nearest}")
    if report.near_copies:
        say(
            f"warning: {len(report.near_copies)} held-out images are nearly images of another part;"
            " look at them, and take one of each pair out"
        )
    for line in (*report.notes, *report.why_not):
        say(line)
    say(f"can be trained on: {', '.join(report.views) or 'nothing'}")
    if not report.deep:
        say("images were counted, not opened; --deep decodes every one")
    say(f"what to do: {report.advice}")


@data.command()
@click.argument("views", nargs=-1, metavar="[VIEW[:KEY=VALUE,...]]...")
@click.option(
    "--data",
    "name",
    type=click.Choice(["faces", "celeba"]),
    default="faces",
    show_default=True,
    help="Drawn faces, or those of --data-root.",
)
@data_option
@click.option(
    "--size", type=click.IntRange(16, 512), default=64, show_default=True, help="In pixels."
)
@click.option(
    "--columns", type=click.IntRange(1, 64), default=12, show_default=True, help="People."
)
@click.option("--rows", type=click.IntRange(1, 64), default=1, show_default=True, help="A view.")
@click.option(
    "--out", type=FILE, default=Path("cache/sheet.png"), show_default=True, help="The sheet."
)
def show(
    views: tuple[str, ...],
    name: str,
    data_root: Path | None,
    size: int,
    columns: int,
    rows: int,
    out: Path,
) -> None:
    """Write a contact sheet of the same people in each VIEW.

    By default in all views. For example:

    \b
    bench data show aligned rotated:degrees=45,crop=178 wild:margin=1.5
    """
    from benchmark.data.sheet import VIEWS, contact_sheet

    sheet = contact_sheet(views or VIEWS, name, data_root, size, columns, rows)  # type: ignore[arg-type]
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out)
    click.echo(f"sheet: {out}")
