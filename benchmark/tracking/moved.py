"""A SQLite store that was copied or moved: MLflow keeps absolute addresses of its artifacts.

A copy would go on to read, and write, the files of the original.
"""

from collections.abc import Iterator

from mlflow.entities import Experiment
from mlflow.tracking import MlflowClient
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from benchmark.errors import BenchError
from benchmark.redact import redact
from benchmark.tracking.store import artifacts_of, sqlite_file


def moved_experiments(client: MlflowClient, uri: str) -> Iterator[tuple[Experiment, str]]:
    """Experiments whose artifacts are beside another store, and where they should be."""
    for experiment in client.search_experiments():
        here = wanted(experiment, uri)
        if here is not None:
            yield experiment, here


def wanted(experiment: Experiment, uri: str) -> str | None:
    """Where its artifacts should be; None if they are there, or where the user wants them."""
    store = sqlite_file(uri)
    if store is None:
        return None
    here, now = artifacts_of(store, experiment.name), str(experiment.artifact_location)
    ours = now.startswith("file:") and now.rsplit("/", 2)[1:] == here.rsplit("/", 2)[1:]
    return here if ours and now != here else None


def refuse_moved(experiment: Experiment, uri: str) -> None:
    """Raise BenchError before anything is written into the original's files."""
    if wanted(experiment, uri) is not None:
        raise BenchError(
            f"{redact(uri)} was copied or moved: it still names {experiment.artifact_location} for "
            "artifacts; `bench doctor --fix` makes it name the folder beside it"
        )


def put_right(uri: str, experiment: Experiment, here: str) -> None:
    """Address its artifacts, and those of all its runs, beside the store. No file is touched."""
    engine = create_engine(uri, poolclass=NullPool)
    old = str(experiment.artifact_location)
    values = {"id": int(experiment.experiment_id), "here": here, "old": f"{old}/"}
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE experiments SET artifact_location = :here WHERE experiment_id = :id"),
            values,
        )
        connection.execute(
            text(
                "UPDATE runs SET artifact_uri = :here || '/' ||"
                " substr(artifact_uri, length(:old) + 1)"
                " WHERE experiment_id = :id AND substr(artifact_uri, 1, length(:old)) = :old"
            ),
            values,
        )
