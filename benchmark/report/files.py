"""Writing the report's files."""

from pathlib import Path

from benchmark.errors import BenchError
from benchmark.files import write_atomic


def write(path: Path, content: bytes) -> None:
    """Whole or not at all; untouched where the content is there already.

    Raises BenchError where the file cannot be written.
    """
    try:
        if not path.is_file() or path.read_bytes() != content:
            write_atomic(path, content)
    except OSError as error:
        raise BenchError(
            f"{path}: cannot be written ({error.strerror}); make {path.parent} writable and run"
            " `bench report` again"
        ) from None
