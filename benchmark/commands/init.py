"""`bench init`."""

from pathlib import Path

import click

from benchmark.commands.options import FOLDER
from benchmark.commands.tables import say
from benchmark.errors import BenchError, InputError


@click.command()
@click.argument("folder", type=FOLDER, default=Path())
def init(folder: Path) -> None:
    """Copy the shipped ablations into FOLDER/ablations.

    FOLDER is the current one by default.
    """
    target, files = folder / "ablations", shipped_ablations()
    for file in files:
        there = target / file.name
        if there.exists() and there.read_bytes() != file.read_bytes():
            raise InputError(
                f"{there}: differs from the shipped file and is left alone; "
                "move it away or give another folder"
            )
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        (target / file.name).write_bytes(file.read_bytes())
    say(f"{target}: {len(files)} files; next: bench run {target / 'gamma.yaml'}")


def shipped_ablations() -> list[Path]:
    """The shipped YAML files and their schema: inside the package in a wheel, beside it in a clone.

    Raises BenchError where they are in neither place.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "ablations", package.parent / "ablations"):
        found = sorted([*folder.glob("*.yaml"), *folder.glob("schema.json")])
        if found:
            return found
    raise BenchError("the shipped ablations are missing from this installation; install it again")
