"""Files that a reader, or a process killed in between, sees whole or not at all."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from benchmark.errors import BenchError

TEMPORARY = ".*.tmp"  # files that write_atomic has not published yet


def write_atomic(path: Path, data: bytes) -> None:
    """Write so that a reader, or a process killed in between, sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextmanager
def cached(path: Path, what: str) -> Iterator[None]:
    """`path` in a cache for this process alone, which reads it or writes `what` to it.

    Raises BenchError where it can do neither.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            yield
    except OSError as error:
        raise BenchError(
            f"{path.parent}: cannot keep {what} there ({error.strerror or error}); free some space "
            "or choose another cache folder"
        ) from None


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file; the system frees a dead one's.

    It is only read, so that anybody who may read it can ask, and several at once.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
