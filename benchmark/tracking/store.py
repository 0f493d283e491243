"""The store behind a URI: where it is, how it is created, and why it cannot be used, in words."""

import glob
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.version import VERSION
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from benchmark.errors import BenchError
from benchmark.redact import redact

# An unreachable server is noticed within seconds; the caller retries later.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
LONGEST = 240  # characters of what a library says
DATABASES = ("postgresql", "mysql", "mssql")
MIGRATIONS = resources.files("mlflow.store.db_migrations") / "versions"  # of this MLflow


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for any other.

    Raises BenchError where the URI is SQLite's and names no file.
    """
    if not re.match(r"sqlite(\+\w+)?:", uri):
        return None
    try:
        url = make_url(uri)
    except ArgumentError:
        url = None
    if url is None or url.host or not url.database or url.database == ":memory:":
        raise BenchError(
            f"--mlflow {redact(uri)}: names no file; write sqlite:///FOLDER/mlflow.db, or "
            "sqlite:////FOLDER/mlflow.db for a path from the root"
        )
    # SQLite's own form, file:PATH?uri=true, is left to it.
    return None if url.database.startswith("file:") else Path(url.database)


def client_of(uri: str) -> MlflowClient:
    """MLflow's client of the store."""
    return MlflowClient(tracking_uri=spelled(uri))


def spelled(uri: str) -> str:
    """The URI as MLflow is given it: of sqlite:///q%3Fx/m.db it would make a folder q%3Fx too."""
    return uri.replace("sqlite:", "sqlite+pysqlite:", 1) if "%" in uri else uri


def reached(uri: str, act: Callable[[], Any]) -> None:
    """Do what needs the store; raises BenchError, in one line, whatever goes wrong."""
    try:
        with _quiet_and_impatient():
            _refuse_absent(uri)
            act()
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        raise BenchError(f"{redact(uri)} {_why(uri, error)}") from error


def cause(error: BaseException) -> str:
    """What the system or the database says at the bottom of a library's error, as a short line."""
    wrapped = isinstance(error, MlflowException | SQLAlchemyError | OSError)
    found, below = error, error if wrapped else None
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            found = below
        elif isinstance(below, DBAPIError) and below.orig:
            found = below.orig
        below = below.__cause__ or (None if below.__suppress_context__ else below.__context__)
    if isinstance(found, OSError) and found.strerror:
        at = f"{found.filename}: " if found.filename else ""
        return f"{at}{found.strerror}"[:LONGEST]
    text = (str(found).strip() or type(found).__name__).splitlines()[0]
    # A KeyError's text is only the key.
    return (text if wrapped else f"{type(found).__name__}: {text}")[:LONGEST]


def make_room(uri: str, name: str) -> str | None:
    """For a SQLite store, its folder, itself, and the place of an experiment's artifacts beside it.

    None for any other store. Raises BenchError where this user may not write to it.
    """
    store = sqlite_file(uri)
    if store is None:
        return None
    folder = store.resolve().parent
    if any(
        "\udc80" <= each <= "\udcff" for each in str(folder)
    ):  # MLflow would make another folder beside it
        raise BenchError(
            f"{folder}: its name is not text in UTF-8; choose another store with --mlflow"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not store.exists():
        _create(uri, store)
    for path in (folder, store):  # SQLite writes a journal beside it
        if not os.access(path, os.W_OK):
            raise BenchError(
                f"{redact(uri)} is read-only for this user ({path}): ask its owner for `chmod g+w` "
                "of file and folder, or give another store with --mlflow"
            )
    return artifacts_of(store, name)


def artifacts_of(store: Path, name: str) -> str:
    """The address of an experiment's artifacts, beside the file of a SQLite store."""
    return (store.resolve().parent / "artifacts" / name).as_uri()


def _create(uri: str, store: Path) -> None:
    """Create a new store atomically: one killed during its migrations stays broken."""
    new = store.with_name(f".{store.name}.new")
    for left in store.parent.glob(f"{glob.escape(new.name)}*"):  # by one that was killed
        left.unlink()
    new.touch()  # as people's umask says; SQLite would let its owner alone write to it
    client_of(make_url(uri).set(database=str(new)).render_as_string(hide_password=False))
    new.replace(store)


def _refuse_absent(uri: str) -> None:
    """Raise at once where a database cannot be opened; MLflow itself tries for minutes."""
    store = sqlite_file(uri)
    if _backend(uri) not in DATABASES and not (store is not None and store.exists()):
        return
    with create_engine(uri, poolclass=NullPool).connect():
        pass


def _why(uri: str, error: BaseException) -> str:
    """What is wrong with a store, and what to do, to be said after its URI."""
    if isinstance(error, ModuleNotFoundError) and _backend(uri) == "postgresql":
        return (
            f"needs the package {error.name}: pip install 'began-bench[postgres]', and write it as "
            "postgresql+psycopg://USER@HOST/NAME"
        )
    if "maintenance mode" in str(error):  # a path, or file: MLflow writes to no folder any more
        return "is a folder, which MLflow no longer writes to; write sqlite:///FOLDER/mlflow.db"
    schema = re.search(r"found version (\w+)", str(error))
    if schema and not any(each.name.startswith(schema[1]) for each in MIGRATIONS.iterdir()):
        return f"is of a newer MLflow than {VERSION}: install that one, or give another store"
    return f"cannot be written ({redact(cause(error))})"


def _backend(uri: str) -> str:
    return uri.partition(":")[0].partition("+")[0]


@contextmanager
def _quiet_and_impatient() -> Iterator[None]:
    """MLflow gives up on a server in seconds and logs nothing; what the user has set stays."""
    added = {name: value for name, value in IMPATIENT.items() if name not in os.environ}
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    os.environ.update(added)
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)  # its errors are raised too, and said in one line
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
